import { bytesPerCharacter, isSuperset } from './charset.ts'
import type { ColumnShape } from './column-type.ts'

export interface TypedColumn {
  readonly shape: ColumnShape
  readonly characterSet: string
}

/** Why the target's column cannot hold every value of the source's; undefined when it can. */
export function misfit(source: TypedColumn, target: TypedColumn): string | undefined {
  if (source.shape.kind === 'address' && target.shape.kind === 'text') return addressAsText(source.shape, target)
  if (isJson(source) || isJson(target)) return jsonMisfit(source, target)
  switch (source.shape.kind) {
    case 'int':
    case 'bigint':
      return integerMisfit(source.shape, target.shape)
    case 'decimal':
      return decimalMisfit(source.shape, target.shape)
    case 'float':
    case 'double':
      return floatMisfit(source.shape, target.shape)
    case 'bit':
      return fits(target.shape.kind === 'bit' && target.shape.size >= source.shape.size, 'fewer bits')
    case 'year':
    case 'address':
      return fits(target.shape.base === source.shape.base, 'another type')
    case 'temporal':
      return fits(target.shape.base === source.shape.base, 'another type') ?? fits(target.shape.size >= source.shape.size, 'fewer digits of a second')
    case 'text':
      return textMisfit(source, target)
    case 'bytes':
      return bytesMisfit(source.shape, target.shape)
    case 'enum':
    case 'set':
      return membersMisfit(source, target)
    case 'geometry':
      return fits(target.shape.base === 'geometry' || target.shape.base === source.shape.base, 'another type')
    case 'json':
      return undefined
  }
}

function fits(yes: boolean, problem: string): string | undefined {
  return yes ? undefined : problem
}

const INTEGER_BITS: Readonly<Record<string, number>> = { tinyint: 8, smallint: 16, mediumint: 24, int: 32, bigint: 64 }

function integerMisfit(source: ColumnShape, target: ColumnShape): string | undefined {
  const from = INTEGER_BITS[source.base] ?? 64
  const to = INTEGER_BITS[target.base]
  if (to === undefined) return 'another type'
  if (!source.unsigned && target.unsigned) return 'no negative numbers'
  // An unsigned value fits a signed column only with a bit to spare.
  return fits(source.unsigned && !target.unsigned ? to > from : to >= from, 'a smaller range')
}

function decimalMisfit(source: ColumnShape, target: ColumnShape): string | undefined {
  if (target.base !== 'decimal') return 'another type'
  if (!source.unsigned && target.unsigned) return 'no negative numbers'
  const [sourceScale, targetScale] = [Math.max(source.decimals, 0), Math.max(target.decimals, 0)]
  return fits(targetScale >= sourceScale && target.size - targetScale >= source.size - sourceScale, 'fewer digits')
}

function floatMisfit(source: ColumnShape, target: ColumnShape): string | undefined {
  if (target.kind !== 'float' && target.kind !== 'double') return 'another type'
  if (source.kind === 'double' && target.kind === 'float') return 'fewer digits'
  if (!source.unsigned && target.unsigned) return 'no negative numbers'
  // FLOAT(M,D) rounds what it stores.
  return fits(target.size === 0 || (target.size >= source.size && target.decimals >= source.decimals && source.size > 0), 'fewer digits')
}

const TEXT_BYTES: Readonly<Record<string, number>> = {
  tinytext: 255,
  text: 65_535,
  mediumtext: 16_777_215,
  longtext: 4_294_967_295,
  json: 4_294_967_295,
  tinyblob: 255,
  blob: 65_535,
  mediumblob: 16_777_215,
  longblob: 4_294_967_295
}

function textMisfit(source: TypedColumn, target: TypedColumn): string | undefined {
  if (target.shape.kind !== 'text') return 'another type'
  if (!isSuperset(target.characterSet, source.characterSet))
    return `the character set ${target.characterSet}, which has not every letter of ${source.characterSet}`
  const from = source.shape.base
  const to = target.shape.base
  // CHAR loses the spaces at the end that others keep.
  if (to === 'char' && from !== 'char') return 'no spaces at the end'
  const sized = (base: string): boolean => base === 'char' || base === 'varchar'
  if (sized(from) && sized(to)) return fits(target.shape.size >= source.shape.size, 'fewer characters')
  const bytes = (column: TypedColumn): number => TEXT_BYTES[column.shape.base] ?? column.shape.size * bytesPerCharacter(column.characterSet)
  return fits(bytes(target) >= bytes(source), 'fewer bytes')
}

function bytesMisfit(source: ColumnShape, target: ColumnShape): string | undefined {
  if (target.kind !== 'bytes') return 'another type'
  if (source.base === 'vector' || target.base === 'vector') return fits(source.base === target.base && source.size === target.size, 'another type')
  // BINARY pads what it stores.
  if (target.base === 'binary') return fits(source.base === 'binary' && source.size === target.size, 'another length')
  return fits((TEXT_BYTES[target.base] ?? target.size) >= (TEXT_BYTES[source.base] ?? source.size), 'fewer bytes')
}

function membersMisfit(source: TypedColumn, target: TypedColumn): string | undefined {
  const { kind, members } = source.shape
  if (target.shape.kind !== kind) return 'another type'
  if (!isSuperset(target.characterSet, source.characterSet)) return `the character set ${target.characterSet}`
  const places = members.map((label) => target.shape.members.indexOf(label))
  const missing = members.filter((_, index) => places[index] === -1)
  if (missing.length > 0) return `no ${missing.map((label) => `'${label}'`).join(', ')}`
  // A SET is printed in the order of its members, and that print is its value.
  const ordered = places.every((place, index) => index === 0 || place > (places[index - 1] as number))
  return fits(kind === 'enum' || ordered, 'its members in another order')
}

function isJson({ shape }: TypedColumn): boolean {
  return shape.base === 'json'
}

function jsonMisfit(source: TypedColumn, target: TypedColumn): string | undefined {
  if (!isJson(source)) return 'another type'
  if (isJson(target)) return undefined
  return fits(target.shape.base === 'longtext' && target.characterSet === 'utf8mb4', 'another type')
}

const ADDRESS_CHARACTERS: Readonly<Record<string, number>> = { uuid: 36, inet4: 15, inet6: 39 }

/** Where the target has no such type: canonical text. */
function addressAsText(source: ColumnShape, { shape }: TypedColumn): string | undefined {
  const wanted = ADDRESS_CHARACTERS[source.base] ?? 0
  return fits(shape.base === 'varchar' || shape.base === 'char' ? shape.size >= wanted : true, 'fewer characters')
}

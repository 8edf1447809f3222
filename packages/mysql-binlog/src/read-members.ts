import type { ByteCursor } from './byte-cursor.ts'
import type { Column } from './columns.ts'
import { valueInvalid } from './errors.ts'
import type { EnumValue, SetValue } from './values.ts'

const NO_BYTES = Buffer.alloc(0)
const COMMA = Buffer.from(',')

/** One object per label, made with the reader: the cells of a column share them. */
export function enumReader({ size, members }: Column): (cursor: ByteCursor) => EnumValue {
  if (members === undefined) return (cursor) => ({ kind: 'enum', index: cursor.uint(size), label: undefined })
  const values = [NO_BYTES, ...members].map((label, index): EnumValue => Object.freeze({ kind: 'enum', index, label }))
  return (cursor) => {
    const index = cursor.uint(size)
    const value = values[index]
    if (value === undefined) throw valueInvalid({ ...cursor.place(), type: 'enum', reason: `${index} of ${members.length} labels` })
    return value
  }
}

export function setReader({ size, members }: Column): (cursor: ByteCursor) => SetValue {
  return (cursor) => {
    const bits = readBits(cursor, size)
    if (members === undefined) return { kind: 'set', bits, label: undefined }
    if (bits >> BigInt(members.length) !== 0n) {
      throw valueInvalid({ ...cursor.place(), type: 'set', reason: `bits ${bits} of ${members.length} labels` })
    }
    const chosen = members.filter((_, index) => (bits >> BigInt(index)) & 1n)
    return { kind: 'set', bits, label: Buffer.concat(chosen.flatMap((label, index) => (index === 0 ? [label] : [COMMA, label]))) }
  }
}

/** 1, 2, 3, 4 or 8 bytes. */
function readBits(cursor: ByteCursor, size: number): bigint {
  return size === 8 ? cursor.u64() : BigInt(cursor.uint(size))
}

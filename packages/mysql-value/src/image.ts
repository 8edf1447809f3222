import type { CellValue, Column, Row, TableIdentity } from '@cellway/change'
import { decodeText, isAsciiBased } from './charset.ts'
import { type ColumnShape, parseColumn } from './column-type.ts'
import { imageInvalid, typeUnknown } from './errors.ts'
import { asBuffer } from './quote.ts'

type JsonValue = null | string | number | { readonly hex: string }

/**
 * A row as JSON for people and for the log of conflicts: an object by column name, exact and reversible with `imageOf`. Text that is
 * UTF-8, or ASCII in another character set, stands as text, other bytes as `{"hex": "…"}`; 64-bit numbers and -0 are strings of digits; absent columns are left out.
 * @throws MYV_TYPE_UNKNOWN
 */
export function imageText(table: TableIdentity, row: Row): string {
  const members: string[] = []
  table.columns.forEach((column, index) => {
    const value = row[index]
    if (value !== undefined) members.push(`${JSON.stringify(column.name)}: ${JSON.stringify(toJson(value, column))}`)
  })
  return `{${members.join(', ')}}`
}

function toJson(value: Exclude<CellValue, undefined>, column: Column): JsonValue {
  if (value === null || typeof value === 'string') return value
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : value
  if (typeof value === 'bigint') return String(value)
  const text = readable(value, column.characterSet)
  return text ?? { hex: asBuffer(value).toString('hex') }
}

const UTF8_SETS = new Set(['utf8mb4', 'utf8mb3'])

/** Text that has the same bytes when it is written again; undefined for all other. */
function readable(bytes: Uint8Array, characterSet: string): string | undefined {
  if (UTF8_SETS.has(characterSet)) return decodeText(bytes, characterSet)
  if (characterSet === '' || !isAsciiBased(characterSet)) return undefined
  const text = asBuffer(bytes).toString('latin1')
  return isAscii(text) ? text : undefined
}

function isAscii(text: string): boolean {
  return !/[^\x00-\x7f]/.test(text)
}

/** @throws MYV_IMAGE_INVALID, MYV_TYPE_UNKNOWN */
export function imageOf(table: TableIdentity, text: string): Row {
  const name = `${table.schema}.${table.name}`
  const image = parseObject(text, name)
  const known = new Set(table.columns.map((column) => column.name))
  for (const member of image.keys()) if (!known.has(member)) throw imageInvalid({ table: name, problem: `no column ${member}` })
  return table.columns.map((column) => {
    const shape = parseColumn(column)
    if (shape === undefined) throw typeUnknown({ table: name, column: column.name, type: column.type })
    const value = image.get(column.name)
    const cell = value === undefined || value === null ? value : fromJson(value, shape, column.characterSet)
    if (cell === undefined && value !== undefined) throw imageInvalid({ table: name, problem: `${column.name} is no ${shape.typeSql}` })
    return cell
  })
}

function parseObject(text: string, table: string): Map<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return new Map(Object.entries(parsed))
  } catch (cause) {
    throw imageInvalid({ table, problem: 'no JSON' }, { cause })
  }
  throw imageInvalid({ table, problem: 'no JSON object' })
}

/** Undefined where it is none of the type. */
function fromJson(value: unknown, { kind }: ColumnShape, characterSet: string): CellValue {
  switch (kind) {
    case 'int':
    case 'year':
      return Number.isSafeInteger(value) ? (value as number) : undefined
    case 'bigint':
    case 'bit':
      if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value)
      return Number.isSafeInteger(value) ? BigInt(value as number) : undefined
    case 'float':
    case 'double':
      if (value === '-0') return -0
      return typeof value === 'number' ? value : undefined
    case 'decimal':
    case 'temporal':
    case 'json':
    case 'address':
      return typeof value === 'string' ? value : undefined
    case 'enum':
      return value === 0 ? 0 : bytesOf(value, characterSet)
    case 'set':
    case 'text':
    case 'bytes':
    case 'geometry':
      return bytesOf(value, characterSet)
  }
}

function bytesOf(value: unknown, characterSet: string): Buffer | undefined {
  if (typeof value === 'string') {
    const isOwn = UTF8_SETS.has(characterSet) || (characterSet !== '' && isAsciiBased(characterSet) && isAscii(value))
    return isOwn ? Buffer.from(value, 'utf8') : undefined
  }
  if (typeof value !== 'object' || value === null || !('hex' in value)) return undefined
  const { hex } = value
  return typeof hex === 'string' && /^(?:[0-9a-f]{2})*$/i.test(hex) ? Buffer.from(hex, 'hex') : undefined
}

/** What a cell of a row image can hold. */

/** The column is not in this image (MINIMAL and NOBLOB row images). Not the same as NULL: its value is unknown. */
export const ABSENT = Symbol('absent column')

export interface EnumValue {
  readonly kind: 'enum'
  /** From 1; 0 is the server's mark for an invalid value, shown as ''. */
  readonly index: number
  /** Bytes in the column's charset; undefined without FULL metadata. */
  readonly label: Buffer | undefined
}

export interface SetValue {
  readonly kind: 'set'
  readonly bits: bigint
  /** Labels joined by commas, as the server shows them, in the column's charset; undefined without FULL metadata. */
  readonly label: Buffer | undefined
}

export interface GeometryValue {
  readonly kind: 'geometry'
  readonly srid: number
  readonly wkb: Buffer
}

/** One step of a partial update of a JSON document (MySQL, `binlog_row_value_options=PARTIAL_JSON`). */
export interface JsonChange {
  readonly operation: 'replace' | 'insert' | 'remove'
  readonly path: string
  /** JSON text; undefined for `remove`. */
  readonly value: string | undefined
}

/** A JSON column whose after-image came as changes and whose before-image is absent; otherwise the whole text is given. */
export interface JsonPatch {
  readonly kind: 'json-patch'
  readonly changes: readonly JsonChange[]
}

/**
 * - number: TINYINT to INT, YEAR, FLOAT (as its shortest decimal), DOUBLE
 * - bigint: BIGINT, BIT (of any width)
 * - string: DECIMAL, DATE, TIME, DATETIME, TIMESTAMP (UTC), MySQL's JSON (text)
 * - Buffer: CHAR, VARCHAR, TEXT, BINARY, BLOB, VECTOR, MariaDB's JSON, UUID, INET4, INET6: bytes in the column's charset.
 *   A Buffer is a view into the event's memory unless it had to be padded or inflated: see `ownRow`.
 */
export type ColumnValue = number | bigint | string | Buffer | null | typeof ABSENT | EnumValue | SetValue | GeometryValue | JsonPatch

/** By column index of the table map; each image is an array of its own. */
export type Row = readonly ColumnValue[]

export interface RowChange {
  readonly before: Row | undefined
  readonly after: Row | undefined
}

/**
 * Copies what is a view, so that the row may be kept after its event was handled: a kept view would keep the whole packet
 * in memory, and would change if the owner of the packet writes to it again.
 */
export function ownRow(row: Row): Row {
  return row.map(ownValue)
}

function ownValue(value: ColumnValue): ColumnValue {
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (typeof value === 'object' && value !== null && value.kind === 'geometry') return { ...value, wkb: Buffer.from(value.wkb) }
  return value
}

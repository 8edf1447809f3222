/** What a table map says about a table. */

export type ColumnType =
  | 'tinyint'
  | 'smallint'
  | 'mediumint'
  | 'int'
  | 'bigint'
  | 'float'
  | 'double'
  | 'decimal'
  | 'bit'
  | 'year'
  | 'date'
  | 'time'
  | 'datetime'
  | 'timestamp'
  | 'old-time'
  | 'old-datetime'
  | 'old-timestamp'
  | 'char'
  | 'varchar'
  | 'blob'
  | 'varchar-compressed'
  | 'blob-compressed'
  | 'json'
  | 'geometry'
  | 'vector'
  | 'enum'
  | 'set'
  | 'null'
  | 'unknown'

export interface Column {
  readonly index: number
  /** Undefined without FULL metadata. */
  readonly name: string | undefined
  readonly type: ColumnType
  /** As in the table map; for ENUM and SET their own codes, not that of STRING. */
  readonly typeCode: number
  readonly nullable: boolean
  /** Of numeric columns; undefined where the table map does not say. */
  readonly unsigned: boolean | undefined
  /** Collation id of text, ENUM and SET columns; 63 is `binary`. */
  readonly collation: number | undefined
  /** Bytes at most for CHAR and VARCHAR; bits for BIT; bytes per value for ENUM and SET; bytes of the length for BLOB and its kin. */
  readonly size: number
  /** Digits of DECIMAL. */
  readonly precision: number
  /** Digits after the point: DECIMAL and temporal columns. */
  readonly decimals: number
  /** Labels of ENUM and SET in the column's charset. */
  readonly members: readonly Buffer[] | undefined
  /** 0 geometry, 1 point, 2 linestring, … */
  readonly geometryType: number | undefined
  /** Of VECTOR(n); MySQL 9 says it. */
  readonly vectorDimensions: number | undefined
  /** False for INVISIBLE columns; MariaDB never says. */
  readonly visible: boolean | undefined
}

export interface KeyPart {
  readonly column: number
  /** Characters of the prefix; 0 = the whole column. */
  readonly prefix: number
}

export interface TableMap {
  readonly tableId: number
  readonly schema: string
  readonly table: string
  readonly columns: readonly Column[]
  /** Undefined without FULL metadata, and for tables without a primary key. */
  readonly primaryKey: readonly KeyPart[] | undefined
  /** CRC-32 of the definition without the table id: equal for an unchanged table across server restarts. */
  readonly fingerprint: number
  /** MariaDB sets it when the table has triggers at the source. */
  readonly hasTriggers: boolean
  readonly flavour: Flavour
}

export type Flavour = 'mysql' | 'mariadb'

export const BINARY_COLLATION = 63

/** Type codes of the wire. */
export const TYPE = {
  decimal: 0,
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  null: 6,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
  newDate: 14,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  blobCompressed: 140,
  varcharCompressed: 141,
  vector: 242,
  json: 245,
  newDecimal: 246,
  enum: 247,
  set: 248,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255
} as const

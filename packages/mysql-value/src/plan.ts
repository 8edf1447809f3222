import type { CellValue, Row, TableIdentity } from '@cellway/change'
import type { Row as BinlogRow } from '@cellway/mysql-binlog'
import type { TableDescription } from './description.ts'

/**
 * How the values of a row are held between capture and apply (`CellValue`):
 *
 * - TINYINT to INT, YEAR, FLOAT (as its shortest decimal), DOUBLE: number
 * - BIGINT, BIT: bigint
 * - DECIMAL, DATE, TIME, DATETIME, TIMESTAMP (UTC), MySQL's JSON, UUID, INET4, INET6: text
 * - CHAR, VARCHAR, TEXT, MariaDB's JSON: bytes in the column's character set
 * - ENUM, SET: bytes of the label; an ENUM's mark for an invalid value is the number 0
 * - BINARY (padded to its length), VARBINARY, BLOB, VECTOR: bytes
 * - GEOMETRY: 4 bytes of SRID, lowest first, and WKB
 * - NULL is null, absent is undefined
 */
export interface CapturePlan {
  readonly identity: TableIdentity
  /** Values without the generated columns. Bytes are views into the event: pack the row before the event's memory is used again. */
  row(row: BinlogRow): Row
}

export interface TargetPlan {
  readonly target: TableDescription
  readonly source: TableIdentity
  /** `schema`.`table` */
  readonly tableSql: string
  /** (`a`,`b`) in the order of the source's columns. */
  readonly insertColumnsSql: string
  /** Select list whose raw bytes `resultRow` reads, in the order of the source's columns. */
  readonly selectSql: string
  /** (`k1`,`k2`) */
  readonly keyColumnsSql: string
  /** `a`=VALUES(`a`),… for ON DUPLICATE KEY UPDATE; both flavours understand it. */
  readonly assignmentsSql: string
  /** What follows the rows of an upsert, in the form that each flavour likes best: ` ON DUPLICATE KEY UPDATE …`, with a row alias on MySQL. */
  readonly upsertTailSql: string
  /** (v,v,v): exact literals in a session that ran SESSION_SQL; DEFAULT for absent values. @throws MYV_VALUE_INVALID */
  rowSql(row: Row): string
  /** The row has an invalid ENUM value, which only a statement changed by `lenientInsert` can store. */
  needsLenientMode(row: Row): boolean
  /** (k1,k2): literals of the key columns. @throws MYV_VALUE_INVALID */
  keySql(row: Row): string
  /**
   * The same for two rows exactly when the target holds their keys for equal, by the weights of its own collations; never the same for
   * keys that it tells apart. For a description that did not come from `describeTables`, letters beyond ASCII may be kept apart.
   */
  keyOf(row: Row): string
  /** False where the target may hold more keys for equal than `keyOf` knows of: letters that weigh otherwise when they stand together. */
  isKeyExact(row: Row): boolean
  /** From the raw cells of `selectSql` in a session that ran SESSION_SQL, text protocol. Bytes are views into the cells. @throws MYV_VALUE_INVALID */
  resultRow(cells: readonly (Buffer | null)[]): Row
  /** Equal as values of this column, whichever flavour or precision they came from; 0 and -0 are. An absent value equals nothing but absent. */
  isSame(column: number, a: CellValue, b: CellValue): boolean
  /** Columns that are absent in one of them are not compared. */
  rowsEqual(a: Row, b: Row): boolean
}

export type TargetPlanning =
  | { readonly ok: true; readonly plan: TargetPlan }
  /** `statement` run at the target makes it fit. */
  | { readonly ok: false; readonly problems: readonly string[]; readonly statement: string }

export interface SchemaDifference {
  /** schema.table */
  readonly table: string
  readonly problem: string
  /** Run in the second cell makes it as the first; empty where no statement can. */
  readonly statement: string
}

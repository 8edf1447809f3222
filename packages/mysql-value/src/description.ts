/** What a server says about its tables. */

export type Flavour = 'mariadb' | 'mysql'

export interface ColumnDescription {
  readonly name: string
  /** From 0, in the order of the table. */
  readonly index: number
  /** As the server's SQL spells it: `bigint(20) unsigned`, `enum('a','b')`. MariaDB's JSON columns are `json` here. */
  readonly columnType: string
  /** `bigint`, `enum`, `json`, … */
  readonly dataType: string
  /** Empty where the type has none. */
  readonly characterSet: string
  readonly collation: string
  readonly nullable: boolean
  /** An expression of this server's SQL, `NULL` included; undefined: no default. */
  readonly defaultSql: string | undefined
  readonly generated: 'no' | 'virtual' | 'stored'
  readonly autoIncrement: boolean
  readonly unsigned: boolean
  readonly invisible: boolean
  /** As the server says it: `on update current_timestamp()`, … */
  readonly extra: string
}

export interface KeyPart {
  readonly column: number
  /** Characters; 0 = the whole column. */
  readonly prefix: number
}

export interface KeyDescription {
  readonly name: string
  readonly unique: boolean
  /** Without the parts that are expressions. */
  readonly columns: readonly KeyPart[]
  /** Whether one of its columns may be NULL. */
  readonly nullable: boolean
  /** MySQL: a part is an expression, so the columns alone do not make the key. */
  readonly hasExpression: boolean
}

export interface ForeignKey {
  readonly name: string
  readonly columns: readonly number[]
  readonly referencedSchema: string
  readonly referencedTable: string
  readonly referencedColumns: readonly string[]
  /** `CASCADE`, `SET NULL`, `RESTRICT`, `NO ACTION`, `SET DEFAULT`. */
  readonly onDelete: string
  readonly onUpdate: string
}

export interface Trigger {
  readonly name: string
  readonly timing: string
  readonly event: string
}

export interface TableDescription {
  readonly schema: string
  readonly name: string
  readonly engine: string
  readonly flavour: Flavour
  readonly columns: readonly ColumnDescription[]
  readonly keys: readonly KeyDescription[]
  /** The primary key, or the unique key without NULL that stands for it; empty where there is neither. */
  readonly keyColumns: readonly number[]
  readonly foreignKeys: readonly ForeignKey[]
  readonly triggers: readonly Trigger[]
}

/** Runs one query in a session of the server; cells are texts, numbers or bytes of UTF-8. */
export type RunQuery = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>

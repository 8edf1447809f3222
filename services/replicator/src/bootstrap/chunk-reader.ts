import type { Row, TableIdentity } from '@cellway/change'
import { identityOf, imageOf, imageText, planTarget, type TableDescription, type TargetPlan } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import { sourceRefused } from './errors.ts'
import { nameOf } from './levels.ts'

export interface Chunk {
  readonly table: TableIdentity
  readonly rows: readonly Row[]
  /** Image of the last row's key; null when there is none. */
  readonly lastKey: string | null
  readonly tableDone: boolean
}

export interface ChunkLimits {
  readonly chunkRows: number
  readonly chunkBytes: number
}

export interface ChunkStart {
  readonly limits: ChunkLimits
  /** Image of a key; null: from the first row. */
  readonly afterKey: string | null
  /** What a row is thought to have; 0: nobody knows. */
  readonly rowBytes: number
}

/** Rows of the first chunk of a table whose rows nobody has measured. */
const FIRST_ROWS = 8

/** Reads one table in the order of its key, in whatever snapshot the session has open. */
export class ChunkReader {
  readonly #session: Session
  readonly #plan: TargetPlan
  readonly #limits: ChunkLimits
  readonly #keyParts: readonly KeyPart[]
  #afterKey: string | null
  #rowsNext: number

  /** @throws BOO_SOURCE_REFUSED */
  constructor(session: Session, description: TableDescription, { limits, afterKey, rowBytes }: ChunkStart) {
    const table = nameOf(description)
    if (description.keyColumns.length === 0) throw sourceRefused({ sourceCell: '', problem: `${table} has no key` })
    const planned = planTarget(identityOf(description), description)
    if (!planned.ok) throw sourceRefused({ sourceCell: '', problem: `${table}: ${planned.problems.join('; ')}` })
    this.#session = session
    this.#plan = planned.plan
    this.#limits = limits
    this.#keyParts = keyPartsOf(description)
    this.#afterKey = afterKey
    this.#rowsNext = Math.max(1, Math.min(rowBytes === 0 ? FIRST_ROWS : Math.floor(limits.chunkBytes / rowBytes), limits.chunkRows))
  }

  async next(): Promise<Chunk> {
    const limit = this.#rowsNext
    const cells = await this.#session.rows(this.#sql(limit))
    const table = this.#plan.source
    const rows = cells.map((row) => this.#plan.resultRow(row))
    const last = rows.at(-1)
    const lastKey = last === undefined ? null : imageText(table, keyOnly(table, last))
    if (lastKey !== null) {
      // A key that the server does not find behind itself (a FLOAT) would be read for ever.
      if (lastKey === this.#afterKey) throw sourceRefused({ sourceCell: '', problem: `${nameOf(table)} cannot be read in the order of its key` })
      this.#afterKey = lastKey
    }
    this.#measure(cells)
    return { table, rows, lastKey, tableDone: rows.length < limit }
  }

  #sql(limit: number): string {
    const { tableSql, selectSql, source } = this.#plan
    const key = this.#afterKey
    const row = key === null ? undefined : imageOf(source, key)
    const where = row === undefined ? '' : `WHERE ${behindKeySql(this.#keyParts.map(({ sql, literal }) => ({ sql, literal: literal(row) })))}`
    return `SELECT ${selectSql} FROM ${tableSql} ${where} ORDER BY ${this.#keyParts.map(({ sql }) => sql).join(', ')} LIMIT ${limit}`
  }

  /** Rows differ: the next chunk is as many rows as would have filled this one. At most double, so that one small chunk does not mislead. */
  #measure(cells: readonly (readonly (Buffer | null)[])[]): void {
    if (cells.length === 0) return
    const bytes = cells.reduce((sum, row) => sum + row.reduce((rowSum, cell) => rowSum + (cell?.length ?? 0), 0), 0)
    const fitting = Math.floor(this.#limits.chunkBytes / Math.max(1, bytes / cells.length))
    this.#rowsNext = Math.max(1, Math.min(fitting, this.#rowsNext * 2, this.#limits.chunkRows))
  }
}

interface KeyPart {
  readonly sql: string
  readonly literal: (row: Row) => string
}

/** A plan per column of the key: each gives the literal of its own column. The key came over the wire as an image, never as SQL. */
function keyPartsOf(description: TableDescription): KeyPart[] {
  return description.keyColumns.map((column) => {
    const key = { name: 'PRIMARY', unique: true, columns: [{ column, prefix: 0 }], nullable: false, hasExpression: false }
    const single = { ...description, keys: [key], keyColumns: [column] }
    const identity = identityOf(single)
    const planned = planTarget(identity, single)
    if (!planned.ok) throw sourceRefused({ sourceCell: '', problem: planned.problems.join('; ') })
    const { keyColumnsSql, keySql } = planned.plan
    // An ENUM is ordered by its number and compared by its label, so both are done by the label's bytes.
    if (!/^(?:enum|set)$/i.test(description.columns[column]?.dataType ?? '')) return { sql: keyColumnsSql, literal: keySql }
    return { sql: `CAST(${keyColumnsSql} AS BINARY)`, literal: (row) => `CAST(${keySql(row)} AS BINARY)` }
  })
}

/** Behind the key, in its order: a form that both optimizers read as a range of the index. */
function behindKeySql([first, ...rest]: readonly { readonly sql: string; readonly literal: string }[]): string {
  if (first === undefined) return 'TRUE'
  const { sql, literal } = first
  return rest.length === 0 ? `${sql} > ${literal}` : `(${sql} >= ${literal} AND (${sql} > ${literal} OR ${behindKeySql(rest)}))`
}

function keyOnly({ columns, keyColumns }: TableIdentity, row: Row): Row {
  return columns.map((_, index) => (keyColumns.includes(index) ? row[index] : undefined))
}

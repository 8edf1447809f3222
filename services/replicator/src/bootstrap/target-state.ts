/** What the target remembers: one run, and its tables. */
import { quoteText } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import type { TableName } from './gate.ts'
import type { Vector } from './vector.ts'

/** `requested`: appliers stand still until their checkpoints are placed. `copying`: until every table is exact. */
export type RunPhase = 'requested' | 'copying' | 'done' | 'cancelled'

export interface RunState {
  readonly runId: string
  readonly sourceCell: string
  readonly phase: RunPhase
  readonly wipe: boolean
  readonly force: boolean
  /** 0: as fast as it goes. */
  readonly rowsPerSecond: number
  readonly foreignKeyChecks: boolean
  readonly requestedAt: string
  readonly changedAt: string
}

/**
 * `waiting`: not begun, the streams leave it out. `copying`: some chunks are in. `copied`: all chunks are in, but the appliers are not
 * past the last high watermark. `done`: exact.
 */
export interface TableState extends TableName {
  readonly level: number
  readonly state: 'waiting' | 'copying' | 'copied' | 'done'
  readonly afterKey: string | null
  /** Behind everything that the chunks so far contain; empty before the first. */
  readonly high: Vector
  readonly rowsDone: number
  readonly rowsEstimated: number
}

export function isUnfinished({ phase }: RunState): boolean {
  return phase === 'requested' || phase === 'copying'
}

export async function readRun(session: Session): Promise<RunState | undefined> {
  const [row] = await session.records(
    'SELECT run_id, source_cell, phase, wipe, forced, rows_per_second, foreign_key_checks, requested_at, changed_at FROM cellway.bootstrap_run WHERE id = 1'
  )
  if (row === undefined) return undefined
  return {
    runId: String(row.run_id),
    sourceCell: String(row.source_cell),
    phase: String(row.phase) as RunPhase,
    wipe: Number(row.wipe) === 1,
    force: Number(row.forced) === 1,
    rowsPerSecond: Number(row.rows_per_second),
    foreignKeyChecks: Number(row.foreign_key_checks) === 1,
    requestedAt: String(row.requested_at),
    changedAt: String(row.changed_at)
  }
}

export async function writeRequest(
  session: Session,
  { runId, sourceCell, wipe, force, rowsPerSecond }: Pick<RunState, 'runId' | 'sourceCell' | 'wipe' | 'force' | 'rowsPerSecond'>
): Promise<void> {
  await session.run(
    `REPLACE INTO cellway.bootstrap_run (id, run_id, source_cell, phase, wipe, forced, rows_per_second)
     VALUES (1, ${quoteText(runId)}, ${quoteText(sourceCell)}, 'requested', ${Number(wipe)}, ${Number(force)}, ${Math.round(rowsPerSecond)})`
  )
}

export async function setPhase(session: Session, phase: RunPhase): Promise<void> {
  await session.run(`UPDATE cellway.bootstrap_run SET phase = '${phase}', changed_at = NOW(6) WHERE id = 1`)
}

export async function readTables(session: Session): Promise<TableState[]> {
  const rows = await session.records(
    `SELECT table_schema, table_name, level, state, CAST(after_key AS CHAR CHARACTER SET utf8mb4) AS after_key,
       CAST(high AS CHAR CHARACTER SET utf8mb4) AS high, rows_done, rows_estimated
     FROM cellway.bootstrap_table ORDER BY level, table_schema, table_name`
  )
  return rows.map((row) => ({
    schema: String(row.table_schema),
    name: String(row.table_name),
    level: Number(row.level),
    state: String(row.state) as TableState['state'],
    afterKey: row.after_key === null || row.after_key === undefined ? null : String(row.after_key),
    high: typeof row.high === 'string' ? (JSON.parse(row.high) as Vector) : {},
    rowsDone: Number(row.rows_done),
    rowsEstimated: Number(row.rows_estimated)
  }))
}

/** The appliers' checkpoints stand, the tables are there and empty: from here on the run resumes table by table. */
export async function beginCopying(session: Session, tables: readonly TableState[], foreignKeyChecks: boolean): Promise<void> {
  const rows = tables.map(
    ({ schema, name, level, rowsEstimated }) =>
      `(${quoteText(schema)}, ${quoteText(name)}, ${level}, 'waiting', NULL, 0, ${Math.round(rowsEstimated)})`
  )
  const insert =
    rows.length === 0
      ? ''
      : `INSERT INTO cellway.bootstrap_table (table_schema, table_name, level, state, after_key, rows_done, rows_estimated) VALUES ${rows.join(',\n')};`
  await session.run(
    `START TRANSACTION; DELETE FROM cellway.bootstrap_table; ${insert}
     UPDATE cellway.bootstrap_run SET phase = 'copying', foreign_key_checks = ${Number(foreignKeyChecks)}, changed_at = NOW(6) WHERE id = 1; COMMIT`
  )
}

/** Of the transaction that writes a chunk, so that the progress is never ahead of the rows or behind them. */
export function tableProgressSql(table: TableState): string {
  const afterKey = table.afterKey === null ? 'NULL' : quoteText(table.afterKey)
  return `UPDATE cellway.bootstrap_table SET state = '${table.state}', after_key = ${afterKey}, high = ${quoteText(JSON.stringify(table.high))},
    rows_done = ${table.rowsDone}, changed_at = NOW(6) ${whereOf(table)}`
}

export async function markDone(session: Session, tables: readonly TableName[]): Promise<void> {
  if (tables.length === 0) return
  await session.run(tables.map((table) => `UPDATE cellway.bootstrap_table SET state = 'done', changed_at = NOW(6) ${whereOf(table)}`).join('; '))
}

function whereOf({ schema, name }: TableName): string {
  return `WHERE table_schema = ${quoteText(schema)} AND table_name = ${quoteText(name)}`
}

import type { Row } from '@cellway/change'
import { LENIENT_SQL_MODE, quoteTable, quoteText, SQL_MODE, type TargetPlan } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import type { ReceivedAnswer } from './answer-codec.ts'
import { answerInvalid, fencedOut } from './errors.ts'
import { appliedVector } from './own-position.ts'
import { type ChunkAnswer, SNAPSHOT_STORE } from './protocol.ts'
import type { TargetPlans } from './target-prepare.ts'
import { type TableState, tableProgressSql } from './target-state.ts'
import { missingCells } from './vector.ts'

/** Of one REPLACE; far below any packet limit, and large enough that its overhead does not matter. */
const STATEMENT_BYTES = 1024 * 1024
/** What the packet needs around the literals. */
const PACKET_ROOM_BYTES = 4096

export interface WriterOptions {
  /** Of an applier: what it writes is an echo to this cell's capture. */
  readonly session: Session
  readonly plans: TargetPlans
  readonly sourceCell: string
  readonly store: string
  readonly epoch: number
}

/** Writes one chunk and its progress, in one transaction. */
export class ChunkWriter {
  readonly #options: WriterOptions
  #lenient = false

  constructor(options: WriterOptions) {
    this.#options = options
  }

  /** The chunk's own checkpoint row is what marks its transactions; foreign keys were checked at the source. */
  async prepare(): Promise<void> {
    const { session, sourceCell, epoch } = this.#options
    await session.run(
      `INSERT INTO cellway.checkpoint (source_cell, store, position, applied, applier_epoch, log_id, log_sequence)
       VALUES (${quoteText(sourceCell)}, '${SNAPSHOT_STORE}', '', 0, ${epoch}, '', 0)
       ON DUPLICATE KEY UPDATE applier_epoch = GREATEST(applier_epoch, ${epoch})`
    )
    await session.run('SET SESSION foreign_key_checks = 0')
  }

  /**
   * False: the appliers are ahead of the chunk, so it must be asked for again. @throws BOO_FENCED, BOO_SCHEMA_DIFFERS, BOO_ANSWER_INVALID
   * and what the session throws
   */
  async write(head: ChunkAnswer, { table, rows }: ReceivedAnswer, { before, after }: { before: TableState; after: TableState }): Promise<boolean> {
    const { session, plans } = this.#options
    if (rows.length !== head.rows) throw answerInvalid({ problem: `${rows.length} rows in a chunk of ${head.rows}` })
    const plan = table === undefined ? undefined : await plans.planOf(table)
    await this.#setLenient(plan !== undefined && rows.some((row) => plan.needsLenientMode(row)))
    try {
      if (!(await this.#begin(head))) {
        await session.run('ROLLBACK')
        return false
      }
      // Repairs are applied whatever the gate says, and a row of one may be gone at the source by now.
      if (before.state === 'waiting') await session.run(`DELETE FROM ${quoteTable(before)}`)
      if (plan !== undefined) for (const sql of replaceStatements(plan, rows, session.packetBytesMax)) await session.run(sql)
      await session.run(`${tableProgressSql(after)}; COMMIT`)
      return true
    } catch (cause) {
      await session.run('ROLLBACK').catch(() => undefined)
      throw cause
    }
  }

  /** The mark first; then the checkpoints, locked, so that what the appliers have cannot change under the chunk. */
  async #begin({ low }: ChunkAnswer): Promise<boolean> {
    const { session, sourceCell, store, epoch } = this.#options
    const [, mark] = await session.run(
      `START TRANSACTION; UPDATE cellway.checkpoint SET applied = applied + 1, updated_at = NOW(6)
       WHERE source_cell = ${quoteText(sourceCell)} AND store = '${SNAPSHOT_STORE}' AND applier_epoch <= ${epoch};
       SELECT source_cell FROM cellway.checkpoint WHERE store = ${quoteText(store)} FOR UPDATE`
    )
    if (mark?.affectedRows !== 1) throw fencedOut({ epoch })
    return missingCells(await appliedVector(session, store), low).length === 0
  }

  async #setLenient(lenient: boolean): Promise<void> {
    if (lenient === this.#lenient) return
    await this.#options.session.run(`SET SESSION sql_mode = '${lenient ? LENIENT_SQL_MODE : SQL_MODE}'`)
    this.#lenient = lenient
  }
}

/** REPLACE, because a row that clashes on another unique key is an older version, which the streams bring up to date. */
function* replaceStatements(plan: TargetPlan, rows: readonly Row[], packetBytesMax: number): Generator<string> {
  const head = `REPLACE INTO ${plan.tableSql} ${plan.insertColumnsSql} VALUES `
  const bytesMax = Math.min(STATEMENT_BYTES, Math.max(1, packetBytesMax - PACKET_ROOM_BYTES))
  let values: string[] = []
  let bytes = 0
  for (const row of rows) {
    const sql = plan.rowSql(row)
    if (values.length > 0 && bytes + sql.length > bytesMax) {
      yield head + values.join(',')
      values = []
      bytes = 0
    }
    values.push(sql)
    bytes += sql.length + 1
  }
  if (values.length > 0) yield head + values.join(',')
}

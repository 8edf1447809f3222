import { setTimeout as delay } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import type { RowChange } from '@cellway/change'
import type { CellContext } from '../context.ts'
import { isContention } from '../store/server-errors.ts'
import type { MysqlConfig, Session } from '../store/session.ts'
import { openSession } from '../store/session.ts'
import { Arbiters } from './arbiter-of-row.ts'
import { BEGIN_LOCKING, emitRows, presence, writeRepair } from './emit.ts'
import { LocalTables } from './local-tables.ts'
import type { RepairMetrics } from './metrics.ts'
import type { OwedRow, OwedRows } from './pending.ts'
import { markOwed, readOwed } from './pending.ts'

export interface RepairerOptions {
  readonly context: CellContext
  readonly config: MysqlConfig
  readonly metrics: RepairMetrics
  readonly limits?: Partial<RepairerLimits>
}

export interface RepairerLimits {
  /** Between two looks; each is one read of an index when there is nothing to do. */
  readonly pollMs: number
  /** Before a row is asked for: what crosses it is mostly here by then. */
  readonly requestMs: number
  /** How long an answer of another cell is waited for, lest the bucket moves here meanwhile. */
  readonly handoverMs: number
  /** How long rows of `cellway.repair` are kept, for people. */
  readonly keepMs: number
}

export interface RepairerStatus {
  readonly repaired: number
  readonly requested: number
  readonly failed: number
}

const LIMITS: RepairerLimits = { pollMs: 250, requestMs: 1000, handoverMs: 3_600_000, keepMs: 86_400_000 }
/** Rows of one repair transaction: a second of a hundred conflicts is a flood already, and locks are held while it lasts. */
const BATCH_ROWS = 100
const SLOW_ROUND_MS = 10_000
const PURGE_ROWS = 500

/**
 * Puts the rows into this cell's stream that it owes to the others: it is their arbiter, and a change of another cell met them. And
 * asks other arbiters for rows that did not fit here. All from the table of conflicts, so nothing is forgotten by a crash; a row sent twice is the same row.
 */
export class Repairer {
  readonly #options: RepairerOptions
  readonly #limits: RepairerLimits
  readonly #arbiters: Arbiters
  #status = { repaired: 0, requested: 0, failed: 0 }
  #wake: (() => void) | undefined
  #slowRoundMs = 0
  #version = -1

  constructor(options: RepairerOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#arbiters = new Arbiters(options.context)
  }

  status(): RepairerStatus {
    return this.#status
  }

  /** Something was recorded just now: do not wait for the next look. */
  wake(): void {
    this.#wake?.()
  }

  /** Ends when the signal aborts. @throws what the session throws */
  async run(signal: AbortSignal): Promise<void> {
    const { config } = this.#options
    try {
      await using session = await openSession(config, { role: 'plain', signal })
      while (!signal.aborted) {
        if (!(await this.step(session))) await this.#pause(signal)
      }
    } catch (cause) {
      if (!signal.aborted) throw cause
    }
  }

  /** One look at everything that is owed; true when there may be more. */
  async step(session: Session): Promise<boolean> {
    const tables = new LocalTables(session)
    const pending = await readOwed(session, tables, { state: 'pending', where: 'TRUE', limit: BATCH_ROWS })
    await this.#answer(session, pending)
    const aged = `created_at <= NOW(6) - INTERVAL ${Math.round(this.#limits.requestMs * 1000)} MICROSECOND`
    const asking = await readOwed(session, tables, { state: 'request', where: aged, limit: BATCH_ROWS })
    await this.#ask(session, asking)
    await this.#slowRound(session, tables)
    return pending.rows.length === BATCH_ROWS || asking.rows.length === BATCH_ROWS
  }

  async #answer(session: Session, { rows, broken }: OwedRows): Promise<void> {
    await this.#fail(session, broken)
    const own = rows.filter((row) => this.#isOwn(row))
    await markOwed(session, idsOf(rows.filter((row) => !own.includes(row))), 'waiting')
    await this.#emit(session, own)
  }

  async #emit(session: Session, owed: readonly OwedRow[]): Promise<void> {
    if (owed.length === 0) return
    const { context, metrics } = this.#options
    const [first] = owed
    const sent = await this.#inTransaction(session, owed, async () => {
      const repaired = await emitRows(session, owed, {
        context,
        reason: first?.class ?? '',
        ...(owed.length === 1 ? { conflictId: first?.id ?? '' } : {})
      })
      await markOwed(session, idsOf(owed), 'done')
      return repaired.length
    })
    if (sent === undefined) {
      for (const each of owed) await this.#emit(session, [each])
      return
    }
    this.#status = { ...this.#status, repaired: this.#status.repaired + sent }
    metrics.repaired(sent)
  }

  async #ask(session: Session, { rows, broken }: OwedRows): Promise<void> {
    await this.#fail(session, broken)
    // Asked of another, and meanwhile it is this cell whose row counts.
    await this.#emit(
      session,
      rows.filter((row) => this.#isOwn(row))
    )
    const others = rows.filter((row) => !this.#isOwn(row))
    if (others.length === 0) return
    const { context, metrics } = this.#options
    const wanted = new Map<string, RowChange>()
    // The whole image where it is known: the bucket is found by it.
    for (const { table, key, images, after } of others)
      wanted.set(table.plan.tableSql + table.plan.keyOf(key), presence(table, key, after ?? images[2] ?? images[0]))
    const sent = await this.#inTransaction(session, others, async () => {
      await writeRepair(session, [...wanted.values()], { context, reason: others[0]?.class ?? '', kind: 'request' })
      await markOwed(session, idsOf(others), 'done')
      return wanted.size
    })
    if (sent === undefined) {
      for (const each of others) await this.#ask(session, { rows: [each], broken: [] })
      return
    }
    this.#status = { ...this.#status, requested: this.#status.requested + sent }
    metrics.requested(sent)
  }

  /** What waits for other cells is looked at when the topology changed, and now and then. */
  async #slowRound(session: Session, tables: LocalTables): Promise<void> {
    const { context } = this.#options
    const { version } = context.topology.current().snapshot
    const nowMs = context.clock.monotonicMs()
    if (version === this.#version && nowMs < this.#slowRoundMs) return
    this.#version = version
    this.#slowRoundMs = nowMs + SLOW_ROUND_MS
    for (let after = '0'; ; ) {
      const { rows, broken } = await readOwed(session, tables, { state: 'waiting', where: `id > ${after}`, limit: BATCH_ROWS })
      await this.#fail(session, broken)
      const own = rows.filter((row) => this.#isOwn(row))
      await markOwed(session, idsOf(own), 'pending')
      // The arbiter changed: the new one may never have met what this cell has met.
      const orphaned = rows.filter(
        (row) => !own.includes(row) && row.ownerEpoch > 0 && this.#arbiters.of(row.table.identity, row.images).epoch > row.ownerEpoch
      )
      await markOwed(session, idsOf(orphaned), 'request')
      if (rows.length + broken.length < BATCH_ROWS) break
      after = rows.at(-1)?.id ?? broken.at(-1)?.id ?? after
    }
    const { handoverMs, keepMs } = this.#limits
    await session.run(
      `UPDATE cellway.conflict SET reemit = 'none' WHERE reemit = 'waiting' AND created_at < NOW(6) - INTERVAL ${Math.round(handoverMs / 1000)} SECOND`
    )
    const oldestUs = Math.round((context.clock.nowMs() - keepMs) * 1000)
    await session.run(`DELETE FROM cellway.repair WHERE cell = '${context.cell}' AND created_us < ${oldestUs} LIMIT ${PURGE_ROWS}`)
  }

  #isOwn({ table, images, key }: OwedRow): boolean {
    const known = images.some((image) => image !== undefined) ? images : [key]
    return this.#arbiters.of(table.identity, known).cell === this.#options.context.cell
  }

  /** Undefined: several rows failed together, each is to be tried alone. */
  async #inTransaction(session: Session, rows: readonly OwedRow[], work: () => Promise<number>): Promise<number | undefined> {
    await session.run(BEGIN_LOCKING)
    try {
      const done = await work()
      await session.run('COMMIT')
      return done
    } catch (cause) {
      // A broken connection or an abort: nothing to roll back, and the row is not to blame.
      if (!isCellwayError(cause) || cause.code === 'STO_CONNECTION_LOST' || cause.code === 'STO_TIMEOUT') throw cause
      await session.run('ROLLBACK')
      // Given up for somebody else's transaction: it stays owed, and the next look finds it.
      if (isContention(cause)) return 0
      if (rows.length > 1) return undefined
      await this.#fail(
        session,
        rows.map(({ id }) => ({ id, problem: cause }))
      )
      return 0
    }
  }

  async #fail(session: Session, broken: OwedRows['broken']): Promise<void> {
    if (broken.length === 0) return
    const { context, metrics } = this.#options
    for (const { id, problem } of broken) context.log.error({ conflictId: id, err: problem }, 'the row of a conflict cannot be repaired')
    await markOwed(session, idsOf(broken), 'failed')
    this.#status = { ...this.#status, failed: this.#status.failed + broken.length }
    metrics.failed(broken.length)
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = new AbortController()
    const until = AbortSignal.any([signal, timer.signal])
    await Promise.race([promise, delay(this.#limits.pollMs, undefined, { signal: until }).catch(() => undefined)])
    timer.abort()
    this.#wake = undefined
  }
}

function idsOf(rows: readonly { readonly id: string }[]): string[] {
  return rows.map(({ id }) => id)
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { GatePass } from '../bootstrap/gate.ts'
import { isContention, isSchemaChange } from '../store/server-errors.ts'
import { checkpointSql } from './checkpoint-sql.ts'
import { fenced } from './errors.ts'
import { OrphanRow } from './exact-lane.ts'
import type { Fold } from './fold.ts'
import { foldOf } from './gather.ts'
import type { AppliedCounts } from './metrics.ts'
import type { PreparedTransaction } from './prepare.ts'
import { applyRepairs } from './repairs.ts'
import type { Workbench } from './work.ts'
import { BeginAgain } from './work.ts'

/** Tries of a batch that lost against another transaction, before it is halved. */
const BATCH_TRIES = 4
const BACKOFF_MS_MIN = 20
const BACKOFF_MS_MAX = 2000
/** A row may refer to one that another cell's stream is about to bring. */
const ORPHAN_WAIT_MS = 5000

/** What holds where no bootstrap is at work. */
const OPEN_PASS: GatePass = { active: false, foreignKeyChecks: true, treatment: () => 'compare', leave: () => undefined }

type Folded = ReturnType<typeof foldOf>

/** Applies transactions that follow one another, as few target transactions as can be. Durable when it resolves. */
export class TransactionApplier {
  readonly #work: Workbench
  /** Idle ones that went before and are not in the checkpoint. */
  #idle: PreparedTransaction[] = []
  #early: { readonly of: readonly PreparedTransaction[]; readonly version: number; readonly folded: Folded } | undefined
  #committedMs: number
  #foreignKeyChecks = true

  constructor(work: Workbench) {
    this.#work = work
    this.#committedMs = work.clock.monotonicMs()
  }

  get idleCount(): number {
    return this.#idle.length
  }

  /** Since the checkpoint was written. */
  get sinceCommitMs(): number {
    return this.#work.clock.monotonicMs() - this.#committedMs
  }

  /** Nothing but heartbeats: known as applied with whatever comes next. */
  postpone(transactions: readonly PreparedTransaction[]): void {
    this.#idle.push(...transactions)
    this.#told(transactions)
  }

  /** While the server is busy with what goes before: folds what will be applied next. */
  foldEarly(transactions: readonly PreparedTransaction[]): void {
    const { ownership } = this.#work
    this.#early = { of: transactions, version: ownership.version, folded: foldOf(transactions, ownership, OPEN_PASS) }
  }

  /** @throws APL_FENCED, APL_ROW_TOO_LARGE, BeginAgain, STO_*, the signal's reason */
  async apply(transactions: readonly PreparedTransaction[]): Promise<void> {
    const pass = await this.enter()
    try {
      await this.#applyRange(transactions, pass)
    } finally {
      pass.leave()
    }
  }

  /** Postponed ones go into the checkpoint. */
  async flush(): Promise<void> {
    if (this.#idle.length > 0) await this.apply([])
  }

  /** One transaction of the stream as one of the target, in the order of the origin. */
  async applyExactly(transaction: PreparedTransaction): Promise<void> {
    const pass = await this.enter()
    try {
      await this.#exactly(transaction, pass)
    } finally {
      pass.leave()
    }
  }

  /** For one transaction of the target; to be left after it. @throws the signal's reason, STO_* */
  async enter(): Promise<GatePass> {
    const { gate, signal, ownership, context, session } = this.#work
    const pass = await gate.enter(signal)
    try {
      ownership.adopt(context.topology.current())
      if (pass.foreignKeyChecks !== this.#foreignKeyChecks) {
        await session.run(`SET SESSION foreign_key_checks = ${pass.foreignKeyChecks ? 1 : 0}`)
        this.#foreignKeyChecks = pass.foreignKeyChecks
      }
      return pass
    } catch (cause) {
      pass.leave()
      throw cause
    }
  }

  async #applyRange(transactions: readonly PreparedTransaction[], pass: GatePass): Promise<void> {
    let left = transactions
    do {
      const { fold, count } = this.#foldOf(left, pass)
      const [first] = left
      if (count === 0 && first !== undefined) {
        await this.#exactly(first, pass)
        left = left.slice(1)
        continue
      }
      await this.#applyFolded(left.slice(0, count), { fold, pass })
      left = left.slice(count)
    } while (left.length > 0)
  }

  #foldOf(transactions: readonly PreparedTransaction[], pass: GatePass): Folded {
    const early = this.#early
    this.#early = undefined
    const fits = early?.of === transactions && early.version === this.#work.ownership.version && !pass.active
    return fits ? early.folded : foldOf(transactions, this.#work.ownership, pass)
  }

  async #applyFolded(transactions: readonly PreparedTransaction[], { fold, pass }: { fold: Fold; pass: GatePass }): Promise<void> {
    const { standing, batchLane, clock } = this.#work
    const begun = clock.monotonicMs()
    for (let attempt = 1; ; attempt += 1) {
      const moved = standing.after(
        [...this.#idle, ...transactions].map(({ item }) => item),
        this.#idle.length + transactions.length
      )
      const outcome = await batchLane.apply(batchLane.ready(fold), standing.token, moved.step)
      if (outcome.kind === 'committed') {
        standing.moved(moved)
        this.#committed(transactions, {
          rows: fold.rowChanges,
          lane: fold.rowChanges > 0 ? 'batch' : 'none',
          durationMs: clock.monotonicMs() - begun
        })
        return
      }
      if (outcome.cause !== undefined && isSchemaChange(outcome.cause)) throw this.#schemaChanged(outcome.cause)
      if (outcome.kind === 'contention') {
        await this.#backOff(attempt, outcome.cause)
        if (attempt < BATCH_TRIES || transactions.length <= 1) {
          resetRead(fold)
          continue
        }
      }
      await this.#divide(transactions, outcome.kind === 'exact' ? outcome.unit : undefined, pass)
      return
    }
  }

  /** What is before the trouble goes on together; where that cannot be told, halves find it. */
  async #divide(transactions: readonly PreparedTransaction[], unit: number | undefined, pass: GatePass): Promise<void> {
    const [only] = transactions
    if (transactions.length === 1 && only !== undefined) {
      await this.#exactly(only, pass)
      return
    }
    const found = unit === undefined ? undefined : transactions[unit]
    if (unit === undefined || found === undefined) {
      const half = transactions.length >> 1
      await this.#applyRange(transactions.slice(0, half), pass)
      await this.#applyRange(transactions.slice(half), pass)
      return
    }
    if (unit > 0) await this.#applyRange(transactions.slice(0, unit), pass)
    await this.#exactly(found, pass)
    if (unit + 1 < transactions.length) await this.#applyRange(transactions.slice(unit + 1), pass)
  }

  async #exactly(transaction: PreparedTransaction, pass: GatePass): Promise<void> {
    const { clock, session } = this.#work
    const begun = clock.monotonicMs()
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#exactOnce(transaction, { pass, toleratesOrphans: clock.monotonicMs() - begun > ORPHAN_WAIT_MS })
        break
      } catch (cause) {
        if (!(cause instanceof OrphanRow) && !isContention(cause) && !isSchemaChange(cause)) throw cause
        await session.run('ROLLBACK')
        this.#work.parked.forget()
        if (isSchemaChange(cause)) throw this.#schemaChanged(cause)
        await this.#backOff(attempt, cause)
      }
    }
    this.#committed([transaction], { rows: transaction.data.length, lane: 'exact', durationMs: clock.monotonicMs() - begun })
  }

  async #exactOnce(transaction: PreparedTransaction, { pass, toleratesOrphans }: { pass: GatePass; toleratesOrphans: boolean }): Promise<void> {
    const { session, standing, exactLane } = this.#work
    const moved = standing.after(
      [...this.#idle, transaction].map(({ item }) => item),
      this.#idle.length + 1
    )
    await beginMarked(this.#work, checkpointSql(standing.token, moved.step))
    const { item, repairs, data, isEcho } = transaction
    await applyRepairs(this.#work, item, repairs)
    // What a repair carries stands for the data of its transaction.
    if (!isEcho && !repairs.some(({ kind }) => kind === 'repair')) await exactLane.apply(item, { changes: data, pass, toleratesOrphans })
    await session.run('COMMIT')
    standing.moved(moved)
  }

  #committed(transactions: readonly PreparedTransaction[], counts: Omit<AppliedCounts, 'transactions'>): void {
    const { positions, sourceCell, standing, metrics, ownership, clock } = this.#work
    this.#committedMs = clock.monotonicMs()
    for (const { opened, owners } of transactions) {
      for (const opening of opened) positions.noteOpening(opening)
      ownership.learn(opened, owners)
    }
    if (standing.position !== undefined) positions.set(sourceCell, standing.position)
    metrics.applied(sourceCell, { ...counts, transactions: this.#idle.length + transactions.length })
    this.#idle = []
    this.#told(transactions)
  }

  #told(transactions: readonly PreparedTransaction[]): void {
    const { metrics, sourceCell, clock } = this.#work
    for (const { heartbeats, isEcho } of transactions) {
      if (isEcho) metrics.echo(sourceCell)
      for (const originUs of heartbeats) metrics.heartbeat(sourceCell, originUs, clock.nowMs() * 1000)
    }
  }

  async #backOff(attempt: number, cause: unknown): Promise<void> {
    const { metrics, sourceCell, signal } = this.#work
    if (isContention(cause)) metrics.retried(sourceCell, 'deadlock')
    const most = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** attempt)
    await sleep(most / 2 + (Math.random() * most) / 2, undefined, { signal })
  }

  #schemaChanged(cause: unknown): Error {
    this.#work.tables.forget()
    return new BeginAgain('a table is not as it was described', { cause })
  }
}

/** A transaction whose first write is the mark. @throws APL_FENCED */
export async function beginMarked({ session, standing }: Workbench, markSql: string): Promise<void> {
  const [, marked] = await session.run(`START TRANSACTION; ${markSql}`)
  if (marked?.affectedRows === 1) return
  await session.run('ROLLBACK')
  const { sourceCell, store, epoch, applied } = standing.token
  throw fenced({ stream: `${sourceCell}/${store}`, epoch, found: `not at ${applied} transactions of that epoch` })
}

function resetRead(fold: Fold): void {
  for (const { rows } of fold.tables.values()) {
    for (const row of rows.values()) {
      row.current = undefined
      row.isThere = false
    }
  }
}

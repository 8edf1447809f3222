import { setTimeout as sleep } from 'node:timers/promises'
import type { TableIdentity, TransactionId } from '@cellway/change'
import { formatUnitPosition, readTransaction } from '@cellway/change'
import { quoteBytes, quoteText } from '@cellway/mysql-value'
import { encodeChanges } from './change-bytes.ts'
import { checkpointSql } from './checkpoint-sql.ts'
import type { ApplierControl, SkipRequest } from './control.ts'
import type { Gatherer, Work } from './gather.ts'
import { PartMisfit, PartsLane } from './parts.ts'
import type { PreparedTransaction } from './prepare.ts'
import type { SourcePart, SourceStream, SourceTransaction } from './source-stream.ts'
import type { StreamState } from './stream-state.ts'
import type { Misfit } from './target-tables.ts'
import { beginMarked, TransactionApplier } from './transactions.ts'
import type { Workbench } from './work.ts'
import { BeginAgain } from './work.ts'

export interface LoopOptions {
  readonly work: Workbench
  readonly stream: SourceStream
  readonly gatherer: Gatherer
  readonly control: ApplierControl
  readonly enter: (state: StreamState) => Promise<void>
}

const RUNNING: StreamState = { state: 'running', reason: '', statement: undefined }
/** Between two looks at a table that does not fit. */
const PARKED_POLL_MS = 1000
/** A stream of nothing but heartbeats writes no more often. */
const IDLE_CHECKPOINT_MS = 10_000

/** From the stream to the target, one piece of work after the other, until the signal. */
export class ApplyLoop {
  readonly #options: LoopOptions
  readonly #work: Workbench
  readonly #applier: TransactionApplier
  /** Gathered while the piece before was at the server. */
  #next: Promise<Work> | undefined

  constructor(options: LoopOptions) {
    this.#options = options
    this.#work = options.work
    this.#applier = new TransactionApplier(options.work)
  }

  /** @throws APL_*, BeginAgain, STO_*, CHANGE_*, the signal's reason */
  async run(): Promise<void> {
    const { control, gatherer } = this.#options
    const { signal } = this.#work
    while (!signal.aborted) {
      if (control.isPaused) await this.#waitWhilePaused()
      const work = await (this.#next ?? gatherer.next(signal))
      this.#next = undefined
      await this.#do(work)
    }
  }

  async #do(work: Work): Promise<void> {
    switch (work.kind) {
      case 'batch':
        return this.#batch(work.transactions)
      case 'exact':
        return this.#applier.applyExactly(work.transaction)
      case 'opened':
        return this.#waitForRequired(work.transaction)
      case 'parts':
        return this.#parts(work.first)
      case 'skip':
        return this.#skip(work.item)
      default:
        await this.#applier.flush()
        return this.#park(work.table, work.misfit)
    }
  }

  async #batch(transactions: readonly PreparedTransaction[]): Promise<void> {
    const { gatherer } = this.#options
    const { positions, sourceCell, signal } = this.#work
    if (transactions.every(({ isIdle }) => isIdle)) {
      this.#applier.postpone(transactions)
      if (positions.isAwaited(sourceCell) || this.#applier.sinceCommitMs >= IDLE_CHECKPOINT_MS) await this.#applier.flush()
      return
    }
    const last = transactions.at(-1)
    const tellsOwners = last !== undefined && last.opened.length + last.owners.length > 0
    const applied = this.#applier.apply(transactions)
    if (gatherer.hasMore && !tellsOwners) {
      this.#next = gatherer.next(signal).then((next) => {
        if (next.kind === 'batch') this.#applier.foldEarly(next.transactions)
        return next
      })
      // Whoever takes it hears of its error; until then it is not unhandled.
      this.#next.catch(() => undefined)
    }
    await applied
  }

  async #waitWhilePaused(): Promise<void> {
    const { control, enter } = this.#options
    await this.#applier.flush()
    await enter({ state: 'paused', reason: 'paused by an operator', statement: undefined })
    while (control.isPaused) await this.#orChanged(undefined)
    await enter(RUNNING)
  }

  /** "Opened here, after A up to P": what follows must not be applied before A's changes of that bucket. */
  async #waitForRequired({ opened }: PreparedTransaction): Promise<void> {
    const { positions, context, signal } = this.#work
    await this.#applier.flush()
    for (const { space, bucket, requires } of opened) {
      for (const [cell, position] of Object.entries(requires)) {
        if (cell === context.cell || positions.includes(cell, position)) continue
        await this.#options.enter({
          state: 'running',
          reason: `bucket ${bucket} of ${space} waits for ${cell} up to ${position}`,
          statement: undefined
        })
        await positions.waitFor(cell, position, signal)
      }
    }
    await this.#options.enter(RUNNING)
  }

  async #parts(first: SourcePart): Promise<void> {
    const { standing, positions, sourceCell, metrics, clock } = this.#work
    await this.#applier.flush()
    const begun = clock.monotonicMs()
    let misfit: PartMisfit | undefined
    const pass = await this.#applier.enter()
    try {
      const { done, rows } = await new PartsLane(this.#work, this.#options.stream, pass).apply(first)
      if (!done) return
      if (standing.position !== undefined) positions.set(sourceCell, standing.position)
      metrics.applied(sourceCell, { transactions: 1, rows, lane: 'parts', durationMs: clock.monotonicMs() - begun })
    } catch (cause) {
      if (!(cause instanceof PartMisfit)) throw cause
      misfit = cause
    } finally {
      pass.leave()
    }
    if (misfit === undefined) return
    await this.#park(misfit.table, misfit.misfit, first.view.id)
    // Its first parts are gone from memory.
    throw new BeginAgain('the table of a large transaction fits now', { cause: misfit })
  }

  /** Held with the statement that mends it; looked at each second, and gone on with by itself. */
  async #park(table: TableIdentity, misfit: Misfit, id?: TransactionId): Promise<void> {
    const { tables, log, sourceCell, metrics, signal } = this.#work
    const name = `${table.schema}.${table.name}`
    const reason = `${name} does not fit: ${misfit.problems.join('; ')}`
    log.warn({ sourceCell, table: name, statement: misfit.statement }, 'the stream is parked until the table fits')
    metrics.parked(sourceCell)
    await this.#options.enter({ state: 'parked', reason, statement: misfit.statement })
    for (;;) {
      await this.#orChanged(PARKED_POLL_MS)
      signal.throwIfAborted()
      const found = await tables.load(table)
      if (!('ok' in found)) break
      const waiting = id ?? this.#options.stream.peekNow()?.view.id
      if (waiting !== undefined && this.#options.control.skipOf(waiting) !== undefined) break
    }
    await this.#options.enter(RUNNING)
  }

  /** Left out by order of an operator, with all that it held, in the transaction that steps over it. */
  async #skip(item: SourceTransaction | SourcePart): Promise<void> {
    const { control, stream } = this.#options
    const { session, standing, sourceCell, context, log } = this.#work
    const request = control.skipOf(item.view.id)
    if (request === undefined) return
    await this.#applier.flush()
    let last = item
    stream.take()
    while (last.kind === 'part' && !last.envelope.lastPart) {
      const next = await stream.peek(this.#work.signal)
      // Another capture began it again: the order stands for that one as well.
      if (next.kind !== 'part' || next.envelope.partIndex !== last.envelope.partIndex + 1) return
      last = next
      stream.take()
    }
    const moved = standing.after([last], 1)
    await beginMarked(this.#work, checkpointSql(standing.token, moved.step))
    await session.run(`${skippedSql({ item, request, sourceCell, store: context.store })}; COMMIT`)
    standing.moved(moved)
    if (standing.position !== undefined) this.#work.positions.set(sourceCell, standing.position)
    log.warn({ sourceCell, gtid: request.gtid, by: request.by, reason: request.reason }, 'a transaction was skipped')
    request.done()
  }

  async #orChanged(ms: number | undefined): Promise<void> {
    const { signal } = this.#work
    const { control } = this.#options
    const timer = new AbortController()
    const bounded = AbortSignal.any([signal, timer.signal])
    try {
      await Promise.race([control.changed, sleep(ms ?? 2 ** 31 - 1, undefined, { signal: bounded })])
    } finally {
      timer.abort()
    }
  }
}

/** A transaction of several parts is named, not kept: it may be larger than a row can be. */
function skippedSql({
  item,
  request,
  sourceCell,
  store
}: {
  item: SourceTransaction | SourcePart
  request: SkipRequest
  sourceCell: string
  store: string
}): string {
  const { view, envelope } = item
  const content = item.kind === 'part' ? Buffer.alloc(0) : encodeChanges(envelope, view, readTransaction(view).changes)
  const texts = [sourceCell, store, formatUnitPosition(view.id), request.reason, request.by].map((text) => quoteText(text))
  return `INSERT INTO cellway.skipped (source_cell, store, source_gtid, reason, by_whom, content) VALUES (${texts.join(', ')}, ${quoteBytes(content)})`
}

import { setTimeout as sleep } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import { formatPosition, parseMariadbGtid, parseMysqlGtid, parsePosition, positionIncludes } from '@cellway/change'
import type { PolicyConfig } from '@cellway/conflict'
import { policyOf } from '@cellway/conflict'
import { cellNumbers } from '@cellway/topology'
import type { ApplyGate } from '../bootstrap/gate.ts'
import { OPEN_GATE } from '../bootstrap/gate.ts'
import type { CellContext } from '../context.ts'
import { ensureSchema } from '../store/schema.ts'
import type { MysqlConfig } from '../store/session.ts'
import { openSession, reservedServerId } from '../store/session.ts'
import type { AppliedPositions } from './applied-positions.ts'
import { BatchLane } from './batch-lane.ts'
import { ApplierControl } from './control.ts'
import { cellUnknown, rowTooLarge, skipUnknown } from './errors.ts'
import { ExactLane } from './exact-lane.ts'
import { Gatherer } from './gather.ts'
import { ApplyLoop } from './loop.ts'
import type { AppliedCounts, ApplyMetrics } from './metrics.ts'
import { Ownership } from './ownership.ts'
import { ParkedKeys } from './parked-keys.ts'
import { reportProgress } from './reporter.ts'
import { SourceStream } from './source-stream.ts'
import { Standing } from './standing.ts'
import type { ApplierStatus } from './status.ts'
import { Tally } from './status.ts'
import type { StreamState } from './stream-state.ts'
import { readStreamState, writeStreamState } from './stream-state.ts'
import { TargetTables } from './target-tables.ts'
import type { Workbench } from './work.ts'
import { BeginAgain } from './work.ts'

export interface ApplierOptions {
  readonly context: CellContext
  /** The database of this cell, with the account that applies. */
  readonly mysql: MysqlConfig
  readonly sourceCell: string
  /** Of this replicator process. */
  readonly epoch: number
  /** Shared by the appliers of the cell. */
  readonly positions: AppliedPositions
  readonly policies: PolicyConfig
  readonly metrics: ApplyMetrics
  /** Of the cell's bootstrap, where one may run. */
  readonly gate?: ApplyGate
}

const BEGIN_AGAIN_MS = 100
const STARTING: StreamState = { state: 'stopped', reason: 'not started', statement: undefined }

/** Applies the stream of one other cell to the database of this one. */
export class Applier {
  readonly #options: ApplierOptions
  readonly #control = new ApplierControl()
  readonly #tally: Tally
  #state: StreamState = STARTING
  #work: Workbench | undefined
  #stream: SourceStream | undefined

  constructor(options: ApplierOptions) {
    this.#options = options
    this.#tally = new Tally(options.context.clock)
  }

  /**
   * Until the signal aborts. @throws APL_FENCED, APL_POSITION_LOST, APL_STREAM_FOREIGN, APL_STREAM_BROKEN, APL_ROW_TOO_LARGE, STO_*, LOG_*, CHANGE_*
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#runOnce(signal)
      } catch (cause) {
        if (signal.aborted) break
        if (cause instanceof BeginAgain) {
          // What made it begin again may take a moment to settle.
          await sleep(BEGIN_AGAIN_MS, undefined, { signal }).catch(() => undefined)
          continue
        }
        this.#state = { state: 'stopped', reason: reasonOf(cause), statement: statementOf(cause) }
        throw cause
      }
    }
    this.#state = { state: 'stopped', reason: 'the replicator stops', statement: undefined }
  }

  /** Takes effect between two transactions, and stays over a restart. */
  async pause(): Promise<void> {
    this.#control.isPaused = true
    await this.#remember({ state: 'paused', reason: 'paused by an operator', statement: undefined })
  }

  async resume(): Promise<void> {
    this.#control.isPaused = false
    await this.#remember({ state: 'running', reason: '', statement: undefined })
  }

  /**
   * Leaves one transaction out and keeps what it held in `cellway.skipped`; resolves when that is done, once the stream gets there.
   * @throws APL_SKIP_UNKNOWN
   */
  async skip(gtid: string, by: string, reason: string): Promise<void> {
    const stream = `${this.#options.sourceCell}/${this.#options.context.store}`
    const position = this.#work?.standing.positionText ?? ''
    if (isIncluded(gtid, position)) throw skipUnknown({ stream, gtid, position })
    await this.#control.skip(gtid.trim(), by, reason)
  }

  status(): ApplierStatus {
    const { sourceCell, epoch } = this.#options
    const progress = this.#stream?.progress
    const standing = this.#work?.standing
    return {
      sourceCell,
      epoch,
      state: this.#state.state,
      reason: this.#state.reason,
      statement: this.#state.statement ?? null,
      position: standing?.positionText ?? '',
      transactions: Number(standing?.applied ?? 0n),
      log: {
        logId: progress?.logId ?? '',
        end: progress?.durableNext ?? 0,
        read: progress?.readNext ?? 0,
        applied: standing?.log?.sequence ?? 0,
        readPosition: progress?.readPosition === undefined ? '' : formatPosition(progress.readPosition),
        waiting: this.#stream?.waiting ?? 0
      },
      ...this.#tally.read()
    }
  }

  async #runOnce(outer: AbortSignal): Promise<void> {
    const { context, mysql, sourceCell } = this.#options
    const stop = new AbortController()
    const signal = AbortSignal.any([outer, stop.signal])
    await using session = await openSession(mysql, { role: 'applier', reservedServerId: reservedServerId(this.#cellNumber()), signal })
    await using side = await openSession(mysql, { role: 'plain', signal })
    await ensureSchema(side)
    const work = await this.#workbench({ session, side, signal })
    const { store } = context
    const stream = new SourceStream({ center: context.center, sourceCell, store, position: work.standing.positionText, log: work.standing.log })
    this.#work = work
    this.#stream = stream
    this.#control.isPaused ||= (await readStreamState(side, sourceCell, store))?.state === 'paused'
    const gatherer = new Gatherer({
      stream,
      tables: work.tables,
      positions: work.positions,
      selfCell: context.cell,
      isSkipped: ({ view }) => this.#control.skipOf(view.id) !== undefined
    })
    const loop = new ApplyLoop({ work, stream, gatherer, control: this.#control, enter: (state) => this.#enter(state, work) })
    await this.#enter({ state: 'running', reason: '', statement: undefined }, work)
    // Whichever ends first ends the others, and its reason is the reason.
    let first: { readonly cause: unknown } | undefined
    const guarded = (part: Promise<void>): Promise<void> =>
      part.then(
        () => stop.abort(),
        (cause: unknown) => {
          first ??= { cause }
          stop.abort(cause)
        }
      )
    await Promise.all([guarded(stream.run(signal)), guarded(loop.run()), guarded(reportProgress(work, signal))])
    if (first !== undefined && !outer.aborted) throw first.cause
  }

  async #workbench({ session, side, signal }: Pick<Workbench, 'session' | 'side' | 'signal'>): Promise<Workbench> {
    const { context, sourceCell, epoch, positions, policies, gate = OPEN_GATE } = this.#options
    const { clock, log, store, topology } = context
    const standing = await Standing.take(side, { sourceCell, store, epoch })
    if (standing.position !== undefined) positions.set(sourceCell, standing.position)
    const ownership = new Ownership({ selfCell: context.cell, originCell: sourceCell, snapshot: topology.current(), positions })
    const parked = new ParkedKeys(session)
    const metrics = this.#tally.over(this.#options.metrics)
    const tables = new TargetTables(side, () => clock.monotonicMs())
    const batchLane = new BatchLane({ session, parked, policyOf: ({ target }) => policyOf(policies, target.plan.source) })
    const exactLane = new ExactLane({ session, sourceCell, store, ownership, parked, policies, metrics })
    return {
      context,
      clock,
      log,
      sourceCell,
      session,
      side,
      standing,
      tables,
      ownership,
      parked,
      positions,
      policies,
      batchLane,
      exactLane,
      metrics,
      gate,
      signal
    }
  }

  async #enter(state: StreamState, { side, sourceCell, context }: Workbench): Promise<void> {
    const changed = state.state !== this.#state.state || state.reason !== this.#state.reason
    if (changed) await writeStreamState(side, sourceCell, context.store, state)
    this.#state = state
  }

  async #remember(state: StreamState): Promise<void> {
    const { mysql, context, sourceCell } = this.#options
    await using session = await openSession(mysql, { role: 'plain', signal: AbortSignal.timeout(30_000) })
    await writeStreamState(session, sourceCell, context.store, state)
  }

  #cellNumber(): number {
    const { context } = this.#options
    const { topology } = context.topology.current().snapshot
    for (const [cell, number] of cellNumbers(topology)) if (cell === context.cell) return number
    throw cellUnknown({ cell: context.cell })
  }
}

function reasonOf(cause: unknown): string {
  if (isCellwayError(cause)) return `${cause.code}: ${cause.message}`
  return cause instanceof Error ? cause.message : String(cause)
}

function statementOf(cause: unknown): string | undefined {
  if (!isCellwayError(cause)) return undefined
  const { statement, fix } = cause.details
  const shown = cause.code === rowTooLarge.definition.code || typeof fix === 'string' ? (statement ?? fix) : undefined
  return typeof shown === 'string' ? shown : undefined
}

function isIncluded(gtid: string, position: string): boolean {
  const isMysql = gtid.includes(':')
  const id = isMysql ? parseMysqlGtid(gtid) : parseMariadbGtid(gtid)
  return positionIncludes(parsePosition(isMysql ? 'mysql' : 'mariadb', position), id)
}

export type { AppliedCounts }

/**
 * Fills this cell, the target T, from another one, the source S, while all cells write.
 *
 * Why the result is exact. A *vector* names a position of each stream. A(t) is what T's appliers have applied at time t: the vector of
 * T's checkpoints, which change in the transactions of the rows. Changes of one row have one order (each was made on the result of
 * the one before), and every stream brings them in that order; across streams the wait for "opened … requires …" (I8) keeps it. So what
 * T has applied of a row is always a beginning of its changes.
 *
 * 1. Start. T's appliers stand still; their checkpoints are placed at V0, a vector that S has in full. All tables are empty and
 *    `waiting`: appliers leave their changes out.
 * 2. A chunk is read at S in one consistent snapshot with two vectors: everything up to `low` is in the snapshot, nothing behind
 *    `high` is. Of other cells' streams both are S's own checkpoints, which are rows of S; of S's stream they are marks in its binary
 *    log, committed before and after the snapshot was taken.
 * 3. T writes a chunk only while A <= low, with all appliers held. So the chunk contains every change that T has applied or left out, and
 *    the rows of the chunk replace what is there: nothing newer can be lost.
 * 4. From the first chunk of a table on, until A >= `high` of its last one, the appliers treat it as `overwrite`: the image of the stream
 *    wins, without a comparison. Take a row r when A >= high. If some change of r was applied after the last chunk that covers r, then
 *    the last change of r within A was, since changes come in order, and its image is in T. If none was, T has what the chunk has, and the
 *    chunk contains exactly the changes of r within A: all that were applied before it (3), and none behind `high` <= A. A row that is
 *    absent from the chunk but was there before it is deleted by a change behind A, which is still to come and comes before `high`.
 * 5. Unique keys. REPLACE removes another row r' that holds the same secondary key. In S both never were there at one time, so r' is of
 *    another time than what is written. If r' is newer, its own change is still to come in a stream and brings the whole row again; if it
 *    is older, the change by which it gave up the key is still to come and does the same, or deletes it.
 * 6. Nothing is applied twice: positions move in the transactions of the rows, as ever, and overwriting with changes that the chunk
 *    contains ends, by 4, at the last of them. Once A >= high, the table is `done` and its changes are compared like all others.
 * 7. Foreign keys. See `levels.ts`: off where they only check, on where they cascade, and then parents are exact before children begin.
 *
 * Everything that the argument needs is durable: checkpoints, the state of each table, its last key and `high` are written in the
 * transaction of the chunk. T may be killed at any time and goes on from there; S remembers nothing and is asked again.
 * What it does not cover: conflicts (fences off) that are decided while a table is `overwrite` are not seen at T; verify afterwards.
 */
import { randomUUID } from 'node:crypto'
import { isCellwayError } from '@cellway/base'
import type { AppliedPositions } from '../apply/applied-positions.ts'
import type { CellContext } from '../context.ts'
import type { Session } from '../store/session.ts'
import type { BootstrapGate } from './apply-gate.ts'
import { requestInvalid, runActive } from './errors.ts'
import type { BootstrapMetrics } from './metrics.ts'
import { checkOwnsNothing } from './ownership.ts'
import { type BootstrapStatus, IDLE } from './progress.ts'
import { ensureBootstrapSchema } from './schema.ts'
import { isUnfinished, type RunState, readRun, setPhase, writeRequest } from './target-state.ts'
import { TargetWork } from './target-work.ts'

export interface BootstrapLimits {
  readonly chunkRows: number
  readonly chunkBytes: number
  /** Asked for at a time: what the log holds of a snapshot. */
  readonly chunksPerRequest: number
  /** How long the appliers are held before they may catch up. */
  readonly roundMs: number
  /** A source that says nothing for so long is asked again. */
  readonly silenceMs: number
}

export const BOOTSTRAP_LIMITS: BootstrapLimits = {
  chunkRows: 4096,
  chunkBytes: 1024 * 1024,
  chunksPerRequest: 32,
  roundMs: 15_000,
  silenceMs: 10_000
}

export interface BootstrapOptions {
  readonly context: CellContext
  readonly gate: BootstrapGate
  /** Of this process. */
  readonly epoch: number
  readonly positions: AppliedPositions
  /** `applier` sessions carry the cell's reserved server id. */
  readonly openSession: (role: 'applier' | 'plain', signal: AbortSignal) => Promise<Session>
  /** All appliers of the cell. `stop` resolves when none is running; both may be called twice. */
  readonly appliers: { stop(): Promise<void>; start(): void }
  readonly limits?: Partial<BootstrapLimits>
  readonly metrics: BootstrapMetrics
}

export interface BootstrapRequest {
  readonly sourceCell: string
  /** Rows of this cell's tables may go. Its own writes are waited for at the source first. */
  readonly wipe?: boolean
  /** Although the cell owns buckets, and without waiting for its own writes. */
  readonly force?: boolean
  /** 0: as fast as it goes. */
  readonly rowsPerSecond?: number
}

const REQUEST_TIMEOUT_MS = 30_000

export class Bootstrap {
  readonly #options: BootstrapOptions
  #status: BootstrapStatus = IDLE
  #wake: (() => void) | undefined
  #cancelled: AbortController | undefined

  constructor(options: BootstrapOptions) {
    this.#options = options
  }

  status(): BootstrapStatus {
    return this.#status
  }

  /** Durable when it resolves. @throws BOO_RUN_ACTIVE, BOO_TARGET_OWNS, BOO_REQUEST_INVALID and what the session throws */
  async request({ sourceCell, wipe = false, force = false, rowsPerSecond = 0 }: BootstrapRequest): Promise<BootstrapStatus> {
    const { context, openSession, gate } = this.#options
    const cells = Object.keys(context.topology.current().snapshot.topology.cells)
    if (sourceCell === context.cell) throw requestInvalid({ problem: 'a cell is not filled from itself' })
    if (!cells.includes(sourceCell)) throw requestInvalid({ problem: `there is no cell ${sourceCell}; known are ${cells.join(', ')}` })
    if (!Number.isFinite(rowsPerSecond) || rowsPerSecond < 0) throw requestInvalid({ problem: 'rowsPerSecond is a number from 0 up' })
    if (!force) checkOwnsNothing(context)
    await using session = await openSession('plain', AbortSignal.timeout(REQUEST_TIMEOUT_MS))
    await ensureBootstrapSchema(session)
    const before = await readRun(session)
    if (before !== undefined && isUnfinished(before)) throw runActive({ runId: before.runId, sourceCell: before.sourceCell, phase: before.phase })
    gate.appliersMayStart = false
    const runId = randomUUID()
    await writeRequest(session, { runId, sourceCell, wipe, force, rowsPerSecond })
    this.#status = { ...IDLE, phase: 'requested', runId, sourceCell }
    this.#wake?.()
    return this.#status
  }

  /** Breaks the copy off. The tables fit no position then, so the appliers stay down until another run. */
  async cancel(): Promise<BootstrapStatus> {
    const { openSession, gate, appliers } = this.#options
    await using session = await openSession('plain', AbortSignal.timeout(REQUEST_TIMEOUT_MS))
    const run = await readRun(session)
    if (run === undefined || !isUnfinished(run)) return this.#status
    gate.appliersMayStart = false
    await setPhase(session, 'cancelled')
    this.#cancelled?.abort()
    await appliers.stop()
    this.#status = { ...this.#status, phase: 'cancelled', reason: 'cancelled; the cell is incomplete until it is filled again' }
    return this.#status
  }

  /** Sleeps without a run, and resumes one that an earlier process began. @throws BOO_*, and what the store and the center throw */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const run = await this.#unfinished(signal)
        if (run === undefined) await this.#woken(signal)
        else await this.#work(run, signal)
      }
    } catch (cause) {
      if (signal.aborted) return
      this.#status = { ...this.#status, reason: isCellwayError(cause) ? `${cause.code}: ${cause.message}` : String(cause) }
      throw cause
    }
  }

  async #unfinished(signal: AbortSignal): Promise<RunState | undefined> {
    await using session = await this.#options.openSession('plain', signal)
    await ensureBootstrapSchema(session)
    const run = await readRun(session)
    if (run === undefined) return undefined
    this.#status = { ...this.#status, phase: run.phase, runId: run.runId, sourceCell: run.sourceCell }
    return isUnfinished(run) ? run : undefined
  }

  async #work(run: RunState, signal: AbortSignal): Promise<void> {
    const cancelled = new AbortController()
    this.#cancelled = cancelled
    const both = AbortSignal.any([signal, cancelled.signal])
    const { openSession, limits, ...rest } = this.#options
    try {
      await using plain = await openSession('plain', both)
      await using applier = await openSession('applier', both)
      const onStatus = (change: Partial<BootstrapStatus>): void => {
        this.#status = { ...this.#status, ...change }
      }
      await new TargetWork({ ...rest, limits: { ...BOOTSTRAP_LIMITS, ...limits }, run, plain, applier, onStatus }).run(both)
    } catch (cause) {
      if (!cancelled.signal.aborted || signal.aborted) throw cause
    } finally {
      this.#cancelled = undefined
    }
  }

  async #woken(signal: AbortSignal): Promise<void> {
    const woken = Promise.withResolvers<void>()
    this.#wake = woken.resolve
    signal.addEventListener('abort', () => woken.resolve(), { once: true })
    await woken.promise
    this.#wake = undefined
  }
}

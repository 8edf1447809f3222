import { setTimeout as sleep } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import { formatPosition, type Position } from '@cellway/change'
import type { CellContext } from '../context.ts'
import { backoffMs } from './backoff.ts'
import { type CaptureConfig, type FilledConfig, filled } from './config.ts'
import { CaptureLife } from './life.ts'
import type { CaptureMetrics } from './metrics.ts'
import { StreamChanged } from './sender.ts'
import { CaptureFacts, type CaptureStatus, type SkippedTransaction } from './status.ts'

export interface CaptureOptions {
  readonly context: CellContext
  readonly config: CaptureConfig
  /** Of this process, from `takeEpoch`. */
  readonly epoch: number
  readonly metrics: CaptureMetrics
}

/** Brings every change of this cell's store into its stream in the center: whole transactions, in order, none lost, none twice. */
export class Capture {
  readonly #context: CellContext
  readonly #config: FilledConfig
  readonly #epoch: number
  readonly #metrics: CaptureMetrics
  readonly #facts: CaptureFacts
  #life: CaptureLife | undefined
  #forced: Position | 'current' | undefined
  #poke = Promise.withResolvers<void>()

  constructor({ context, config, epoch, metrics }: CaptureOptions) {
    this.#context = context
    this.#config = filled(config)
    this.#epoch = epoch
    this.#metrics = metrics
    this.#facts = new CaptureFacts(metrics)
  }

  /**
   * Returns when the signal aborts. What passes by itself (a link, the center, an undeclared table) it waits for, in plain sight.
   * @throws CAP_FENCED, CAP_FENCED_BY_READER, CAP_POSITION_LOST, CAP_SOURCE_BEHIND, CAP_STATEMENT_WRITE, CAP_EVENT_UNKNOWN, CAP_INCIDENT,
   * CAP_GTID_MISSING, CAP_GTID_ORDER, CAP_XA_PREPARED, CAP_MARK_MISMATCH, CAP_READERS_DISAGREE, CAP_STREAM_FOREIGN, CAP_SPILL_FAILED,
   * and what the decoder, the log and the session throw
   */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (let attempt = 1; !signal.aborted; attempt += 1) await this.#liveOnce(attempt, signal)
    } catch (cause) {
      if (signal.aborted) return
      const error = isCellwayError(cause) ? cause : undefined
      this.#facts.enter('stopped', error)
      if (error === undefined) this.#facts.reason = String(cause)
      this.#context.log.error({ err: cause, ...error?.details, code: error?.code }, 'the capture stopped')
      throw cause
    }
  }

  status(): CaptureStatus {
    const facts = this.#facts
    const { cell, store } = this.#context
    return {
      stream: `${cell}/${store}`,
      ...this.#stateNow(),
      error: facts.error?.toJSON(),
      sourcePosition: this.#life?.position === undefined ? '' : formatPosition(this.#life.position),
      sourceFile: this.#life?.file ?? '',
      centerPosition: facts.centerText(),
      startedFrom: facts.startedFrom,
      lagSeconds: this.#life?.lagSeconds() ?? 0,
      counters: { ...facts.counters },
      waitingRecords: this.#life?.waitingRecords ?? 0,
      spillBytes: this.#life?.spillBytes ?? 0,
      semiSync: facts.semiSync,
      alarm: facts.alarm?.toJSON(),
      skipped: [...facts.skipped.values()]
    }
  }

  /** Appends wait in the remote log while the center is away; it knows why, and nothing has failed yet. */
  #stateNow(): Pick<CaptureStatus, 'state' | 'reason'> {
    const { state, reason } = this.#facts
    const link = this.#context.center.connection()
    if (state !== 'running' || link.state !== 'unreachable') return { state, reason }
    return { state: 'waiting', reason: `the center is unreachable: ${link.code}, ${link.attempts} attempts` }
  }

  /** An operator lets a transaction pass that cannot be captured: its position is published, its content is not. */
  skip(transaction: SkippedTransaction): void {
    this.#facts.skipped.set(transaction.gtid, transaction)
    this.#context.log.warn({ ...transaction }, 'a transaction of the source will be passed over')
    this.#wake()
  }

  /** An operator says where the stream goes on; taken at the next start, and while the capture waits for readers. */
  force(position: Position | 'current'): void {
    this.#forced = position
    this.#context.log.warn({ position: position === 'current' ? position : formatPosition(position) }, 'the start of the capture is forced')
    this.#wake()
  }

  async #liveOnce(attempt: number, signal: AbortSignal): Promise<void> {
    const life = new CaptureLife({
      context: this.#context,
      config: this.#config,
      epoch: this.#epoch,
      metrics: this.#metrics,
      facts: this.#facts,
      forced: () => this.#takeForced(),
      poked: () => this.#poke.promise
    })
    this.#life = life
    try {
      await life.run(signal)
    } catch (cause) {
      if (!(cause instanceof StreamChanged) || signal.aborted) throw cause
      this.#context.log.warn({ problem: cause.message }, 'the stream in the center has changed; it is read again')
      await sleep(backoffMs(attempt), undefined, { signal })
    }
  }

  #takeForced(): Position | 'current' | undefined {
    const forced = this.#forced
    this.#forced = undefined
    return forced
  }

  #wake(): void {
    this.#poke.resolve()
    this.#poke = Promise.withResolvers<void>()
  }
}

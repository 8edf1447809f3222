import type { CellwayError } from '@cellway/base'
import { formatPosition, type Position } from '@cellway/change'
import type { CaptureMetrics, CaptureState, SemiSyncState } from './metrics.ts'

/** What `cellway status` shows of a capture. */
export interface CaptureStatus {
  readonly stream: string
  readonly state: CaptureState
  /** What it waits for, or why it stopped; empty while all is well. */
  readonly reason: string
  readonly error: ReturnType<CellwayError['toJSON']> | undefined
  /** Everything up to here was read from the source, with what did not leave the cell. */
  readonly sourcePosition: string
  readonly sourceFile: string
  /** Everything up to here is durable in the center. */
  readonly centerPosition: string
  readonly startedFrom: string
  /** From the commit of the oldest change that is not in the center yet; 0 when everything is. */
  readonly lagSeconds: number
  readonly counters: CaptureCounters
  readonly waitingRecords: number
  readonly spillBytes: number
  readonly semiSync: SemiSyncState
  /** Set while something is wrong that does not stop the stream. */
  readonly alarm: ReturnType<CellwayError['toJSON']> | undefined
  readonly skipped: readonly SkippedTransaction[]
}

export interface CaptureCounters {
  readonly published: number
  readonly echoes: number
  readonly filtered: number
  readonly rows: number
  readonly readBytes: number
  readonly records: number
  readonly recordBytes: number
  readonly connects: number
}

/** A transaction that an operator lets pass without its content. */
export interface SkippedTransaction {
  readonly gtid: string
  readonly by: string
  readonly reason: string
}

/** The facts of one capture, kept over its restarts. */
export class CaptureFacts {
  readonly counters = { published: 0, echoes: 0, filtered: 0, rows: 0, readBytes: 0, records: 0, recordBytes: 0, connects: 0 }
  readonly skipped = new Map<string, SkippedTransaction>()
  readonly #metrics: CaptureMetrics
  state: CaptureState = 'starting'
  reason = ''
  error: CellwayError | undefined
  alarm: CellwayError | undefined
  semiSync: SemiSyncState = 'not-requested'
  centerPosition: Position | undefined
  startedFrom = ''

  constructor(metrics: CaptureMetrics) {
    this.#metrics = metrics
  }

  /** The reason of an error is its message; what people should do stands in its details. */
  enter(state: CaptureState, error?: CellwayError): void {
    this.state = state
    this.error = error
    this.reason = error === undefined ? '' : `${error.code}: ${error.message}`
    this.#metrics.state(state)
    if (error !== undefined && (state === 'waiting' || state === 'stopped')) this.#metrics.stopped(error.code)
  }

  centerText(): string {
    return this.centerPosition === undefined ? '' : formatPosition(this.centerPosition)
  }
}

import type { Clock } from '@cellway/base'
import type { ApplyMetrics } from './metrics.ts'
import type { StreamStateName } from './stream-state.ts'

/** Plain data for `status`. */
export interface ApplierStatus {
  readonly sourceCell: string
  readonly epoch: number
  readonly state: StreamStateName
  /** What it waits for or why it stopped; empty when all is well. */
  readonly reason: string
  /** What an operator has to run, where that is known. */
  readonly statement: string | null
  /** Durable, in the origin's coordinates. */
  readonly position: string
  /** Source transactions since the beginning. */
  readonly transactions: number
  /** Sequences of the log: its end, what was read, what is applied. Their distances are the lag of each stage in records. */
  readonly log: {
    readonly logId: string
    readonly end: number
    readonly read: number
    readonly applied: number
    readonly readPosition: string
    readonly waiting: number
  }
  /** Since the process started. */
  readonly rows: number
  readonly conflicts: number
  readonly parkedKeys: number
  readonly retries: number
  readonly echoes: number
  /** Over the last seconds. */
  readonly transactionsPerSecond: number
  readonly rowsPerSecond: number
  /** From the newest heartbeat: written at the origin to applied here. Null before the first. */
  readonly lagMs: number | null
  readonly lastHeartbeatMs: number | null
}

const RATE_WINDOW_MS = 5000

/** Counts for `status` what passes on its way to the metrics. */
export class Tally {
  readonly #clock: Clock
  #rows = 0
  #conflicts = 0
  #parked = 0
  #retries = 0
  #echoes = 0
  #lagMs: number | null = null
  #heartbeatMs: number | null = null
  #window = { fromMs: 0, transactions: 0, rows: 0 }
  #rate = { transactions: 0, rows: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  over(metrics: ApplyMetrics): ApplyMetrics {
    return {
      applied: (source, counts) => {
        this.#rows += counts.rows
        this.#turn()
        this.#window.transactions += counts.transactions
        this.#window.rows += counts.rows
        metrics.applied(source, counts)
      },
      heartbeat: (source, originUs, appliedUs) => {
        this.#lagMs = (appliedUs - originUs) / 1000
        this.#heartbeatMs = this.#clock.nowMs()
        metrics.heartbeat(source, originUs, appliedUs)
      },
      conflict: (source, found, decision) => {
        this.#conflicts += 1
        metrics.conflict(source, found, decision)
      },
      parked: (source) => {
        this.#parked += 1
        metrics.parked(source)
      },
      retried: (source, why) => {
        this.#retries += 1
        metrics.retried(source, why)
      },
      echo: (source) => {
        this.#echoes += 1
        metrics.echo(source)
      }
    }
  }

  read(): Pick<
    ApplierStatus,
    'rows' | 'conflicts' | 'parkedKeys' | 'retries' | 'echoes' | 'transactionsPerSecond' | 'rowsPerSecond' | 'lagMs' | 'lastHeartbeatMs'
  > {
    this.#turn()
    return {
      rows: this.#rows,
      conflicts: this.#conflicts,
      parkedKeys: this.#parked,
      retries: this.#retries,
      echoes: this.#echoes,
      transactionsPerSecond: this.#rate.transactions,
      rowsPerSecond: this.#rate.rows,
      lagMs: this.#lagMs,
      lastHeartbeatMs: this.#heartbeatMs
    }
  }

  #turn(): void {
    const now = this.#clock.monotonicMs()
    const passed = now - this.#window.fromMs
    if (passed < RATE_WINDOW_MS) return
    const seconds = passed / 1000
    this.#rate = { transactions: Math.round(this.#window.transactions / seconds), rows: Math.round(this.#window.rows / seconds) }
    this.#window = { fromMs: now, transactions: 0, rows: 0 }
  }
}

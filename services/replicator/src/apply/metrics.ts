import type { ConflictClass } from '@cellway/conflict'

/** What an applier tells while it works. Called often: no work in it but counting. */
export interface ApplyMetrics {
  /** After a commit. */
  applied(source: string, counts: AppliedCounts): void
  /** A heartbeat of the origin became visible here: written and applied, in microseconds of each cell's clock. */
  heartbeat(source: string, originUs: number, appliedUs: number): void
  conflict(source: string, found: ConflictClass, decision: string): void
  parked(source: string): void
  retried(source: string, why: 'deadlock' | 'lock-wait'): void
  /** A transaction of this cell came back to it. Must stay 0. */
  echo(source: string): void
}

export interface AppliedCounts {
  readonly transactions: number
  readonly rows: number
  readonly lane: 'batch' | 'exact' | 'parts' | 'none'
  readonly durationMs: number
}

/** What the comparison of cells tells while it works. */
export interface VerifyMetrics {
  compared(from: string, rows: number): void
  differences(from: string, table: string, rows: number): void
  repaired(from: string, table: string, rows: number): void
  /** A pass over a table came to its end. */
  finished(from: string, table: string, result: 'equal' | 'different' | 'failed', durationMs: number): void
}

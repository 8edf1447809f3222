/** What the repairer tells while it works. */
export interface RepairMetrics {
  /** Rows put into this cell's stream: answers to other cells, decisions of operators. */
  repaired(rows: number): void
  /** Rows asked for, of their arbiters. */
  requested(rows: number): void
  /** Conflicts whose answer this cell owes and cannot give. */
  failed(rows: number): void
}

/** Implemented on the process's metrics. */
export interface BootstrapMetrics {
  rowsCopied(rows: number): void
  /** Of the target's state: 0 none, else how much of the estimate is done, up to 1. */
  progress(share: number): void
}

export interface SnapshotSourceMetrics {
  rowsSent(rows: number): void
}

export const NO_BOOTSTRAP_METRICS: BootstrapMetrics = { rowsCopied: () => undefined, progress: () => undefined }
export const NO_SOURCE_METRICS: SnapshotSourceMetrics = { rowsSent: () => undefined }

/** What the capture counts; the process makes Prometheus metrics of it. */
export interface CaptureMetrics {
  /** Transactions of the source: sent on, written by our own appliers, or without anything that leaves the cell. */
  transaction(kind: 'published' | 'echo' | 'filtered'): void
  rows(count: number): void
  /** Bytes of binlog events read. */
  read(bytes: number): void
  /** A record is durable in the center. */
  appended(record: { readonly bytes: number; readonly transactions: number; readonly seconds: number }): void
  appendFailed(code: string): void
  connected(): void
  disconnected(code: string): void
  state(state: CaptureState): void
  spillBytes(bytes: number): void
  lagSeconds(seconds: number): void
  semiSync(state: SemiSyncState): void
  /** The capture stopped, or waits for people. */
  stopped(code: string): void
  heartbeat(seconds: number): void
}

/**
 * `starting`: finding its place. `connecting`: no link to the source. `running`. `waiting`: for something that `reason` names.
 * `stopped`: an error that only people can end.
 */
export type CaptureState = 'starting' | 'connecting' | 'running' | 'waiting' | 'stopped'

/** `fallen-back` and `not-enabled` are alarms: commits do not wait for the center. */
export type SemiSyncState = 'not-requested' | 'unknown' | 'active' | 'fallen-back' | 'not-enabled'

export const NO_METRICS: CaptureMetrics = {
  transaction: () => {},
  rows: () => {},
  read: () => {},
  appended: () => {},
  appendFailed: () => {},
  connected: () => {},
  disconnected: () => {},
  state: () => {},
  spillBytes: () => {},
  lagSeconds: () => {},
  semiSync: () => {},
  stopped: () => {},
  heartbeat: () => {}
}

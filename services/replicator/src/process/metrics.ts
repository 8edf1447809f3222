import type { Metrics } from '@cellway/telemetry'
import type { ApplyMetrics } from '../apply/metrics.ts'
import type { BootstrapMetrics, SnapshotSourceMetrics } from '../bootstrap/metrics.ts'
import type { CaptureMetrics, CaptureState, SemiSyncState } from '../capture/metrics.ts'
import type { RepairMetrics } from '../repair/metrics.ts'
import type { VerifyMetrics } from '../verify/metrics.ts'
import type { LagTracker } from './lag.ts'

const CAPTURE_STATES: readonly CaptureState[] = ['starting', 'connecting', 'running', 'waiting', 'stopped']
const SEMI_SYNC_STATES: readonly SemiSyncState[] = ['not-requested', 'unknown', 'active', 'fallen-back', 'not-enabled']

export function captureMetrics(metrics: Metrics): CaptureMetrics {
  const transactions = metrics.counter('cellway_replicator_captured_transactions_total')
  const rows = metrics.counter('cellway_replicator_captured_rows_total')
  const bytes = metrics.counter('cellway_replicator_binlog_bytes_total')
  const appended = metrics.counter('cellway_replicator_appended_bytes_total')
  const seconds = metrics.histogram('cellway_replicator_append_seconds')
  const one = (name: 'cellway_replicator_capture_state' | 'cellway_replicator_semi_sync', all: readonly string[]) => (state: string) => {
    for (const known of all) metrics.gauge(name).set({ state: known }, known === state ? 1 : 0)
  }
  return {
    transaction: (kind) => transactions.inc({ kind }),
    rows: (count) => rows.inc(count),
    read: (count) => bytes.inc(count),
    appended: (record) => {
      appended.inc(record.bytes)
      seconds.observe(record.seconds)
    },
    appendFailed: (code) => metrics.counter('cellway_replicator_append_failures_total').inc({ code }),
    connected: () => undefined,
    disconnected: (code) => metrics.counter('cellway_replicator_capture_disconnects_total').inc({ code }),
    state: one('cellway_replicator_capture_state', CAPTURE_STATES),
    spillBytes: (count) => metrics.gauge('cellway_replicator_spilled_bytes').set(count),
    lagSeconds: (lag) => metrics.gauge('cellway_replicator_capture_lag_seconds').set(lag),
    semiSync: one('cellway_replicator_semi_sync', SEMI_SYNC_STATES),
    stopped: (code) => metrics.counter('cellway_replicator_stops_total').inc({ part: 'capture', code }),
    heartbeat: (seconds) => metrics.histogram('cellway_replicator_heartbeat_seconds').observe(seconds)
  }
}

/** What the appliers counted since the process started, by origin. */
export interface ApplyTally {
  transactions: number
  conflicts: number
  echoes: number
}

export function applyMetrics(metrics: Metrics, tallyOf: (source: string) => ApplyTally, lag: LagTracker): ApplyMetrics {
  const transactions = metrics.counter('cellway_replicator_applied_transactions_total')
  const rows = metrics.counter('cellway_replicator_applied_rows_total')
  const seconds = metrics.histogram('cellway_replicator_apply_seconds')
  const visible = metrics.histogram('cellway_replicator_visible_seconds')
  return {
    applied: (source, counts) => {
      tallyOf(source).transactions += counts.transactions
      transactions.inc({ source, lane: counts.lane }, counts.transactions)
      rows.inc({ source }, counts.rows)
      seconds.observe({ source }, counts.durationMs / 1000)
    },
    heartbeat: (source, originUs, appliedUs) => {
      visible.observe({ source }, Math.max(0, appliedUs - originUs) / 1e6)
      lag.heartbeat(source, originUs, appliedUs)
    },
    conflict: (source, found, decision) => {
      tallyOf(source).conflicts += 1
      metrics.counter('cellway_replicator_conflicts_total').inc({ source, class: found, decision })
    },
    parked: (source) => metrics.counter('cellway_replicator_parked_changes_total').inc({ source }),
    retried: (source, why) => metrics.counter('cellway_replicator_apply_retries_total').inc({ source, reason: why }),
    echo: (source) => {
      tallyOf(source).echoes += 1
      metrics.counter('cellway_replicator_echoes_total').inc({ source })
    }
  }
}

export function repairMetrics(metrics: Metrics): RepairMetrics {
  const rows = metrics.counter('cellway_replicator_repair_rows_total')
  return {
    repaired: (count) => rows.inc({ kind: 'sent' }, count),
    requested: (count) => rows.inc({ kind: 'requested' }, count),
    failed: (count) => rows.inc({ kind: 'failed' }, count)
  }
}

export function bootstrapMetrics(metrics: Metrics): BootstrapMetrics {
  return {
    rowsCopied: (rows) => metrics.counter('cellway_replicator_bootstrap_rows_total').inc({ direction: 'received' }, rows),
    progress: (share) => metrics.gauge('cellway_replicator_bootstrap_share').set(share)
  }
}

export function snapshotMetrics(metrics: Metrics): SnapshotSourceMetrics {
  return { rowsSent: (rows) => metrics.counter('cellway_replicator_bootstrap_rows_total').inc({ direction: 'sent' }, rows) }
}

export function verifyMetrics(metrics: Metrics): VerifyMetrics {
  return {
    compared: (source, rows) => metrics.counter('cellway_replicator_verified_rows_total').inc({ source }, rows),
    differences: (source, table, rows) => metrics.counter('cellway_replicator_differences_total').inc({ source, table }, rows),
    repaired: (source, table, rows) => metrics.counter('cellway_replicator_repaired_differences_total').inc({ source, table }, rows),
    finished: (source, table, result) => metrics.counter('cellway_replicator_verified_tables_total').inc({ source, table, result })
  }
}

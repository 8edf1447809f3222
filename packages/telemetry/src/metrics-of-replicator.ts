import { LATENCY_SECONDS, type MetricRow } from './metric-row.ts'

export const REPLICATOR_METRICS = [
  {
    name: 'cellway_replicator_captured_transactions_total',
    type: 'counter',
    help: 'Transactions of the own store: sent to the center, written by our own appliers, or without anything that leaves the cell',
    labels: ['kind']
  },
  { name: 'cellway_replicator_captured_rows_total', type: 'counter', help: 'Row changes sent to the center', labels: [] },
  { name: 'cellway_replicator_binlog_bytes_total', type: 'counter', help: 'Bytes of binlog events read', labels: [] },
  { name: 'cellway_replicator_appended_bytes_total', type: 'counter', help: 'Bytes of records that are durable in the center', labels: [] },
  {
    name: 'cellway_replicator_append_seconds',
    type: 'histogram',
    help: 'From sending a record until it is durable in the center',
    labels: [],
    buckets: LATENCY_SECONDS
  },
  { name: 'cellway_replicator_append_failures_total', type: 'counter', help: 'Records the center did not take, by error code', labels: ['code'] },
  { name: 'cellway_replicator_capture_state', type: 'gauge', help: '1 for the state the capture is in', labels: ['state'] },
  {
    name: 'cellway_replicator_capture_disconnects_total',
    type: 'counter',
    help: 'Lost connections to the binlog of the own store, by error code',
    labels: ['code']
  },
  {
    name: 'cellway_replicator_capture_lag_seconds',
    type: 'gauge',
    help: 'From a commit in the own store until it is durable in the center',
    labels: []
  },
  {
    name: 'cellway_replicator_heartbeat_seconds',
    type: 'histogram',
    help: 'Time of the heartbeat’s commit in the own store; with rpo zero it contains the wait for the center',
    labels: [],
    buckets: LATENCY_SECONDS
  },
  { name: 'cellway_replicator_spilled_bytes', type: 'gauge', help: 'Records on disk, because the center is slow or away', labels: [] },
  {
    name: 'cellway_replicator_semi_sync',
    type: 'gauge',
    help: '1 for the state of semi-synchronous commits; anything but active under rpo zero is an alarm',
    labels: ['state']
  },
  {
    name: 'cellway_replicator_applied_transactions_total',
    type: 'counter',
    help: 'Source transactions that are visible here, by origin and lane',
    labels: ['source', 'lane']
  },
  { name: 'cellway_replicator_applied_rows_total', type: 'counter', help: 'Row changes applied here, by origin', labels: ['source'] },
  {
    name: 'cellway_replicator_apply_seconds',
    type: 'histogram',
    help: 'Time of one target transaction, from its first statement to its commit',
    labels: ['source'],
    buckets: LATENCY_SECONDS
  },
  {
    name: 'cellway_replicator_lag_seconds',
    type: 'gauge',
    help: 'How old the newest change of the origin is that is visible here; grows while nothing arrives',
    labels: ['source']
  },
  {
    name: 'cellway_replicator_visible_seconds',
    type: 'histogram',
    help: 'From a commit at the origin until it is visible here, measured by heartbeats',
    labels: ['source'],
    buckets: LATENCY_SECONDS
  },
  {
    name: 'cellway_replicator_conflicts_total',
    type: 'counter',
    help: 'Changes that met another change of the same row, by class and decision',
    labels: ['source', 'class', 'decision']
  },
  { name: 'cellway_replicator_open_conflicts', type: 'gauge', help: 'Conflicts that wait for a decision of an operator', labels: [] },
  { name: 'cellway_replicator_parked_changes_total', type: 'counter', help: 'Changes held because their key is parked', labels: ['source'] },
  {
    name: 'cellway_replicator_repair_rows_total',
    type: 'counter',
    help: 'Rows of conflicts that this cell put into its stream, asked others for, or could not send',
    labels: ['kind']
  },
  { name: 'cellway_replicator_parked_keys', type: 'gauge', help: 'Keys whose changes are held', labels: [] },
  {
    name: 'cellway_replicator_apply_retries_total',
    type: 'counter',
    help: 'Target transactions that were repeated after a deadlock or a lock wait',
    labels: ['source', 'reason']
  },
  {
    name: 'cellway_replicator_echoes_total',
    type: 'counter',
    help: 'Own transactions that came back through another cell; must stay 0',
    labels: ['source']
  },
  { name: 'cellway_replicator_stream_state', type: 'gauge', help: '1 for the state the stream of an origin is in', labels: ['source', 'state'] },
  { name: 'cellway_replicator_part_restarts_total', type: 'counter', help: 'Parts that failed and were started again', labels: ['part'] },
  {
    name: 'cellway_replicator_stops_total',
    type: 'counter',
    help: 'Parts that stopped and wait for people, by error code',
    labels: ['part', 'code']
  },
  { name: 'cellway_replicator_verified_rows_total', type: 'counter', help: 'Rows compared with another cell', labels: ['source'] },
  {
    name: 'cellway_replicator_differences_total',
    type: 'counter',
    help: 'Rows that differed from another cell after every change in flight had arrived',
    labels: ['source', 'table']
  },
  {
    name: 'cellway_replicator_repaired_differences_total',
    type: 'counter',
    help: 'Rows that differed and for which the row of the arbiter was sent to every cell',
    labels: ['source', 'table']
  },
  {
    name: 'cellway_replicator_verified_tables_total',
    type: 'counter',
    help: 'Comparisons of whole tables, by result',
    labels: ['source', 'table', 'result']
  },
  {
    name: 'cellway_replicator_bootstrap_rows_total',
    type: 'counter',
    help: 'Rows of snapshots, sent to cells that are filled and received by this one',
    labels: ['direction']
  },
  { name: 'cellway_replicator_bootstrap_share', type: 'gauge', help: 'How much of a copy is done, 0 to 1; 0 without one', labels: [] },
  { name: 'cellway_replicator_snapshot_version', type: 'gauge', help: 'Version of the adopted snapshot', labels: [] },
  { name: 'cellway_replicator_control_connected', type: 'gauge', help: '1 while the watch on control is alive', labels: [] }
] as const satisfies readonly MetricRow[]

/** One row per metric of every service. `docs/metrics.md` is held against this table by a test. */
export interface MetricRow {
  /** Prometheus name with unit and, for counters, `_total`. */
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** How values of several processes of one service become one; counters and most gauges add up. */
  readonly aggregate?: 'sum' | 'min' | 'max'
  /** Upper bounds, in the unit of the name. */
  readonly buckets?: readonly number[]
}

const LATENCY_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export const METRIC_TABLE = [
  {
    name: 'cellway_gateway_requests_total',
    type: 'counter',
    help: 'Finished requests by route, verdict and status class',
    labels: ['route', 'verdict', 'status']
  },
  {
    name: 'cellway_gateway_request_seconds',
    type: 'histogram',
    help: 'From the request line to the last byte of the answer',
    labels: ['route'],
    buckets: LATENCY_SECONDS
  },
  { name: 'cellway_gateway_refusals_total', type: 'counter', help: 'Requests the gateway itself refused, by error code', labels: ['code'] },
  { name: 'cellway_gateway_in_flight_requests', type: 'gauge', help: 'Requests between their first byte and the end of the answer', labels: [] },
  { name: 'cellway_gateway_in_flight_writes', type: 'gauge', help: 'Writes sent upstream and not yet answered, by space', labels: ['space'] },
  { name: 'cellway_gateway_held_requests', type: 'gauge', help: 'Writes waiting for a moving bucket', labels: [] },
  { name: 'cellway_gateway_held_seconds', type: 'histogram', help: 'How long a held write waited', labels: ['outcome'], buckets: LATENCY_SECONDS },
  { name: 'cellway_gateway_retries_total', type: 'counter', help: 'Second and later attempts, by the reason for them', labels: ['reason'] },
  { name: 'cellway_gateway_rejudged_total', type: 'counter', help: 'Requests judged again after a 421 that executed nothing', labels: ['outcome'] },
  {
    name: 'cellway_gateway_upstream_up',
    type: 'gauge',
    aggregate: 'min',
    help: '1 while the instance takes requests (probe good and breaker closed)',
    labels: ['cell', 'app', 'instance']
  },
  {
    name: 'cellway_gateway_breaker_opened_total',
    type: 'counter',
    help: 'How often the breaker of an instance opened',
    labels: ['cell', 'app', 'instance']
  },
  { name: 'cellway_gateway_connections', type: 'gauge', help: 'Open client connections', labels: [] },
  { name: 'cellway_gateway_streams', type: 'gauge', help: 'Open WebSockets and event streams', labels: ['kind'] },
  {
    name: 'cellway_gateway_streams_moved_total',
    type: 'counter',
    help: 'WebSockets and event streams closed because their bucket moved',
    labels: ['kind']
  },
  { name: 'cellway_gateway_snapshot_version', type: 'gauge', aggregate: 'min', help: 'Version of the adopted snapshot', labels: [] },
  {
    name: 'cellway_gateway_snapshot_age_seconds',
    type: 'gauge',
    help: 'Seconds since control last confirmed that the snapshot is the newest',
    labels: []
  },
  {
    name: 'cellway_gateway_snapshot_adoption_seconds',
    type: 'histogram',
    help: 'Time to compile and adopt a snapshot',
    labels: [],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
  },
  {
    name: 'cellway_gateway_log_dropped_total',
    type: 'counter',
    help: 'Lines of log that were lost because standard output took them too slowly, or failed',
    labels: []
  },
  { name: 'cellway_gateway_control_connected', type: 'gauge', help: '1 while the watch on control is alive', labels: [] },
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
  { name: 'cellway_replicator_control_connected', type: 'gauge', help: '1 while the watch on control is alive', labels: [] },
  {
    name: 'cellway_control_requests_total',
    type: 'counter',
    help: 'Finished calls of the control API by route and status class',
    labels: ['route', 'status']
  },
  {
    name: 'cellway_control_request_seconds',
    type: 'histogram',
    help: 'Time to answer a call of the control API',
    labels: ['route'],
    buckets: LATENCY_SECONDS
  },
  { name: 'cellway_control_refusals_total', type: 'counter', help: 'Calls answered with an error, by error code', labels: ['code'] },
  {
    name: 'cellway_control_commands_total',
    type: 'counter',
    help: 'Audited administrative acts by action and outcome',
    labels: ['action', 'outcome']
  },
  {
    name: 'cellway_control_commit_seconds',
    type: 'histogram',
    help: 'From the plan of a command to its durable and visible commit',
    labels: [],
    buckets: LATENCY_SECONDS
  },
  { name: 'cellway_control_audit_records', type: 'gauge', help: 'Number of the newest audit record', labels: [] },
  {
    name: 'cellway_control_audit_suppressed_total',
    type: 'counter',
    help: 'Refused attempts beyond the limit per token, counted instead of audited',
    labels: []
  },
  { name: 'cellway_control_store_revision', type: 'gauge', help: 'Revision of the control store after the newest command', labels: [] },
  { name: 'cellway_control_snapshot_version', type: 'gauge', help: 'Version of the newest snapshot', labels: [] },
  { name: 'cellway_control_snapshot_bytes', type: 'gauge', help: 'Size of the newest snapshot on the wire', labels: [] },
  {
    name: 'cellway_control_snapshot_build_seconds',
    type: 'histogram',
    help: 'Time to build and encode a snapshot after a change',
    labels: [],
    buckets: LATENCY_SECONDS
  },
  { name: 'cellway_control_watchers', type: 'gauge', help: 'Open watch streams by kind of member', labels: ['kind'] },
  {
    name: 'cellway_control_watch_skipped_total',
    type: 'counter',
    help: 'Snapshots a slow watcher did not get because it had not read the one before',
    labels: []
  },
  { name: 'cellway_control_watch_closed_total', type: 'counter', help: 'Ended watch streams by reason', labels: ['reason'] },
  { name: 'cellway_control_members', type: 'gauge', help: 'Known processes by cell and state of adoption', labels: ['cell', 'state'] },
  {
    name: 'cellway_center_ready',
    type: 'gauge',
    aggregate: 'min',
    help: '1 while the center takes appends; the reason is at /health/ready',
    labels: []
  },
  { name: 'cellway_center_appends_total', type: 'counter', help: 'Records that became durable', labels: ['stream'] },
  { name: 'cellway_center_append_bytes_total', type: 'counter', help: 'Their bytes', labels: ['stream'] },
  {
    name: 'cellway_center_append_seconds',
    type: 'histogram',
    help: 'From the last byte of a record to its acknowledgement',
    labels: [],
    buckets: LATENCY_SECONDS
  },
  { name: 'cellway_center_fsync_seconds', type: 'histogram', help: 'Time of each fdatasync of the log', labels: [], buckets: LATENCY_SECONDS },
  { name: 'cellway_center_pending_bytes', type: 'gauge', help: 'Taken from cells and not yet durable', labels: [] },
  { name: 'cellway_center_read_bytes_total', type: 'counter', help: 'Bytes sent to readers', labels: ['stream'] },
  { name: 'cellway_center_refusals_total', type: 'counter', help: 'Calls and appends that were refused, by error code', labels: ['code'] },
  {
    name: 'cellway_center_events_total',
    type: 'counter',
    help: 'What happened to the log: torn-tail, failed, trimmed, reader-lost',
    labels: ['kind']
  },
  { name: 'cellway_center_uploads', type: 'gauge', help: 'Open links that append', labels: [] },
  { name: 'cellway_center_reads', type: 'gauge', help: 'Open links that read', labels: [] },
  { name: 'cellway_center_stream_first', type: 'gauge', help: 'Sequence of the oldest record that is kept', labels: ['stream'] },
  { name: 'cellway_center_stream_next', type: 'gauge', help: 'Sequence behind the newest durable record', labels: ['stream'] },
  { name: 'cellway_center_stream_bytes', type: 'gauge', help: 'Bytes that are kept on the disk', labels: ['stream'] },
  {
    name: 'cellway_center_read_lag_records',
    type: 'gauge',
    help: 'Records that an open read has still to send',
    labels: ['stream', 'reader']
  },
  {
    name: 'cellway_center_retained_lag_records',
    type: 'gauge',
    help: 'Records that are kept for a known reader',
    labels: ['stream', 'reader']
  }
] as const satisfies readonly MetricRow[]

export type MetricName = (typeof METRIC_TABLE)[number]['name']

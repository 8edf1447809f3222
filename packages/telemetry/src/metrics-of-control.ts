import { LATENCY_SECONDS, type MetricRow } from './metric-row.ts'

export const CONTROL_METRICS = [
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
  { name: 'cellway_control_members', type: 'gauge', help: 'Known processes by cell and state of adoption', labels: ['cell', 'state'] }
] as const satisfies readonly MetricRow[]

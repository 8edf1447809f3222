import { LATENCY_SECONDS, type MetricRow } from './metric-row.ts'

export const CENTER_METRICS = [
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

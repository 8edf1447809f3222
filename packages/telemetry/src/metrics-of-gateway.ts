import { LATENCY_SECONDS, type MetricRow } from './metric-row.ts'

export const GATEWAY_METRICS = [
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
  { name: 'cellway_gateway_control_connected', type: 'gauge', help: '1 while the watch on control is alive', labels: [] }
] as const satisfies readonly MetricRow[]

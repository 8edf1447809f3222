import type { CellwayError } from '@cellway/base'
import { createMetrics, METRIC_TABLE, type MetricRow, type Metrics } from '@cellway/telemetry'
import type { Counter, MetricObjectWithValues, MetricValue } from 'prom-client'
import type { DataPlane } from './data-plane.ts'
import { type FinishedVerdict, RequestTally } from './request-tally.ts'

export type MetricReport = MetricObjectWithValues<MetricValue<string>>[]

export interface WorkerMetrics {
  readonly metrics: Metrics
  onFinished(route: string, verdict: FinishedVerdict, statusCode: number, seconds: number): void
  onRefused(error: CellwayError): void
  onHeld(outcome: string, seconds: number): void
  onRetry(reason: string): void
  onRejudged(outcome: string): void
  onAdopted(version: number, durationMs: number): void
  onConnections(count: number): void
  /** Everything counted so far, for the supervisor, which adds the workers up. */
  report(plane: DataPlane): Promise<MetricReport>
}

const REQUEST_SECONDS = 'cellway_gateway_request_seconds'

/** @param logDropped lines of log that were lost since the start. */
export function createWorkerMetrics(logDropped: () => number): WorkerMetrics {
  const metrics = createMetrics('gateway')
  const tally = new RequestTally((METRIC_TABLE as readonly MetricRow[]).find(({ name }) => name === REQUEST_SECONDS)?.buckets ?? [])
  return {
    metrics,
    onFinished: (route, verdict, statusCode, durationSeconds) => tally.add(route, verdict, statusCode, durationSeconds),
    onRefused: (error) => metrics.counter('cellway_gateway_refusals_total').inc({ code: error.code }),
    onHeld: (outcome, durationSeconds) => metrics.histogram('cellway_gateway_held_seconds').observe({ outcome }, durationSeconds),
    onRetry: (reason) => metrics.counter('cellway_gateway_retries_total').inc({ reason }),
    onRejudged: (outcome) => metrics.counter('cellway_gateway_rejudged_total').inc({ outcome }),
    onAdopted: (version, durationMs) => {
      metrics.gauge('cellway_gateway_snapshot_version').set(version)
      metrics.histogram('cellway_gateway_snapshot_adoption_seconds').observe(durationMs / 1000)
    },
    onConnections: (count) => metrics.gauge('cellway_gateway_connections').set(count),
    report: async (plane) => {
      refresh(metrics, plane)
      set(metrics.counter('cellway_gateway_log_dropped_total'), [[{}, logDropped()]])
      set(
        metrics.counter('cellway_gateway_requests_total'),
        [...tally.counts()].map(({ route, verdict, status, count }) => [{ route, verdict, status }, count])
      )
      const all = await metrics.registry.getMetricsAsJSON()
      // A histogram of prom-client cannot be set, so its place is taken here.
      return all.map((metric) => (metric.name === REQUEST_SECONDS ? { ...metric, values: tally.histogramValues(REQUEST_SECONDS) } : metric))
    }
  }
}

/** What mirrors the plane's state: read when somebody asks, not kept in step on every request. */
function refresh(metrics: Metrics, plane: DataPlane): void {
  metrics.gauge('cellway_gateway_in_flight_requests').set(plane.inFlight)
  metrics.gauge('cellway_gateway_held_requests').set(plane.hold.size + plane.settle.size)
  metrics.gauge('cellway_gateway_streams').set({ kind: 'websocket' }, plane.streams.count('websocket'))
  metrics.gauge('cellway_gateway_streams').set({ kind: 'event-stream' }, plane.streams.count('event-stream'))
  set(
    metrics.counter('cellway_gateway_streams_moved_total'),
    Object.entries(plane.streams.moved).map(([kind, count]) => [{ kind }, count])
  )
  refreshWrites(metrics, plane)
  refreshInstances(metrics, plane)
}

/** To what was counted elsewhere; prom-client's counters can only be added to. */
function set(counter: Counter, values: readonly (readonly [labels: Readonly<Record<string, string>>, count: number])[]): void {
  counter.reset()
  for (const [labels, count] of values) counter.inc(labels, count)
}

function refreshWrites(metrics: Metrics, plane: DataPlane): void {
  const gauge = metrics.gauge('cellway_gateway_in_flight_writes')
  gauge.reset()
  for (const [bucket, count] of plane.inFlightWrites) gauge.inc({ space: bucket.slice(0, bucket.indexOf('/')) }, count)
}

function refreshInstances(metrics: Metrics, plane: DataPlane): void {
  const up = metrics.gauge('cellway_gateway_upstream_up')
  const opened = metrics.counter('cellway_gateway_breaker_opened_total')
  up.reset()
  opened.reset()
  const nowMs = plane.clock.monotonicMs()
  for (const instance of plane.directory.instances()) {
    const labels = { cell: instance.cell, app: instance.app, instance: instance.origin }
    up.set(labels, instance.admits(nowMs) ? 1 : 0)
    opened.inc(labels, instance.breakerOpened)
  }
}

import type { CellwayError } from '@cellway/base'
import { createMetrics, type Metrics } from '@cellway/telemetry'
import type { Counter, Histogram } from 'prom-client'
import type { DataPlane } from './data-plane.ts'

export interface WorkerMetrics {
  readonly metrics: Metrics
  onFinished(route: string, verdict: string, statusCode: number, seconds: number): void
  onRefused(error: CellwayError): void
  onHeld(outcome: string, seconds: number): void
  onRetry(reason: string): void
  onRejudged(outcome: string): void
  onAdopted(version: number, durationMs: number): void
  onConnections(count: number): void
  /** Lines of log that were lost since the start. */
  logDropped(): number
}

/**
 * Binds label sets once: on the hot path a metric is one call on a kept child.
 * @param logDropped lines of log that were lost since the start.
 */
export function createWorkerMetrics(logDropped: () => number): WorkerMetrics {
  const metrics = createMetrics('gateway')
  const requests = metrics.counter('cellway_gateway_requests_total')
  const seconds = metrics.histogram('cellway_gateway_request_seconds')
  const counters = new Map<string, Counter.Internal>()
  const histograms = new Map<string, Histogram.Internal<string>>()
  return {
    metrics,
    onFinished: (route, verdict, statusCode, durationSeconds) => {
      const status = `${Math.floor(statusCode / 100)}xx`
      const id = `${route}\n${verdict}\n${status}`
      let counter = counters.get(id)
      if (counter === undefined) {
        counter = requests.labels(route, verdict, status)
        counters.set(id, counter)
      }
      counter.inc()
      let histogram = histograms.get(route)
      if (histogram === undefined) {
        histogram = seconds.labels(route)
        histograms.set(route, histogram)
      }
      histogram.observe(durationSeconds)
    },
    onRefused: (error) => metrics.counter('cellway_gateway_refusals_total').inc({ code: error.code }),
    onHeld: (outcome, durationSeconds) => metrics.histogram('cellway_gateway_held_seconds').observe({ outcome }, durationSeconds),
    onRetry: (reason) => metrics.counter('cellway_gateway_retries_total').inc({ reason }),
    onRejudged: (outcome) => metrics.counter('cellway_gateway_rejudged_total').inc({ outcome }),
    onAdopted: (version, durationMs) => {
      metrics.gauge('cellway_gateway_snapshot_version').set(version)
      metrics.histogram('cellway_gateway_snapshot_adoption_seconds').observe(durationMs / 1000)
    },
    onConnections: (count) => metrics.gauge('cellway_gateway_connections').set(count),
    logDropped
  }
}

/** Gauges that mirror the plane's state: read when somebody asks, not kept in step on every request. */
export function refreshGauges({ metrics, logDropped }: WorkerMetrics, plane: DataPlane): void {
  metrics.gauge('cellway_gateway_in_flight_requests').set(plane.inFlight)
  metrics.gauge('cellway_gateway_held_requests').set(plane.hold.size + plane.settle.size)
  metrics.gauge('cellway_gateway_streams').set({ kind: 'websocket' }, plane.streams.count('websocket'))
  metrics.gauge('cellway_gateway_streams').set({ kind: 'event-stream' }, plane.streams.count('event-stream'))
  const moved = metrics.counter('cellway_gateway_streams_moved_total')
  moved.reset()
  for (const [kind, count] of Object.entries(plane.streams.moved)) moved.inc({ kind }, count)
  const dropped = metrics.counter('cellway_gateway_log_dropped_total')
  dropped.reset()
  dropped.inc(logDropped())
  refreshWrites(metrics, plane)
  refreshInstances(metrics, plane)
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

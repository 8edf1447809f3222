import type { DataPlane } from '../data-plane.ts'
import type { Exchange } from './exchange.ts'

/** Phase 7: one log line, the metrics, the counters. Runs exactly once per request. */
export function finish(plane: DataPlane, exchange: Exchange): void {
  const durationMs = plane.clock.monotonicMs() - exchange.startedMs
  const { classification, error } = exchange
  const route = classification !== undefined && classification.kind !== 'refused' ? classification.route.name : 'none'
  const verdict = exchange.gone && exchange.statusCode === 0 ? 'gone' : error !== undefined ? 'refuse' : (exchange.verdict?.kind ?? 'none')
  plane.metrics.onFinished(route, verdict, exchange.statusCode === 0 ? 499 : exchange.statusCode, durationMs / 1000)
  if (error !== undefined) plane.metrics.onRefused(error)
  plane.accessLog.record(exchange, route, verdict, durationMs)
}

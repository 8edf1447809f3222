import type { DataPlane } from '../data-plane.ts'
import { bucketLabel, type Exchange } from './exchange.ts'

/** Phase 7: one log line, the metrics, the counters. Runs exactly once per request. */
export function finish(plane: DataPlane, exchange: Exchange): void {
  const durationMs = plane.clock.monotonicMs() - exchange.startedMs
  const { classification, error } = exchange
  const route = classification !== undefined && classification.kind !== 'refused' ? classification.route.name : 'none'
  const verdict = exchange.gone && exchange.statusCode === 0 ? 'gone' : error !== undefined ? 'refuse' : (exchange.verdict?.kind ?? 'none')
  plane.metrics.onFinished(route, verdict, exchange.statusCode === 0 ? 499 : exchange.statusCode, durationMs / 1000)
  if (error !== undefined) plane.metrics.onRefused(error)
  logExchange(plane, exchange, route, verdict, durationMs)
}

function logExchange(plane: DataPlane, exchange: Exchange, route: string, verdict: string, durationMs: number): void {
  const { accessLog } = plane.config
  const { error, classification, head } = exchange
  if (accessLog === 'off' || (accessLog === 'errors' && error === undefined)) return
  const bucket = classification?.kind === 'bucket' ? bucketLabel(exchange) : undefined
  const level = error !== undefined && error.statusCode >= 500 ? 'warn' : 'info'
  plane.log[level](
    {
      requestId: exchange.requestId,
      method: head?.method ?? exchange.request.method,
      path: head?.path,
      route,
      bucket,
      verdict,
      servedBy: exchange.servedBy,
      status: exchange.statusCode,
      ms: Math.round(durationMs * 100) / 100,
      ...(exchange.hop === undefined ? {} : { hopFrom: exchange.hop.from }),
      ...(exchange.attempts > 1 ? { attempts: exchange.attempts } : {}),
      ...(exchange.heldMs > 0 ? { heldMs: Math.round(exchange.heldMs) } : {}),
      ...(error === undefined ? {} : { code: error.code, details: error.details })
    },
    'request'
  )
}

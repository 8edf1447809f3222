import type { LogEvent } from '@cellway/log'
import type { Logger, Metrics } from '@cellway/telemetry'
import type { CenterParts } from './parts.ts'

/** What the log tells goes to people as a line and to alarms as a number. */
export function tellEvent(event: LogEvent, { logger, metrics }: { readonly logger: Logger; readonly metrics: Metrics }): void {
  const { kind, ...fields } = event
  metrics.counter('cellway_center_events_total').inc({ kind })
  switch (event.kind) {
    case 'torn-tail':
      logger.warn(fields, 'the torn end of a stream was cut off; what it held had not been acknowledged')
      break
    case 'failed':
      logger.fatal({ stream: event.stream, err: event.cause }, 'the log has failed and takes nothing until it is started again')
      break
    case 'reader-lost':
      logger.error(fields, 'a reader was given up: it was too far behind, and needs a bootstrap')
      break
    case 'trimmed':
      logger.info(fields, 'stream trimmed')
      break
  }
}

/** Gauges are read when somebody asks for them. */
export async function observe({ log, links, budget, metrics, notReady }: CenterParts): Promise<void> {
  metrics.gauge('cellway_center_ready').set((await notReady()) === undefined ? 1 : 0)
  metrics.gauge('cellway_center_uploads').set(links.uploads)
  metrics.gauge('cellway_center_reads').set(links.reads.size)
  metrics.gauge('cellway_center_pending_bytes').set(budget.used)
  if (log.failed) return
  const [first, next, bytes, retained, lag] = [
    metrics.gauge('cellway_center_stream_first'),
    metrics.gauge('cellway_center_stream_next'),
    metrics.gauge('cellway_center_stream_bytes'),
    metrics.gauge('cellway_center_retained_lag_records'),
    metrics.gauge('cellway_center_read_lag_records')
  ]
  for (const gauge of [first, next, bytes, retained, lag]) gauge.reset()
  for (const { stream, readers, ...state } of await log.inspect()) {
    first.set({ stream }, state.first)
    next.set({ stream }, state.next)
    bytes.set({ stream }, state.bytes)
    for (const [reader, position] of readers) retained.set({ stream, reader }, state.next - position)
    for (const read of links.reads) {
      // A reader with several reads open is as far behind as its slowest.
      if (read.stream === stream && read.next !== undefined) lag.set({ stream, reader: read.reader }, state.next - read.next)
    }
  }
}

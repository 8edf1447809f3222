import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger } from 'pino'

export interface LoggerOptions {
  /** `gateway`, `control`, … */
  readonly service: string
  readonly level?: string
  readonly fields?: Readonly<Record<string, unknown>>
  /** Bytes gathered before a write; 0 (default) writes each line at once. Only for access logs. */
  readonly bufferBytes?: number
  readonly stream?: DestinationStream
}

/** Structured logs: constant messages, ids as fields, secrets redacted by their name. */
export function createLogger(options: LoggerOptions): Logger {
  const bufferBytes = options.bufferBytes ?? 0
  const stream = options.stream ?? destination({ fd: 1, sync: bufferBytes === 0, minLength: bufferBytes })
  return pino(
    {
      level: options.level ?? 'info',
      base: { service: options.service, pid: process.pid, ...options.fields },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['token', 'password', 'authorization', '*.token', '*.password', '*.authorization', '*.secret'], censor: '[redacted]' }
    },
    stream
  )
}

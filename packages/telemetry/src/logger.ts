import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger } from 'pino'

export interface LoggerOptions {
  /** `gateway`, `control`, … */
  readonly service: string
  readonly level?: string
  readonly fields?: Readonly<Record<string, unknown>>
  /** Takes whole lines; by default each is written to standard output at once. */
  readonly stream?: DestinationStream
}

/** Structured logs: constant messages, ids as fields, secrets redacted by their name. */
export function createLogger(options: LoggerOptions): Logger {
  const stream = options.stream ?? destination({ fd: 1, sync: true })
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

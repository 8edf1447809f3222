import type { Clock } from '@cellway/base'
import type { FileSystem } from './files.ts'
import type { Health } from './health.ts'
import type { LogBounds, LogEvent } from './log.ts'

export interface StreamLimits {
  readonly segmentBytes: number
  readonly groupBytesMax: number
  readonly streamBytesMax: number
  readonly retentionBytes: number
  readonly retentionMs: number
  /** What happens to a reader that holds more than `streamBytesMax`: the writers wait for it, or it is given up. */
  readonly readerTooFarBehind: 'refuse-appends' | 'give-up-reader'
}

export interface StreamPorts {
  readonly files: FileSystem
  readonly clock: Clock
  readonly folder: string
  readonly limits: StreamLimits
  readonly health: Health
  readonly onEvent: (event: LogEvent) => void
}

/** What a stream holds, for status and metrics. */
export interface StreamInspection extends LogBounds {
  readonly stream: string
  readonly epoch: number
  /** On the disk. */
  readonly bytes: number
  /** Known readers and the first record they need. */
  readonly readers: ReadonlyMap<string, number>
}

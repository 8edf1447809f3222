import type { Codec } from '@cellway/change'
import type { MysqlConfig } from '../store/session.ts'
import * as limits from './limits.ts'

export interface CaptureConfig {
  readonly mysql: MysqlConfig
  readonly spillFolder: string
  /** `zero`: a commit of the source returns only when its change is durable in the center. */
  readonly rpo?: 'default' | 'zero'
  readonly codec?: Codec
  readonly outboxBytesMax?: number
  readonly spillBytesMax?: number
  readonly spillFileBytes?: number
  readonly positionMoveMs?: number
  readonly heartbeatPeriodMs?: number
}

export type FilledConfig = Required<CaptureConfig>

export function filled(config: CaptureConfig): FilledConfig {
  return {
    rpo: 'default',
    // A third of the bytes over a line between regions, for 20 µs of a small record.
    codec: 'zstd',
    outboxBytesMax: limits.OUTBOX_BYTES_MAX,
    spillBytesMax: limits.SPILL_BYTES_MAX,
    spillFileBytes: limits.SPILL_FILE_BYTES,
    positionMoveMs: limits.POSITION_MOVE_MS,
    heartbeatPeriodMs: limits.HEARTBEAT_PERIOD_MS,
    ...config
  }
}

import type { Clock } from '@cellway/base'
import type { RemoteLog } from '@cellway/log'
import type { Logger } from '@cellway/telemetry'
import type { CompiledSnapshot } from '@cellway/topology'

/** What every part of the replicator of one cell works with. */
export interface CellContext {
  readonly cell: string
  /** Name of the store within the cell: `mysql`. Streams are `cell/store`. */
  readonly store: string
  readonly log: Logger
  readonly clock: Clock
  /** The center. */
  readonly center: RemoteLog
  readonly topology: TopologyView
}

/** The newest snapshot, as it changes. */
export interface TopologyView {
  /** Undefined until the first one is known; the replicator does not start its parts before. */
  current(): CompiledSnapshot
  /** Resolves when a snapshot newer than the given version is in force. @throws the signal's reason */
  newerThan(version: number, signal: AbortSignal): Promise<CompiledSnapshot>
}

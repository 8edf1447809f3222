import type { ReplicatorPhase, ReplicatorStatus } from '@cellway/client'
import type { Logger, Metrics } from '@cellway/telemetry'
import type { ReplicatorConfig, ReplicatorSecrets } from '../config.ts'
import type { ConflictCounter } from './conflict-counter.ts'
import type { Engine } from './engine.ts'
import type { Explanation } from './explain.ts'
import type { Started } from './startup.ts'
import { describeReplicator } from './status.ts'
import type { OwnedTopologyView } from './topology-view.ts'

/** The one store of a cell that is replicated so far. */
export const STORE = 'mysql'

/** What the process is at, seen by the admin listener and by the reports. */
export interface Life {
  readonly config: ReplicatorConfig
  readonly secrets: ReplicatorSecrets
  readonly log: Logger
  readonly metrics: Metrics
  readonly topology: OwnedTopologyView
  readonly startedAt: string
  phase: ReplicatorPhase
  why: Explanation
  started: Started | undefined
  engine: Engine | undefined
  readonly conflicts: ConflictCounter
}

export function statusOf({ phase, why, startedAt, topology, config, started, engine, conflicts }: Life): ReplicatorStatus {
  return describeReplicator({
    phase,
    why,
    startedAt,
    snapshotVersion: topology.version(),
    rpo: config.rpo,
    started,
    engine,
    conflicts: conflicts.counts
  })
}

/** Ready: everything runs or waits for people in plain sight. A lag, or a center that is away, is no reason to start it again. */
export function reasonNotReady({ phase, why, engine }: Life): string | undefined {
  if (phase !== 'running') return `${phase}${why.reason === null ? '' : `: ${why.reason}`}`
  if (engine?.capture.work?.status().state === 'starting') return 'the capture is finding its place'
  return undefined
}

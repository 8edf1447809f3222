import type { BlockList } from 'node:net'
import type { Clock } from '@cellway/base'
import type { Logger } from '@cellway/telemetry'
import { bucketView, type CellId, type CompiledSnapshot, compileSnapshot, findBucket, type GeoLookup, type Snapshot } from '@cellway/topology'
import type { AccessLog } from './access-log.ts'
import { Admission } from './admission.ts'
import type { GatewayConfig } from './config.ts'
import { trustedProxyList } from './config.ts'
import { ContextSigner } from './context-signer.ts'
import { HoldQueue } from './phases/hold.ts'
import { StreamRegistry } from './streams.ts'
import { Directory } from './upstream/directory.ts'
import { RetryBudget } from './upstream/retry-budget.ts'
import type { WorkerMetrics } from './worker-metrics.ts'

export interface Adopted {
  readonly snapshot: Snapshot
  readonly compiled: CompiledSnapshot
}

/** Everything the phases of one worker share. */
export interface DataPlane {
  readonly config: GatewayConfig
  readonly selfCell: CellId
  readonly signingKey: Buffer
  readonly signer: ContextSigner
  readonly directory: Directory
  readonly hold: HoldQueue
  /** Requests that were told "not the owner" wait here for a newer snapshot. */
  readonly settle: HoldQueue
  readonly admission: Admission
  readonly retryBudget: RetryBudget
  readonly streams: StreamRegistry
  readonly trustedProxies: BlockList
  readonly geo: GeoLookup | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly accessLog: AccessLog
  readonly metrics: WorkerMetrics
  /** In-flight writes by `space/bucket`: what a freeze has to wait for. */
  readonly inFlightWrites: Map<string, number>
  current: Adopted | undefined
  inFlight: number
  draining: boolean
  nextRequest: number
}

export interface DataPlaneOptions {
  readonly config: GatewayConfig
  readonly signingKey: Buffer
  readonly geo: GeoLookup | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly accessLog: AccessLog
  readonly metrics: WorkerMetrics
}

export function createDataPlane({ config, signingKey, geo, clock, log, accessLog, metrics }: DataPlaneOptions): DataPlane {
  return {
    config,
    selfCell: config.cell as CellId,
    signingKey,
    signer: new ContextSigner(signingKey, config.signing.mode),
    directory: new Directory(config),
    hold: new HoldQueue(config.hold),
    settle: new HoldQueue({ requestsMax: config.hold.requestsMax, waitMsMax: config.hold.settleMsMax }),
    admission: new Admission(config.limits),
    retryBudget: new RetryBudget(config.retry.budgetRatio, config.retry.budgetBurst),
    streams: new StreamRegistry(),
    trustedProxies: trustedProxyList(config.trustedProxies),
    geo,
    clock,
    log,
    accessLog,
    metrics,
    inFlightWrites: new Map(),
    current: undefined,
    inFlight: 0,
    draining: false,
    nextRequest: 0
  }
}

/** Adopts a whole snapshot if it is newer; afterwards nobody sees the old one. @returns whether it was adopted. */
export function adoptSnapshot(plane: DataPlane, snapshot: Snapshot): boolean {
  if (plane.current !== undefined && snapshot.version <= plane.current.snapshot.version) return false
  const startedMs = plane.clock.monotonicMs()
  const compiled = compileSnapshot(snapshot)
  const { closed } = plane.directory.adopt(snapshot)
  plane.current = { snapshot, compiled }
  plane.metrics.onAdopted(snapshot.version, plane.clock.monotonicMs() - startedMs)
  // `close` waits for what is in flight, so requests on a vanished instance still end well.
  for (const instance of closed) instance.close()
  plane.streams.closeMoved((space, bucket) => ownerOf(compiled, space, bucket))
  plane.hold.releaseAll()
  plane.settle.releaseAll()
  return true
}

function ownerOf(compiled: CompiledSnapshot, space: string, bucket: string): string | undefined {
  const found = findBucket(compiled, space, bucket)
  return found === undefined ? undefined : bucketView(compiled, found.spaceIndex, found.bucketIndex).owner
}

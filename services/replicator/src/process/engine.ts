import { setTimeout as delay } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import type { ControlClient } from '@cellway/client'
import type { Metrics } from '@cellway/telemetry'
import { AppliedPositions } from '../apply/applied-positions.ts'
import { Applier } from '../apply/applier.ts'
import { Bootstrap } from '../bootstrap/bootstrap.ts'
import { SnapshotSource } from '../bootstrap/snapshot-source.ts'
import { Capture } from '../capture/capture.ts'
import { Heartbeat } from '../capture/heartbeat.ts'
import type { CaptureState } from '../capture/metrics.ts'
import { policiesOf, type ReplicatorConfig, type ReplicatorSecrets } from '../config.ts'
import type { CellContext } from '../context.ts'
import { Repairer } from '../repair/repairer.ts'
import { openSession, reservedServerId, type Session } from '../store/session.ts'
import { Verifier } from '../verify/verifier.ts'
import { Fleet } from './fleet.ts'
import { createLagTracker, type LagTracker, observedCenter } from './lag.ts'
import { type ApplyTally, applyMetrics, bootstrapMetrics, captureMetrics, repairMetrics, snapshotMetrics, verifyMetrics } from './metrics.ts'
import { Part, type PartOptions, type Runnable } from './part.ts'
import { PeerAnswers, peerSource } from './peer.ts'
import { SourceApplier } from './source-applier.ts'
import type { Started } from './startup.ts'

export interface EngineOptions {
  readonly config: ReplicatorConfig
  readonly secrets: ReplicatorSecrets
  readonly context: CellContext
  readonly started: Started
  readonly metrics: Metrics
  readonly client: ControlClient | undefined
  /** Another process works for this cell: this one has to end. */
  readonly onFenced: (error: unknown) => void
}

/** A stream further behind than this has more need of the database than a comparison. */
const LAG_MS_MAX = 5_000

/** Everything that runs once the replicator has its epoch. */
export class Engine {
  readonly capture: Part<Capture>
  readonly heartbeat: Part<Heartbeat>
  readonly repairer: Part<Repairer>
  readonly appliers: Fleet<SourceApplier>
  readonly bootstrap: Part<Bootstrap>
  readonly snapshotSource: Part<SnapshotSource>
  readonly verifier: Part<Verifier>
  readonly answers: PeerAnswers
  readonly lag: LagTracker
  readonly positions = new AppliedPositions()
  readonly context: CellContext
  readonly #options: EngineOptions
  readonly #tallies = new Map<string, ApplyTally>()

  constructor(options: EngineOptions) {
    this.#options = options
    const { context, config, secrets, started, metrics } = options
    this.context = context
    this.lag = createLagTracker(context.clock, config.limits.heartbeatMs)
    const counted = captureMetrics(metrics)
    const { spillFolder, rpo, limits } = config
    // Capture and appliers keep what operators told them over their own restarts, so each is made once.
    const capture = new Capture({
      context,
      config: { mysql: secrets.mysql, spillFolder, rpo, spillBytesMax: limits.spillBytesMax },
      epoch: started.epoch,
      metrics: counted
    })
    this.capture = this.#part('capture', () => capture)
    this.heartbeat = this.#part(
      'heartbeat',
      () => new Heartbeat({ context, mysql: secrets.mysql, metrics: counted, periodMs: config.limits.heartbeatMs })
    )
    this.repairer = this.#part('repairer', () => new Repairer({ context, config: secrets.applier, metrics: repairMetrics(metrics) }))
    this.snapshotSource = this.#part('snapshot source', () => {
      const openPlain = (_role: 'plain', signal: AbortSignal): Promise<Session> => this.#open('plain', signal)
      return new SnapshotSource({ context, epoch: started.epoch, openSession: openPlain, metrics: snapshotMetrics(metrics) })
    })
    const verifier = this.#verifier()
    this.verifier = this.#part('verifier', () => verifier)
    this.answers = new PeerAnswers({ context, config: secrets.applier })
    this.bootstrap = this.#part('bootstrap', () => this.#bootstrap())
    const applied = applyMetrics(metrics, (source) => this.tallyOf(source), this.lag)
    this.appliers = new Fleet({
      selfCell: config.cell,
      topology: context.topology,
      held: !started.gate.appliersMayStart,
      makePart: (source) => {
        const applier = new Applier({
          context: { ...context, center: observedCenter(context.center, source, this.lag) },
          mysql: secrets.applier,
          sourceCell: source,
          epoch: started.epoch,
          positions: this.positions,
          policies: policiesOf(config),
          metrics: applied,
          gate: started.gate
        })
        const whole = new SourceApplier({ context, mysql: secrets.applier, sourceCell: source, epoch: started.epoch, applier })
        return this.#part(`applier of ${source}`, () => whole)
      }
    })
  }

  /** Returns when the signal aborts and everything has ended. */
  async run(signal: AbortSignal): Promise<void> {
    await using _answers = this.answers
    const capturing = this.capture.run(signal)
    await this.#captureStands(signal)
    const parts = [this.heartbeat, this.repairer, this.appliers, this.snapshotSource, this.bootstrap, this.verifier]
    await Promise.all([capturing, ...parts.map((part) => part.run(signal))])
  }

  /** With rpo zero, a commit of ours that came before the capture has its place would wait for it, and it for the commit. */
  async #captureStands(signal: AbortSignal): Promise<void> {
    if (this.#options.config.rpo !== 'zero') return
    while (!signal.aborted && this.capture.status.phase === 'running' && BEFORE_ITS_PLACE.includes(this.capture.work?.status().state ?? 'starting'))
      await delay(CAPTURE_POLL_MS, undefined, { signal }).catch(() => undefined)
  }

  #bootstrap(): Bootstrap {
    const { context, started, metrics } = this.#options
    return new Bootstrap({
      context,
      gate: started.gate,
      epoch: started.epoch,
      positions: this.positions,
      openSession: (role, signal) => this.#open(role, signal),
      appliers: this.appliers,
      metrics: bootstrapMetrics(metrics)
    })
  }

  #verifier(): Verifier {
    const { context, config, secrets, metrics, client } = this.#options
    return new Verifier({
      context,
      config: secrets.applier,
      metrics: verifyMetrics(metrics),
      peer: (cell) => peerSource(cell, client),
      isLagging: () => this.appliers.sources.some((source) => (this.lag.of(source) ?? 0) > LAG_MS_MAX),
      // Without control nobody can be asked.
      limits: { rowsPerSecond: client === undefined ? 0 : config.limits.verifyRowsPerSecond }
    })
  }

  #open(role: 'applier' | 'plain', signal: AbortSignal): Promise<Session> {
    const { secrets, started } = this.#options
    return openSession(secrets.applier, { role, reservedServerId: reservedServerId(started.cellNumber), signal })
  }

  tallyOf(source: string): ApplyTally {
    const found = this.#tallies.get(source)
    if (found !== undefined) return found
    const made: ApplyTally = { transactions: 0, conflicts: 0, echoes: 0 }
    this.#tallies.set(source, made)
    return made
  }

  #part<Work extends Runnable>(name: string, make: () => Work): Part<Work> {
    const { context, config, metrics, onFenced } = this.#options
    const options: PartOptions<Work> = {
      name,
      make,
      log: context.log,
      restartMs: config.limits.restartMs,
      restartMsMax: config.limits.restartMsMax,
      isFenced,
      onFenced,
      onRestart: () => metrics.counter('cellway_replicator_part_restarts_total').inc({ part: name })
    }
    return new Part(options)
  }
}

const CAPTURE_POLL_MS = 50
const BEFORE_ITS_PLACE: readonly CaptureState[] = ['starting', 'connecting']

/** Said by the log, by the checkpoint, by the server: whoever has the newer epoch goes on. */
const FENCED = ['CAP_FENCED', 'CAP_FENCED_BY_READER', 'APL_FENCED', 'LOG_FENCED']

function isFenced(error: unknown): boolean {
  return isCellwayError(error) && FENCED.includes(error.code)
}

import type { CaptureReport, PartState, ReplicatorPhase, ReplicatorStatus, StreamReport } from '@cellway/client'
import type { CaptureStatus } from '../capture/status.ts'
import type { Engine } from './engine.ts'
import { type Explanation, explainWire, NOTHING } from './explain.ts'
import type { PartStatus } from './part.ts'
import type { Started } from './startup.ts'

export interface StatusFacts {
  readonly phase: ReplicatorPhase
  readonly why: Explanation
  readonly startedAt: string
  readonly snapshotVersion: number
  readonly rpo: string
  readonly started: Started | undefined
  readonly engine: Engine | undefined
  readonly conflicts: { readonly open: number; readonly parked: number }
}

/** The whole picture in the shape that control takes. */
export function describeReplicator({ phase, why, startedAt, snapshotVersion, rpo, started, engine, conflicts }: StatusFacts): ReplicatorStatus {
  return {
    phase,
    ...why,
    startedAt,
    epoch: started?.epoch ?? null,
    snapshotVersion,
    server: started === undefined ? null : `${started.flavour} ${started.version}`,
    rpo,
    capture: engine === undefined ? NO_CAPTURE : describeCapture(engine.capture.status, engine.capture.work?.status(), echoesOf(engine)),
    streams: engine === undefined ? [] : engine.appliers.parts().map(([source]) => describeStream(source, engine)),
    conflicts
  }
}

const NO_CAPTURE: CaptureReport = { state: 'starting', ...NOTHING, position: null, transactions: 0, echoes: 0, spilledBytes: 0 }

/** What came back to its origin, seen by the applier that would have applied it. */
function echoesOf(engine: Engine): number {
  return engine.appliers.parts().reduce((sum, [source]) => sum + engine.tallyOf(source).echoes, 0)
}

function describeCapture(part: PartStatus, status: CaptureStatus | undefined, echoes: number): CaptureReport {
  if (status === undefined) return { ...NO_CAPTURE, echoes }
  const { error, alarm, state, centerPosition, counters, spillBytes } = status
  const trouble = error ?? alarm
  const waiting = trouble === undefined ? { ...NOTHING, reason: status.reason === '' ? null : status.reason } : explainWire(trouble)
  const own = part.phase === 'running' ? waiting : part
  return {
    state: part.phase === 'running' ? CAPTURE_STATES[state] : part.phase,
    reason: own.reason,
    code: own.code,
    statement: own.statement,
    position: centerPosition === '' ? null : centerPosition,
    transactions: counters.published,
    echoes,
    spilledBytes: spillBytes
  }
}

const CAPTURE_STATES: Readonly<Record<CaptureStatus['state'], PartState>> = {
  starting: 'starting',
  connecting: 'restarting',
  running: 'running',
  waiting: 'parked',
  stopped: 'stopped'
}

function describeStream(source: string, engine: Engine): StreamReport {
  const part = engine.appliers.partOf(source)
  const tally = engine.tallyOf(source)
  const measured = {
    from: source,
    transactions: tally.transactions,
    conflicts: tally.conflicts,
    lagMs: engine.lag.of(source),
    stages: engine.lag.stages(source)
  }
  const status = part?.work?.applier.status()
  if (part === undefined || status === undefined) return { ...measured, ...NOTHING, state: 'starting', position: null }
  const position = status.position === '' ? null : status.position
  if (part.status.phase !== 'running') {
    const { phase, reason, code, statement } = part.status
    return { ...measured, state: phase, reason, code, statement, position }
  }
  const { state, reason, statement } = status
  return { ...measured, state, reason: reason === '' ? null : reason, code: null, statement, position }
}

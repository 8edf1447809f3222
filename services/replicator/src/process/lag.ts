import type { Clock } from '@cellway/base'
import type { LogRecord, RemoteLog } from '@cellway/log'

/** Milliseconds: from a commit at the origin to the center's disk; from there to this process; from there to the commit here. */
export interface Stages {
  readonly captured: number | null
  readonly center: number | null
  readonly applied: number | null
}

export const NO_STAGES: Stages = { captured: null, center: null, applied: null }

/** How far this cell is behind each other one, by the heartbeats that travel with the data. */
export interface LagTracker {
  /** Records of an origin have arrived here. */
  received(source: string, records: readonly Pick<LogRecord, 'appendedMs'>[]): void
  /** A heartbeat of the origin is visible here. */
  heartbeat(source: string, originUs: number, appliedUs: number): void
  /** Milliseconds; null before the first heartbeat. */
  of(source: string): number | null
  stages(source: string): Stages
}

interface Arrival {
  readonly appendedMs: number
  readonly receivedMs: number
}

interface Progress {
  /** The newest ones, oldest first. */
  readonly arrivals: Arrival[]
  beat: { readonly lagMs: number; readonly atMs: number; readonly stages: Stages } | undefined
}

/** A heartbeat that is later than this is missing: since then the lag grows with the clock. */
const LATE_PERIODS = 2
/** Records between a heartbeat's arrival and its commit: an applier that is further behind has a lag that needs no stages. */
const ARRIVALS_MAX = 4096

/** Pure but for the clock it is given: while heartbeats arrive, their own age; while none do, the time since the last one as well. */
export function createLagTracker(clock: Clock, periodMs: number): LagTracker {
  const known = new Map<string, Progress>()

  function progressOf(source: string): Progress {
    const found = known.get(source)
    if (found !== undefined) return found
    const made: Progress = { arrivals: [], beat: undefined }
    known.set(source, made)
    return made
  }

  return {
    received(source, records) {
      const { arrivals } = progressOf(source)
      const receivedMs = clock.nowMs()
      for (const { appendedMs } of records) arrivals.push({ appendedMs, receivedMs })
      if (arrivals.length > ARRIVALS_MAX) arrivals.splice(0, arrivals.length - ARRIVALS_MAX)
    },
    heartbeat(source, originUs, appliedUs) {
      const progress = progressOf(source)
      const [originMs, appliedMs] = [originUs / 1000, appliedUs / 1000]
      // The first record that was appended after the heartbeat's commit is the one that brought it, give or take one.
      const at = progress.arrivals.findIndex(({ appendedMs }) => appendedMs >= Math.floor(originMs))
      const arrival = at === -1 ? undefined : progress.arrivals[at]
      if (at > 0) progress.arrivals.splice(0, at)
      // Clocks of three machines: below zero only says that they differ.
      const lagMs = Math.max(0, appliedMs - originMs)
      const stages = arrival === undefined ? NO_STAGES : stagesOf(originMs, arrival, appliedMs)
      progress.beat = { lagMs, atMs: clock.monotonicMs(), stages }
    },
    of(source) {
      const beat = known.get(source)?.beat
      if (beat === undefined) return null
      const silentMs = clock.monotonicMs() - beat.atMs
      return round(silentMs > LATE_PERIODS * periodMs ? beat.lagMs + silentMs - periodMs : beat.lagMs)
    },
    stages: (source) => known.get(source)?.beat?.stages ?? NO_STAGES
  }
}

/** The center, seen by an applier: what it brings is noted on the way. */
export function observedCenter(center: RemoteLog, source: string, lag: LagTracker): RemoteLog {
  return new Proxy(center, {
    get(target, name) {
      if (name === 'read') return (...wanted: Parameters<RemoteLog['read']>) => noting(target.read(...wanted), source, lag)
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    }
  })
}

async function* noting(batches: ReturnType<RemoteLog['read']>, source: string, lag: LagTracker): ReturnType<RemoteLog['read']> {
  for await (const batch of batches) {
    lag.received(source, batch.records)
    yield batch
  }
}

function stagesOf(originMs: number, { appendedMs, receivedMs }: Arrival, appliedMs: number): Stages {
  return {
    captured: round(Math.max(0, appendedMs - originMs)),
    center: round(Math.max(0, receivedMs - appendedMs)),
    applied: round(Math.max(0, appliedMs - receivedMs))
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100
}

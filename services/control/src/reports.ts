import { tooManyMembers } from './errors.ts'

/** What one replicator says about itself, each second. The same shape is in `packages/client` for who reads it. */
export interface ReplicatorReport {
  readonly kind: 'replicator'
  readonly member: string
  readonly cell: string
  /** Origin of its admin listener, as control reaches it. */
  readonly adminUrl: string
  /** Made by the process at its start, known to it and to control only: commands come through here, with roles and audit. */
  readonly adminSecret: string
  readonly status: ReplicatorStatus
}

export type PartState = 'starting' | 'running' | 'paused' | 'parked' | 'restarting' | 'stopped'
export const PART_STATES: readonly PartState[] = ['starting', 'running', 'paused', 'parked', 'restarting', 'stopped']

export type ReplicatorPhase = 'starting' | 'blocked' | 'running' | 'stopping'
export const REPLICATOR_PHASES: readonly ReplicatorPhase[] = ['starting', 'blocked', 'running', 'stopping']

interface Explained {
  /** What it waits for, or why it stands. */
  readonly reason: string | null
  readonly code: string | null
  /** What an operator has to run so that it goes on. */
  readonly statement: string | null
}

export interface ReplicatorStatus extends Explained {
  readonly phase: ReplicatorPhase
  readonly startedAt: string
  readonly epoch: number | null
  readonly snapshotVersion: number
  readonly server: string | null
  readonly rpo: string
  readonly capture: CaptureReport
  /** One per other cell whose changes are applied here. */
  readonly streams: readonly StreamReport[]
  readonly conflicts: { readonly open: number; readonly parked: number }
}

export interface CaptureReport extends Explained {
  readonly state: PartState
  readonly position: string | null
  readonly transactions: number
  /** Changes of other cells that came back to us from the center; must stay 0. */
  readonly echoes: number
  readonly spilledBytes: number
}

export interface StreamReport extends Explained {
  readonly from: string
  readonly state: PartState
  readonly position: string | null
  readonly transactions: number
  readonly conflicts: number
  /** From the commit at the origin to the commit here; of the newest heartbeat, or the time since it if none came. */
  readonly lagMs: number | null
  readonly stages: { readonly captured: number | null; readonly center: number | null; readonly applied: number | null }
}

export interface KnownReport extends ReplicatorReport {
  readonly receivedMs: number
}

export interface Reports {
  /** @throws CTL_TOO_MANY_MEMBERS */
  received(report: ReplicatorReport, nowMs: number): void
  /** Newest first within a cell; what is too old to mean anything is forgotten. */
  all(nowMs: number): readonly KnownReport[]
  /** The one to send commands to: the newest report of the cell that is not stale. */
  of(cell: string, nowMs: number): KnownReport | undefined
}

/** Reports come each second; after five missing ones what was last said no longer describes now. */
export const STALE_AFTER_MS = 5_000
/** Then it is no longer shown. */
const FORGET_AFTER_MS = 15 * 60_000
/** One per cell, and some that were just replaced. */
const REPORTS_MAX = 256

/** Lives in memory only: who reports does it again within a second. */
export function createReports(): Reports {
  const reports = new Map<string, KnownReport>()

  function all(nowMs: number): readonly KnownReport[] {
    for (const [key, { receivedMs }] of reports) if (nowMs - receivedMs > FORGET_AFTER_MS) reports.delete(key)
    return [...reports.values()].sort((left, right) => compare(left.cell, right.cell) || right.receivedMs - left.receivedMs)
  }

  return {
    received(report, nowMs) {
      const key = `${report.cell} ${report.member}`
      if (!reports.has(key) && reports.size >= REPORTS_MAX) {
        const oldest = [...reports].sort(([, left], [, right]) => left.receivedMs - right.receivedMs)[0]
        if (oldest === undefined || nowMs - oldest[1].receivedMs < STALE_AFTER_MS) throw tooManyMembers({ membersMax: REPORTS_MAX })
        reports.delete(oldest[0])
      }
      reports.set(key, { ...report, receivedMs: nowMs })
    },
    all,
    of: (cell, nowMs) => all(nowMs).find((report) => report.cell === cell && nowMs - report.receivedMs <= STALE_AFTER_MS)
  }
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

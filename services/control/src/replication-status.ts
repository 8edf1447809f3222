import type { CaptureReport, KnownReport, PartState, ReplicatorPhase, StreamReport } from './reports.ts'
import { STALE_AFTER_MS } from './reports.ts'

export interface ReplicatorView {
  readonly cell: string
  readonly member: string
  readonly phase: ReplicatorPhase
  readonly reason: string | null
  readonly code: string | null
  readonly statement: string | null
  readonly startedAt: string
  readonly snapshotVersion: number
  readonly server: string | null
  readonly rpo: string
  readonly epoch: number | null
  readonly capture: CaptureReport
  readonly conflicts: { readonly open: number; readonly parked: number }
  readonly lastSeen: string
  /** No report for some seconds: everything here was true then. */
  readonly stale: boolean
}

/** One edge: the changes of one cell on their way into another one. */
export interface StreamView {
  readonly stream: string
  readonly from: string
  readonly to: string
  /** `unknown`: nobody has reported about this edge lately. */
  readonly state: PartState | 'unknown'
  readonly reason: string | null
  readonly code: string | null
  readonly statement: string | null
  readonly position: string | null
  readonly transactions: number
  readonly conflicts: number
  readonly lagMs: number | null
  readonly stages: StreamReport['stages']
}

export interface ReplicationStatus {
  readonly replicators: readonly ReplicatorView[]
  readonly streams: readonly StreamView[]
}

const STORE = 'mysql'
const NO_STAGES = { captured: null, center: null, applied: null } as const

/** Every edge between cells that replicate, also those nobody reports: silence is a finding. Pure. */
export function describeReplication(reports: readonly KnownReport[], cells: readonly string[], nowMs: number): ReplicationStatus {
  const newest = new Map<string, KnownReport>()
  for (const report of reports) if (!newest.has(report.cell)) newest.set(report.cell, report)
  const replicating = [...newest.keys()].filter((cell) => cells.includes(cell))
  return {
    replicators: [...newest.values()].map((report) => describeReplicator(report, nowMs)),
    streams: replicating.flatMap((to) =>
      cells.flatMap((from) => {
        const report = newest.get(to)
        return from === to || report === undefined ? [] : [describeEdge({ from, to, report, nowMs })]
      })
    )
  }
}

function describeReplicator({ cell, member, status, receivedMs }: KnownReport, nowMs: number): ReplicatorView {
  const { phase, reason, code, statement, startedAt, snapshotVersion, server, rpo, epoch, capture, conflicts } = status
  return {
    cell,
    member,
    phase,
    reason,
    code,
    statement,
    startedAt,
    snapshotVersion,
    server,
    rpo,
    epoch,
    capture,
    conflicts,
    lastSeen: new Date(receivedMs).toISOString(),
    stale: isStale(receivedMs, nowMs)
  }
}

interface Edge {
  readonly from: string
  readonly to: string
  readonly report: KnownReport
  readonly nowMs: number
}

function describeEdge({ from, to, report, nowMs }: Edge): StreamView {
  const edge = { stream: `${from}/${STORE}`, from, to }
  const found = report.status.streams.find((stream) => stream.from === from)
  if (found === undefined || isStale(report.receivedMs, nowMs)) {
    const reason = found === undefined ? (report.status.reason ?? 'the replicator has not begun to apply it') : `no report of the replicator of ${to}`
    const { position = null, transactions = 0, conflicts = 0 } = found ?? {}
    const statement = found === undefined ? report.status.statement : null
    return { ...edge, state: 'unknown', reason, code: null, statement, position, transactions, conflicts, lagMs: null, stages: NO_STAGES }
  }
  const { state, reason, code, statement, position, transactions, conflicts, lagMs, stages } = found
  return { ...edge, state, reason, code, statement, position, transactions, conflicts, lagMs, stages }
}

function isStale(receivedMs: number, nowMs: number): boolean {
  return nowMs - receivedMs > STALE_AFTER_MS
}

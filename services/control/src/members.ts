import { tooManyMembers } from './errors.ts'

export type MemberKind = 'gateway' | 'replicator' | 'guard' | 'cli'
export const MEMBER_KINDS: readonly MemberKind[] = ['gateway', 'replicator', 'guard', 'cli']

export interface MemberIdentity {
  readonly member: string
  readonly kind: MemberKind
  readonly cell: string
}

/** What one process says about itself: `joining` has adopted nothing, `diverged` has other content under the same version. */
export type MemberState = 'joining' | 'current' | 'lagging' | 'ahead' | 'diverged' | 'gone'

export interface MemberView extends MemberIdentity {
  readonly version: number | null
  readonly checksum: string | null
  /** Since when it has that version; ISO 8601. */
  readonly since: string | null
  readonly lastSeen: string
  readonly connected: boolean
  readonly state: MemberState
}

export interface Members {
  /** @throws CTL_TOO_MANY_MEMBERS */
  connected(identity: MemberIdentity, nowMs: number): void
  disconnected(identity: MemberIdentity, nowMs: number): void
  /** @throws CTL_TOO_MANY_MEMBERS */
  acknowledged(identity: MemberIdentity, adopted: { version: number; checksum: string }, nowMs: number): void
  view(current: { version: number; checksum: string } | undefined, nowMs: number): readonly MemberView[]
}

/** Ten times the largest installation we can think of: 100 cells with 100 processes each. */
export const MEMBERS_MAX = 10_000
/** A process that restarts is back long before; one that is missing this long is listed as gone. */
export const GONE_AFTER_MS = 10_000
/** Then it is forgotten. */
export const FORGET_AFTER_MS = 15 * 60_000

interface MemberRow extends MemberIdentity {
  connections: number
  version: number | undefined
  checksum: string | undefined
  sinceMs: number | undefined
  lastSeenMs: number
}

/** Lives in memory only: processes report again as soon as they are connected again. */
export function createMembers(): Members {
  const rows = new Map<string, MemberRow>()

  function touch(identity: MemberIdentity, nowMs: number): MemberRow {
    const key = `${identity.cell} ${identity.kind} ${identity.member}`
    const known = rows.get(key)
    if (known !== undefined) {
      known.lastSeenMs = nowMs
      return known
    }
    if (rows.size >= MEMBERS_MAX) forgetOne()
    const { member, kind, cell } = identity
    const row: MemberRow = { member, kind, cell, connections: 0, version: undefined, checksum: undefined, sinceMs: undefined, lastSeenMs: nowMs }
    rows.set(key, row)
    return row
  }

  function forgetOne(): void {
    const absent = [...rows].filter(([, row]) => row.connections === 0).sort(([, left], [, right]) => left.lastSeenMs - right.lastSeenMs)
    const oldest = absent[0]
    if (oldest === undefined) throw tooManyMembers({ membersMax: MEMBERS_MAX })
    rows.delete(oldest[0])
  }

  return {
    connected(identity, nowMs) {
      touch(identity, nowMs).connections += 1
    },
    disconnected(identity, nowMs) {
      const row = touch(identity, nowMs)
      row.connections = Math.max(0, row.connections - 1)
    },
    acknowledged(identity, { version, checksum }, nowMs) {
      const row = touch(identity, nowMs)
      if (row.version !== version || row.checksum !== checksum) row.sinceMs = nowMs
      row.version = version
      row.checksum = checksum
    },
    view(current, nowMs) {
      for (const [key, row] of rows) if (row.connections === 0 && nowMs - row.lastSeenMs > FORGET_AFTER_MS) rows.delete(key)
      return [...rows.values()]
        .sort((left, right) => compareText(left.cell, right.cell) || compareText(left.member, right.member))
        .map((row) => ({
          member: row.member,
          kind: row.kind,
          cell: row.cell,
          version: row.version ?? null,
          checksum: row.checksum ?? null,
          since: row.sinceMs === undefined ? null : new Date(row.sinceMs).toISOString(),
          lastSeen: new Date(row.connections > 0 ? nowMs : row.lastSeenMs).toISOString(),
          connected: row.connections > 0,
          state: stateOf(row, current, nowMs)
        }))
    }
  }
}

function stateOf(row: MemberRow, current: { version: number; checksum: string } | undefined, nowMs: number): MemberState {
  if (row.connections === 0 && nowMs - row.lastSeenMs > GONE_AFTER_MS) return 'gone'
  if (row.version === undefined) return 'joining'
  const version = current?.version ?? 0
  if (row.version !== version) return row.version > version ? 'ahead' : 'lagging'
  return row.checksum === current?.checksum ? 'current' : 'diverged'
}

function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

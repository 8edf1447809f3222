import type { MemberView, ReplicatorView, StreamView } from '@cellway/client'
import type { BucketState, CellConfig, LedgerEntry, Snapshot, SpaceConfig } from '@cellway/topology'
import { count } from './render/text.ts'
import { replicationAlarms } from './replication-view.ts'

/** What `cellway status` knows; judged below without asking anybody. */
export interface StatusFacts {
  readonly control: string
  readonly snapshot: Snapshot | undefined
  readonly members: readonly MemberView[]
  readonly replicators: readonly ReplicatorView[]
  readonly streams: readonly StreamView[]
  /** Control's clock, so that lags are not distorted by ours. */
  readonly nowMs: number
}

export interface StatusView {
  readonly control: { readonly url: string; readonly version: number; readonly checksum: string | null }
  readonly alarms: readonly Alarm[]
  readonly cells: readonly CellRow[]
  readonly spaces: readonly SpaceRow[]
  readonly members: readonly MemberRow[]
  readonly replicators: readonly ReplicatorView[]
  readonly streams: readonly StreamView[]
}

/** Something wrong, and what to do about it. */
export interface Alarm {
  readonly severity: 'problem' | 'notice'
  readonly what: string
  readonly todo: string
}

export interface CellRow {
  readonly cell: string
  readonly role: 'active' | 'standby'
  readonly region: string
  readonly weight: number
  readonly gatewaysCurrent: number
  readonly gateways: number
}

export interface SpaceRow {
  readonly space: string
  readonly kind: SpaceConfig['kind']
  readonly buckets: number
  readonly pins: number
  readonly moving: number
  readonly frozen: number
  readonly shares: readonly { readonly cell: string; readonly buckets: number; readonly share: number; readonly byWeight: number }[]
}

export interface MemberRow {
  readonly member: string
  readonly kind: string
  readonly cell: string
  readonly version: number | null
  /** Versions behind. */
  readonly lag: number | null
  readonly state: MemberView['state']
  /** Milliseconds since it adopted its version; null before the first. */
  readonly sinceMs: number | null
  readonly lastSeenMs: number
}

/** A member that adopts within this time is on its way, not in trouble. */
const LAG_TOLERATED_MS = 5000
/** Below this difference from the weights nobody would move buckets. */
const IMBALANCE_TOLERATED = 0.05

export function viewStatus(facts: StatusFacts): StatusView {
  const { snapshot } = facts
  const members = facts.members.map((member) => memberRow(member, snapshot, facts.nowMs))
  const cells = snapshot === undefined ? [] : cellRows(snapshot, members)
  const spaces = snapshot === undefined ? [] : Object.entries(snapshot.topology.spaces).map(([space, config]) => spaceRow(space, config, snapshot))
  return {
    control: { url: facts.control, version: snapshot?.version ?? 0, checksum: snapshot?.checksum ?? null },
    alarms: snapshot === undefined ? [NO_TOPOLOGY] : findAlarms({ cells, spaces, members, snapshot, facts }),
    cells,
    spaces,
    members,
    replicators: facts.replicators,
    streams: facts.streams
  }
}

const NO_TOPOLOGY: Alarm = { severity: 'problem', what: 'no topology was applied yet', todo: 'cellway topology apply FILE --reason "first topology"' }

function memberRow({ member, kind, cell, version, state, since, lastSeen }: MemberView, snapshot: Snapshot | undefined, nowMs: number): MemberRow {
  return {
    member,
    kind,
    cell,
    version,
    lag: version === null || snapshot === undefined ? null : snapshot.version - version,
    state,
    sinceMs: since === null ? null : Math.max(0, nowMs - Date.parse(since)),
    lastSeenMs: Math.max(0, nowMs - Date.parse(lastSeen))
  }
}

function cellRows({ topology }: Snapshot, members: readonly MemberRow[]): readonly CellRow[] {
  return Object.entries<CellConfig>(topology.cells).map(([cell, { role, region, weight }]) => {
    const gateways = members.filter((member) => member.cell === cell && member.kind === 'gateway')
    return { cell, role, region, weight, gatewaysCurrent: gateways.filter(({ state }) => state === 'current').length, gateways: gateways.length }
  })
}

function spaceRow(space: string, config: SpaceConfig, { topology, ledger }: Snapshot): SpaceRow {
  const rows = ledger.filter((entry) => entry.space === space)
  const own = rows.filter(({ bucket }) => !bucket.startsWith('pin:'))
  const cells = Object.entries<CellConfig>(topology.cells)
  const weightSum = cells.reduce((sum, [, { role, weight }]) => sum + (role === 'active' ? weight : 0), 0)
  return {
    space,
    kind: config.kind,
    buckets: own.length,
    pins: rows.length - own.length,
    moving: countState(rows, 'moving'),
    frozen: countState(rows, 'frozen'),
    shares: cells.map(([cell, { role, weight }]) => {
      const buckets = own.filter(({ owner }) => owner === cell).length
      return {
        cell,
        buckets,
        share: own.length === 0 ? 0 : buckets / own.length,
        byWeight: role === 'active' && weightSum > 0 ? weight / weightSum : 0
      }
    })
  }
}

function countState(rows: readonly LedgerEntry[], kind: BucketState['kind']): number {
  return rows.filter(({ state }) => state.kind === kind).length
}

interface Judged {
  readonly cells: readonly CellRow[]
  readonly spaces: readonly SpaceRow[]
  readonly members: readonly MemberRow[]
  readonly snapshot: Snapshot
  readonly facts: StatusFacts
}

function findAlarms({ cells, spaces, members, snapshot, facts: { replicators, streams } }: Judged): readonly Alarm[] {
  const found = [
    ...members.flatMap((member) => memberAlarm(member, snapshot.version)),
    ...cells.flatMap((cell) => cellAlarm(cell, spaces)),
    ...spaces.flatMap(spaceAlarms),
    ...replicationAlarms({ replicators, streams, cells: cells.map(({ cell }) => cell) })
  ]
  return found.sort((left, right) => Number(right.severity === 'problem') - Number(left.severity === 'problem'))
}

function memberAlarm({ member, kind, cell, version, lag, state, lastSeenMs, sinceMs }: MemberRow, newest: number): readonly Alarm[] {
  const name = `${kind} ${member} of ${cell}`
  switch (state) {
    case 'current':
      return []
    case 'gone':
      return [
        {
          severity: 'problem',
          what: `${name} was last seen ${Math.round(lastSeenMs / 1000)} s ago`,
          todo: `look at its process and its log; cellway doctor --cell ${cell}`
        }
      ]
    case 'diverged':
      return [
        {
          severity: 'problem',
          what: `${name} has other content under version ${version}`,
          todo: 'stop it, remove its snapshot file, start it again: it must not serve'
        }
      ]
    case 'ahead':
      return [
        {
          severity: 'problem',
          what: `${name} has version ${version}, control only ${newest}`,
          todo: 'control was restored from an old copy: restore a newer one before any change'
        }
      ]
    case 'joining':
      return [{ severity: 'notice', what: `${name} is connected and has adopted nothing yet`, todo: 'wait; if it stays so, read its log' }]
    case 'lagging':
      if (sinceMs !== null && sinceMs < LAG_TOLERATED_MS) return []
      return [
        {
          severity: 'problem',
          what: `${name} is ${lag} ${lag === 1 ? 'version' : 'versions'} behind`,
          todo: `read its log for refused snapshots; cellway doctor --cell ${cell}`
        }
      ]
  }
}

function cellAlarm({ cell, role, gateways, gatewaysCurrent }: CellRow, spaces: readonly SpaceRow[]): readonly Alarm[] {
  const owned = spaces.reduce((sum, { shares }) => sum + (shares.find((share) => share.cell === cell)?.buckets ?? 0), 0)
  const alarms: Alarm[] = []
  if (gateways === 0 && owned > 0)
    alarms.push({
      severity: 'problem',
      what: `no gateway of ${cell} watches control, and it owns ${count(owned, 'bucket')}`,
      todo: `start one, or look why it cannot connect; cellway doctor --cell ${cell}`
    })
  else if (gateways > 0 && gatewaysCurrent === 0)
    alarms.push({ severity: 'problem', what: `no gateway of ${cell} has the newest version`, todo: `cellway doctor --cell ${cell}` })
  if (role === 'standby' && owned > 0)
    alarms.push({
      severity: 'notice',
      what: `${cell} is a standby and owns ${count(owned, 'bucket')}`,
      todo: `move them back when its part is over; cellway buckets --owner ${cell}`
    })
  return alarms
}

function spaceAlarms({ space, kind, moving, frozen, shares }: SpaceRow): readonly Alarm[] {
  const alarms: Alarm[] = []
  if (frozen > 0)
    alarms.push({
      severity: 'problem',
      what: `${frozen} of ${space} frozen: their writes are refused`,
      todo: `cellway buckets --space ${space} --state frozen`
    })
  if (moving > 0)
    alarms.push({
      severity: 'notice',
      what: `${moving} of ${space} moving: their writes are held`,
      todo: `cellway buckets --space ${space} --state moving`
    })
  const off = Math.max(...shares.map(({ share, byWeight }) => Math.abs(share - byWeight)))
  if (kind === 'hash' && off > IMBALANCE_TOLERATED)
    alarms.push({
      severity: 'notice',
      what: `the buckets of ${space} are not spread by weight (off by ${(off * 100).toFixed(0)} points)`,
      todo: 'cellway topology diff FILE lists the moves that would balance it'
    })
  return alarms
}

import type { Topology } from '@cellway/topology'
import type { MemberView } from './members.ts'
import { describeReplication, type ReplicatorView, type StreamView } from './replication-status.ts'
import type { KnownReport } from './reports.ts'
import type { Published } from './state/current.ts'

export interface CellStatus {
  readonly region: string
  readonly role: 'active' | 'standby'
  readonly weight: number
  /** By space: buckets owned, and their part of the space from 0 to 1. */
  readonly spaces: Readonly<Record<string, { readonly buckets: number; readonly share: number }>>
  /** Mean of the shares in the hash spaces (of all spaces if there is none): what part of the users' traffic it takes. */
  readonly share: number
  readonly moving: number
  readonly frozen: number
  readonly members: number
  readonly lagging: number
}

export interface Status {
  readonly version: number
  readonly checksum: string | null
  readonly topologyVersion: number
  readonly cells: Readonly<Record<string, CellStatus>>
  readonly members: readonly MemberView[]
  readonly replicators: readonly ReplicatorView[]
  /** Per edge between two cells: state and lag. */
  readonly streams: readonly StreamView[]
  readonly time: string
}

export interface StatusFacts {
  readonly current: Published | undefined
  readonly members: readonly MemberView[]
  readonly reports: readonly KnownReport[]
  readonly nowMs: number
}

export function describeStatus({ current, members, reports, nowMs }: StatusFacts): Status {
  return {
    version: current?.snapshot.version ?? 0,
    checksum: current?.snapshot.checksum ?? null,
    topologyVersion: current?.topologyVersion ?? 0,
    cells: current === undefined ? {} : describeCells(current, members),
    members,
    ...describeReplication(reports, Object.keys(current?.snapshot.topology.cells ?? {}), nowMs),
    time: new Date(nowMs).toISOString()
  }
}

interface Tally {
  readonly owned: Map<string, number>
  moving: number
  frozen: number
}

function describeCells({ snapshot }: Published, members: readonly MemberView[]): Record<string, CellStatus> {
  const { topology, ledger } = snapshot
  const sizes = new Map<string, number>()
  const tallies = new Map<string, Tally>(Object.keys(topology.cells).map((cell) => [cell, { owned: new Map(), moving: 0, frozen: 0 }]))
  for (const { space, owner, state } of ledger) {
    sizes.set(space, (sizes.get(space) ?? 0) + 1)
    const tally = tallies.get(owner)
    if (tally === undefined) continue
    tally.owned.set(space, (tally.owned.get(space) ?? 0) + 1)
    if (state.kind === 'moving') tally.moving += 1
    if (state.kind === 'frozen') tally.frozen += 1
  }
  const present = members.filter((member) => member.state !== 'gone')
  const cells = Object.entries(topology.cells).map(([cell, { region, role, weight }]): [string, CellStatus] => {
    const { owned, moving, frozen } = tallies.get(cell) ?? { owned: new Map<string, number>(), moving: 0, frozen: 0 }
    const spaces = Object.fromEntries(
      [...sizes].map(([space, size]) => [space, { buckets: owned.get(space) ?? 0, share: (owned.get(space) ?? 0) / size }])
    )
    const own = present.filter((member) => member.cell === cell && member.kind !== 'cli')
    const lagging = own.filter((member) => member.state !== 'current').length
    return [cell, { region, role, weight, spaces, share: shareOf(spaces, topology), moving, frozen, members: own.length, lagging }]
  })
  return Object.fromEntries(cells)
}

function shareOf(spaces: CellStatus['spaces'], topology: Topology): number {
  const kinds = new Map(Object.entries(topology.spaces).map(([space, { kind }]) => [space, kind]))
  const hash = Object.entries(spaces).filter(([space]) => kinds.get(space) === 'hash')
  const counted = hash.length > 0 ? hash : Object.entries(spaces)
  return counted.length === 0 ? 0 : counted.reduce((sum, [, { share }]) => sum + share, 0) / counted.length
}

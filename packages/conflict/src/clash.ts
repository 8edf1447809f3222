import type { CellRank } from './arbiter.ts'
import { arbiterOf } from './arbiter.ts'

/** Another row stands in the way of one that is to be written: it holds the value of a secondary unique key. */
export interface Clash {
  readonly selfCell: string
  readonly cells: readonly CellRank[]
  /** Owners of the images of the row to be written. */
  readonly incomingOwners: readonly (string | undefined)[]
  /** Owner of the row that stands in the way. */
  readonly standingOwners: readonly (string | undefined)[]
}

export interface ClashDecision {
  /** `displace`: delete the row that stands in the way, then write. `keep`: write nothing. */
  readonly action: 'displace' | 'keep'
  /** The key whose row the arbiter, this cell, has to put into its stream: recorded with reemit = 'pending'. */
  readonly reemit: 'standing' | 'incoming' | undefined
  /** Recorded with reemit = 'request': the arbiter of the incoming row is asked for it again. */
  readonly request: boolean
}

/**
 * Only the arbiter of the row in the way may remove it, and does when the other row's arbiter has the lower number: both arbiters see
 * both rows, so exactly one of them gives way. All others leave what they have and ask for the row again, for what looks like a
 * clash here is mostly two streams that cross: the value was set free in one cell and taken in another.
 * `schema_drift` and rows whose parent is missing are asked for again in the same way.
 */
export function decideClash({ selfCell, cells, incomingOwners, standingOwners }: Clash): ClashDecision {
  const incoming = arbiterOf(incomingOwners, cells)
  const standing = arbiterOf(standingOwners, cells)
  const numberOf = (name: string | undefined): number => cells.find(({ cell }) => cell === name)?.number ?? Number.MAX_SAFE_INTEGER
  if (standing === selfCell && incoming !== selfCell && numberOf(incoming) < numberOf(standing)) {
    return { action: 'displace', reemit: 'standing', request: false }
  }
  if (incoming === selfCell) return { action: 'keep', reemit: 'incoming', request: false }
  return { action: 'keep', reemit: undefined, request: true }
}

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
  /** The row comes from a repair. */
  readonly repair: boolean
}

export interface ClashDecision {
  /** `displace`: delete the row that stands in the way, then write. `keep`: write nothing. */
  readonly action: 'displace' | 'keep'
  /** The row that this cell, its arbiter, has to put into its stream: recorded with reemit = 'pending'. */
  readonly reemit?: 'standing' | 'incoming'
  /** The row that its arbiter is asked for again: recorded with reemit = 'request'. */
  readonly request?: 'standing' | 'incoming'
}

/**
 * Two rows that both count: the one whose arbiter has the lower number stays. Only the arbiter of the other may remove it for good,
 * and both arbiters see both rows, so exactly one of them gives way.
 *
 * Anywhere else it mostly is no clash, but two streams that cross: the value was set free in one cell and taken in another. So the
 * row is left out and asked for again. When it comes again (as a repair) and still does not fit, the row in the way is the stale one,
 * or a clash that its arbiter is about to lose: it makes room and is asked for in its turn. Leaving it for ever would hang: two rows that have
 * swapped their values, each in the other's way.
 */
export function decideClash({ selfCell, cells, incomingOwners, standingOwners, repair }: Clash): ClashDecision {
  const incoming = arbiterOf(incomingOwners, cells)
  const standing = arbiterOf(standingOwners, cells)
  const numberOf = (name: string | undefined): number => cells.find(({ cell }) => cell === name)?.number ?? Number.MAX_SAFE_INTEGER
  if (incoming === selfCell) return { action: 'keep', reemit: 'incoming' }
  if (standing === selfCell) {
    return numberOf(incoming) < numberOf(standing) ? { action: 'displace', reemit: 'standing' } : { action: 'keep', request: 'incoming' }
  }
  return repair ? { action: 'displace', request: 'standing' } : { action: 'keep', request: 'incoming' }
}

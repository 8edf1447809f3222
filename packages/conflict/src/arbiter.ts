/** A cell of the topology. */
export interface CellRank {
  readonly cell: string
  /** Its number in the topology: unique, never changes. */
  readonly number: number
  /** For the policy cell-priority: the lower one wins. Without: the number. */
  readonly priority?: number
}

/**
 * The one cell whose row counts for all: the owner. Where images name several owners (a routing column outside the key, written
 * in two cells or moved to another bucket) and where nobody owns the row, it is the one with the lowest number, so that every cell that
 * meets the same images names the same arbiter.
 */
export function arbiterOf(owners: readonly (string | undefined)[], cells: readonly CellRank[]): string | undefined {
  const named = cells.filter(({ cell }) => owners.includes(cell))
  return lowest(named.length > 0 ? named : cells)?.cell
}

export function priorityOf(cell: string, cells: readonly CellRank[]): number {
  const rank = cells.find((one) => one.cell === cell)
  return rank?.priority ?? rank?.number ?? Number.MAX_SAFE_INTEGER
}

function lowest(cells: readonly CellRank[]): CellRank | undefined {
  return cells.reduce<CellRank | undefined>((best, one) => (best === undefined || one.number < best.number ? one : best), undefined)
}

import { assignedOwners } from './assign.ts'
import { ownBucketNames, pinBucket, pinnedKeys, spaceIds } from './buckets.ts'
import { activeCells } from './cells.ts'
import type { Topology } from './config.ts'
import type { BucketName, CellId, SpaceId } from './ids.ts'
import type { LedgerEntry } from './ledger.ts'

export interface BucketMove {
  readonly space: SpaceId
  readonly bucket: BucketName
  readonly from: CellId
  readonly to: CellId
}

/**
 * The fewest moves after which the ledger is as the file wants it: weighed spaces within one bucket of each cell's share,
 * assigned values, primaries and pins at the cell that the file names. A proposal: moving is the work of shifts.
 * Buckets that are moving or frozen are left out.
 */
export function planRebalance(topology: Topology, ledger: readonly LedgerEntry[]): readonly BucketMove[] {
  const rows = new Map<SpaceId, Map<BucketName, LedgerEntry>>()
  for (const entry of ledger) {
    const space = rows.get(entry.space) ?? new Map<BucketName, LedgerEntry>()
    rows.set(entry.space, space.set(entry.bucket, entry))
  }
  return spaceIds(topology).flatMap((space) => planSpace(topology, space, rows.get(space) ?? new Map()))
}

function planSpace(topology: Topology, space: SpaceId, rows: ReadonlyMap<BucketName, LedgerEntry>): readonly BucketMove[] {
  const config = topology.spaces[space]
  if (config === undefined) return []
  const names = ownBucketNames(config)
  const assigned = assignedOwners(topology, config)
  const own =
    assigned === undefined
      ? planByWeight(
          topology,
          names.flatMap((name) => rows.get(name) ?? [])
        )
      : names.flatMap((name, index) => moveTo(rows.get(name), assigned[index]))
  return [...own, ...pinnedKeys(topology, space).flatMap((key) => moveTo(rows.get(pinBucket(key)), topology.pins[space]?.[key]))]
}

function moveTo(entry: LedgerEntry | undefined, to: CellId | undefined): readonly BucketMove[] {
  if (entry === undefined || to === undefined || entry.owner === to || entry.state.kind !== 'owned') return []
  return [{ space: entry.space, bucket: entry.bucket, from: entry.owner, to }]
}

function planByWeight(topology: Topology, entries: readonly LedgerEntry[]): readonly BucketMove[] {
  const held = new Map<CellId, number>()
  for (const { owner, state } of entries) {
    // A bucket on the move already counts where it is going.
    const holder = state.kind === 'moving' ? state.to : owner
    held.set(holder, (held.get(holder) ?? 0) + 1)
  }
  const targets = closestTargets(topology, entries.length, held)
  const receivers = [...targets].flatMap(([cell, target]) => new Array<CellId>(Math.max(0, target - (held.get(cell) ?? 0))).fill(cell))
  const surplus = new Map([...held].map(([cell, count]) => [cell, count - (targets.get(cell) ?? 0)]))
  const moves: BucketMove[] = []
  // From the end, so that the runs of equal owners at the front stay whole.
  for (const entry of entries.toReversed()) {
    const extra = surplus.get(entry.owner) ?? 0
    const to = receivers[moves.length]
    if (to === undefined) break
    if (extra <= 0 || entry.state.kind !== 'owned') continue
    surplus.set(entry.owner, extra - 1)
    moves.push({ space: entry.space, bucket: entry.bucket, from: entry.owner, to })
  }
  return moves
}

/**
 * Each cell's share rounded down or up. Of the cells that could be rounded up, those go first that already hold more than
 * the lower number: each of them saves a move. Then the larger remainder, then the order in the file.
 */
function closestTargets(topology: Topology, count: number, held: ReadonlyMap<CellId, number>): ReadonlyMap<CellId, number> {
  const cells = activeCells(topology)
  const total = cells.reduce((sum, [, cell]) => sum + cell.weight, 0)
  if (total <= 0) return new Map()
  const shares = cells.map(([id, { weight }], index) => {
    const quota = (count * weight) / total
    const floor = Math.floor(quota)
    return { id, index, floor, remainder: quota - floor, saves: (held.get(id) ?? 0) > floor ? 1 : 0 }
  })
  const rest = count - shares.reduce((sum, share) => sum + share.floor, 0)
  const up = shares.filter((share) => share.remainder > 0).sort((a, b) => b.saves - a.saves || b.remainder - a.remainder || a.index - b.index)
  const raised = new Set(up.slice(0, rest).map((share) => share.id))
  return new Map(shares.map(({ id, floor }) => [id, raised.has(id) ? floor + 1 : floor]))
}

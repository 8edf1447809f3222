import { assertNever } from '@cellway/base'
import { bucketNames, ownBucketNames, pinBucket, pinnedKeys, spaceIds } from './buckets.ts'
import { canonicalKey } from './canonical-key.ts'
import { activeCells, nearestActiveCell } from './cells.ts'
import type { SpaceConfig, Topology } from './config.ts'
import { bucketOfKey } from './crc32.ts'
import { topologyInvalid } from './errors.ts'
import { unitVector } from './geography.ts'
import { type BucketName, type CellId, FIRST_EPOCH, type SpaceId } from './ids.ts'
import type { LedgerEntry } from './ledger.ts'

/** The first ledger of a topology: hash buckets by weight, list values as their space says, pins where they are pinned. All in epoch 1. */
export function initialLedger(topology: Topology): readonly LedgerEntry[] {
  return spaceIds(topology).flatMap((space) => firstRows(topology, space))
}

/**
 * The ledger for a topology that has grown. Existing rows stay as they are; new values and spaces are assigned as at first.
 * A new pin starts with the owner and the epoch its key has now, because only a shift may move ownership.
 * @throws TOPO_INVALID if the ledger has rows that the topology no longer has
 */
export function extendLedger(ledger: readonly LedgerEntry[], topology: Topology): readonly LedgerEntry[] {
  const existing = new Map(ledger.map((entry) => [`${entry.space} ${entry.bucket}`, entry]))
  const rows: LedgerEntry[] = []
  for (const space of spaceIds(topology)) {
    const names = bucketNames(topology, space)
    const known = names.flatMap((name) => existing.get(`${space} ${name}`) ?? [])
    if (known.length === names.length) rows.push(...known)
    else if (known.length === 0) rows.push(...firstRows(topology, space))
    else rows.push(...extendedRows(topology, space, known))
  }
  const kept = new Set(rows.map((entry) => `${entry.space} ${entry.bucket}`))
  const lost = ledger.find((entry) => !kept.has(`${entry.space} ${entry.bucket}`))
  if (lost !== undefined) throw topologyInvalid({ reason: `the ledger has bucket ${lost.bucket} of ${lost.space}, which the topology has not` })
  return rows
}

function firstRows(topology: Topology, space: SpaceId): readonly LedgerEntry[] {
  const config = spaceOf(topology, space)
  const names = ownBucketNames(config)
  const owners = assignedOwners(topology, config) ?? spreadByWeight(topology, names.length)
  const own = names.map((bucket, index) => firstRow(space, bucket, owners[index]))
  return [...own, ...pinnedKeys(topology, space).map((key) => firstRow(space, pinBucket(key), topology.pins[space]?.[key]))]
}

function extendedRows(topology: Topology, space: SpaceId, known: readonly LedgerEntry[]): readonly LedgerEntry[] {
  const config = spaceOf(topology, space)
  const byName = new Map(known.map((entry) => [entry.bucket, entry]))
  const assigned = assignedOwners(topology, config)
  const held = new Map<CellId, number>()
  for (const { owner } of known) held.set(owner, (held.get(owner) ?? 0) + 1)
  const own = ownBucketNames(config).map((bucket, index) => {
    const entry = byName.get(bucket)
    if (entry !== undefined) return entry
    const owner = assigned?.[index] ?? neediestCell(topology, held)
    held.set(owner, (held.get(owner) ?? 0) + 1)
    return firstRow(space, bucket, owner)
  })
  const pins = pinnedKeys(topology, space).map((key) => byName.get(pinBucket(key)) ?? pinRow(space, config, key, own))
  return [...own, ...pins]
}

function pinRow(space: SpaceId, config: SpaceConfig, key: string, own: readonly LedgerEntry[]): LedgerEntry {
  const now = config.kind === 'hash' ? own[bucketOfKey(canonicalKey(key, config), config.buckets)] : undefined
  if (now?.state.kind !== 'owned') throw topologyInvalid({ reason: `the bucket that now holds a newly pinned key of ${space} is moving or frozen` })
  return { ...now, bucket: pinBucket(key) }
}

function firstRow(space: SpaceId, bucket: BucketName, owner: CellId | undefined): LedgerEntry {
  if (owner === undefined) throw topologyInvalid({ reason: `no active cell can own bucket ${bucket} of ${space}` })
  return { space, bucket, owner, epoch: FIRST_EPOCH, state: { kind: 'owned' } }
}

/** The owner the file names for each own bucket, or undefined where the weights decide. */
export function assignedOwners(topology: Topology, config: SpaceConfig): readonly CellId[] | undefined {
  switch (config.kind) {
    case 'hash':
      return undefined
    case 'single':
      return [config.primary]
    case 'list': {
      const { assign, locations, values } = config
      if (assign === 'weight') return undefined
      return values.map((value) => {
        const location = locations[value]
        const cell = assign === 'nearest' ? location && nearestActiveCell(topology, unitVector(location)) : assign[value]
        if (cell === undefined) throw topologyInvalid({ reason: `no cell is assigned to value ${value}` })
        return cell
      })
    }
    default:
      return assertNever(config)
  }
}

function spreadByWeight(topology: Topology, count: number): readonly CellId[] {
  const cells = activeCells(topology)
  const shares = largestRemainder(
    count,
    cells.map(([, cell]) => cell.weight)
  )
  return cells.flatMap(([id], index) => new Array<CellId>(shares[index] ?? 0).fill(id))
}

/** Splits a count by weights; who is cut off most gets the rest, the earlier one in a tie. */
export function largestRemainder(count: number, weights: readonly number[]): readonly number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total <= 0) return weights.map(() => 0)
  const quotas = weights.map((weight) => (count * weight) / total)
  const shares = quotas.map(Math.floor)
  const rest = count - shares.reduce((sum, share) => sum + share, 0)
  const byRemainder = quotas
    .map((quota, index) => ({ index, remainder: quota - Math.floor(quota) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index)
  for (const { index } of byRemainder.slice(0, rest)) shares[index] = (shares[index] ?? 0) + 1
  return shares
}

/** Who holds least for its weight. */
function neediestCell(topology: Topology, held: ReadonlyMap<CellId, number>): CellId {
  let neediest: CellId | undefined
  let lowest = Number.POSITIVE_INFINITY
  for (const [id, { weight }] of activeCells(topology)) {
    const load = ((held.get(id) ?? 0) + 1) / weight
    if (load >= lowest) continue
    lowest = load
    neediest = id
  }
  if (neediest === undefined) throw topologyInvalid({ reason: 'there is no active cell with a weight' })
  return neediest
}

function spaceOf(topology: Topology, space: SpaceId): SpaceConfig {
  const config = topology.spaces[space]
  if (config === undefined) throw topologyInvalid({ reason: `there is no space ${space}` })
  return config
}

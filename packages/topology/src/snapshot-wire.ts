import { createHash } from 'node:crypto'
import { canonicalJson } from '@cellway/base'
import { bucketNames, spaceIds } from './buckets.ts'
import type { Topology } from './config.ts'
import { snapshotCorrupt, topologyInvalid } from './errors.ts'
import type { BucketName, CellId, Epoch, SpaceId } from './ids.ts'
import type { BucketState, LedgerEntry } from './ledger.ts'
import type { Snapshot } from './snapshot.ts'
import { checkWireShape } from './snapshot-shape.ts'

/** Equal neighbours in one run. Names are not on the wire: they follow from the topology. The state is left out when owned. */
export type WireRun = readonly [count: number, owner: string, epoch: number, state?: BucketState]

export interface WireSnapshot {
  readonly formatVersion: 1
  readonly version: number
  readonly checksum: string
  readonly topology: Topology
  readonly ledger: readonly { readonly space: string; readonly runs: readonly WireRun[] }[]
}

export interface SnapshotParts {
  readonly version: number
  readonly topology: Topology
  readonly ledger: readonly LedgerEntry[]
}

/** Puts the ledger in order and computes the checksum. @throws TOPO_INVALID unless the ledger has every bucket exactly once */
export function buildSnapshot({ version, topology, ledger }: SnapshotParts): Snapshot {
  if (!Number.isSafeInteger(version) || version < 1) throw topologyInvalid({ reason: 'a snapshot version is an integer from 1 up' })
  const ordered = inOrder(topology, ledger)
  const checksum = checksumOf({ formatVersion: 1, version, topology, ledger: toRuns(topology, ordered) })
  return { formatVersion: 1, version, checksum, topology, ledger: ordered }
}

export function encodeSnapshot(snapshot: Snapshot): string {
  const { formatVersion, version, checksum, topology, ledger } = snapshot
  return JSON.stringify({ formatVersion, version, checksum, topology, ledger: toRuns(topology, ledger) } satisfies WireSnapshot)
}

/** @throws TOPO_SNAPSHOT_CORRUPT if the text is not a snapshot, is damaged, or its parts do not belong together */
export function decodeSnapshot(text: string): Snapshot {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw snapshotCorrupt({ reason: 'it is not JSON' }, { cause })
  }
  const wire = checkWireShape(value)
  const { checksum, ...rest } = wire
  if (checksumOf(rest) !== checksum) throw snapshotCorrupt({ reason: 'its checksum does not match its content' })
  return { formatVersion: 1, version: wire.version, checksum, topology: wire.topology, ledger: fromRuns(wire) }
}

/** Canonical JSON of everything but the ledger, a line feed, and the JSON of the ledger, which has one spelling already. */
function checksumOf({ ledger, ...rest }: Omit<WireSnapshot, 'checksum'>): string {
  return createHash('sha256')
    .update(`${canonicalJson(rest)}\n${JSON.stringify(ledger.map(({ space, runs }) => [space, runs.map(canonicalRun)]))}`)
    .digest('hex')
}

function canonicalRun(run: WireRun): readonly unknown[] {
  const [count, owner, epoch, state] = run
  if (state === undefined || state.kind === 'owned') return [count, owner, epoch]
  return state.kind === 'moving' ? [count, owner, epoch, state.from, state.to, state.shift] : [count, owner, epoch, state.reason]
}

function inOrder(topology: Topology, ledger: readonly LedgerEntry[]): readonly LedgerEntry[] {
  const rows = new Map<string, LedgerEntry>()
  for (const entry of ledger) {
    const name = `${entry.space} ${entry.bucket}`
    if (rows.has(name)) throw topologyInvalid({ reason: `the ledger has bucket ${entry.bucket} of ${entry.space} twice` })
    checkEntry(topology, entry)
    rows.set(name, entry)
  }
  const ordered = spaceIds(topology).flatMap((space) =>
    bucketNames(topology, space).map((bucket) => {
      const entry = rows.get(`${space} ${bucket}`)
      if (entry === undefined) throw topologyInvalid({ reason: `the ledger lacks bucket ${bucket} of ${space}` })
      return entry
    })
  )
  if (ordered.length !== rows.size) throw topologyInvalid({ reason: 'the ledger has buckets that the topology has not' })
  return ordered
}

function checkEntry(topology: Topology, { space, bucket, owner, epoch, state }: LedgerEntry): void {
  const cells = state.kind === 'moving' ? [owner, state.from, state.to] : [owner]
  const unknown = cells.find((cell) => !Object.hasOwn(topology.cells, cell))
  if (unknown !== undefined) throw topologyInvalid({ reason: `bucket ${bucket} of ${space} names cell ${unknown}, which is not in the topology` })
  if (!Number.isSafeInteger(epoch) || epoch < 1) throw topologyInvalid({ reason: `bucket ${bucket} of ${space} has no valid epoch` })
  if (state.kind === 'moving' && state.from !== owner) {
    throw topologyInvalid({ reason: `bucket ${bucket} of ${space} moves away from a cell that does not own it` })
  }
}

function toRuns(topology: Topology, ledger: readonly LedgerEntry[]): WireSnapshot['ledger'] {
  const runs = new Map<SpaceId, WireRun[]>(spaceIds(topology).map((space) => [space, []]))
  let previous: LedgerEntry | undefined
  for (const entry of ledger) {
    const list = runs.get(entry.space) ?? []
    const last = list.at(-1)
    const { owner, epoch, state } = entry
    if (last !== undefined && previous !== undefined && continues(previous, entry))
      list[list.length - 1] = [last[0] + 1, ...(last.slice(1) as [string, number])]
    else list.push(state.kind === 'owned' ? [1, owner, epoch] : [1, owner, epoch, state])
    previous = entry
  }
  return [...runs].map(([space, list]) => ({ space, runs: list }))
}

function continues(previous: LedgerEntry, entry: LedgerEntry): boolean {
  return previous.space === entry.space && previous.owner === entry.owner && previous.epoch === entry.epoch && sameState(previous.state, entry.state)
}

export function sameState(left: BucketState, right: BucketState): boolean {
  if (left.kind === 'moving') return right.kind === 'moving' && left.from === right.from && left.to === right.to && left.shift === right.shift
  if (left.kind === 'frozen') return right.kind === 'frozen' && left.reason === right.reason
  return right.kind === 'owned'
}

const OWNED: BucketState = Object.freeze({ kind: 'owned' })

function fromRuns(wire: WireSnapshot): readonly LedgerEntry[] {
  const bySpace = new Map(wire.ledger.map(({ space, runs }) => [space, runs]))
  const rows: LedgerEntry[] = []
  for (const space of spaceIds(wire.topology)) {
    const names = bucketNames(wire.topology, space)
    const before = rows.length
    for (const run of bySpace.get(space) ?? []) expand({ topology: wire.topology, space, names, at: rows.length - before, run, rows })
    bySpace.delete(space)
    const count = rows.length - before
    if (count !== names.length) throw snapshotCorrupt({ reason: `its ledger has ${count} buckets of ${space} instead of ${names.length}` })
  }
  if (bySpace.size > 0) throw snapshotCorrupt({ reason: 'its ledger has spaces that its topology has not' })
  return rows
}

interface Expansion {
  readonly topology: Topology
  readonly space: SpaceId
  readonly names: readonly BucketName[]
  readonly at: number
  readonly run: WireRun
  readonly rows: LedgerEntry[]
}

function expand({ topology, space, names, at, run: [count, owner, epoch, state = OWNED], rows }: Expansion): void {
  if (at + count > names.length) throw snapshotCorrupt({ reason: `its ledger has more than ${names.length} buckets of ${space}` })
  for (const bucket of names.slice(at, at + count)) rows.push({ space, bucket, owner: owner as CellId, epoch: epoch as Epoch, state })
  const row = rows.at(-1)
  try {
    // The rows of a run differ in their names only, so one check is enough.
    if (row !== undefined) checkEntry(topology, row)
  } catch (cause) {
    throw snapshotCorrupt({ reason: 'its ledger does not fit its topology' }, { cause })
  }
}

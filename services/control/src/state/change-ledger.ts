import type { BucketState, CellId, Epoch, LedgerEntry, Topology } from '@cellway/topology'
import type { CommandPlan } from '../commands.ts'
import { type EpochConflict, epochConflict, ledgerChangeInvalid, noTopology, stateUnreadable } from '../errors.ts'
import { ledgerKey, VERSION_KEY } from '../keys.ts'
import type { Published, StoredVersion } from './current.ts'

/** As it came over the wire; the names are not known to exist yet. */
export interface LedgerChange {
  readonly space: string
  readonly bucket: string
  readonly expectedEpoch: number
  readonly owner: string
  readonly state: BucketState
}

/** So that the audit record with all rows before and after stays within one stored value. */
export const LEDGER_CHANGES_MAX = 2048

/**
 * All or none. Each changed bucket gets the next epoch, so an epoch never repeats and never goes down.
 * @throws CTL_NO_TOPOLOGY, CTL_LEDGER_CHANGE_INVALID, CTL_EPOCH_CONFLICT
 */
export function planLedgerChanges(changes: readonly LedgerChange[], current: Published | undefined): CommandPlan {
  if (current === undefined) throw noTopology({ version: 0 })
  const { snapshot, revisions } = current
  const rows = new Map(snapshot.ledger.map((entry) => [nameOf(entry), entry]))
  const problems = changes.flatMap((change, index) => problemsOf(change, { path: `changes[${index}]`, rows, topology: snapshot.topology }))
  problems.push(...duplicates(changes))
  if (problems.length > 0) throw ledgerChangeInvalid({ problems })
  const pairs = changes.map((change) => ({ change, before: rows.get(nameOf(change)) })).filter(hasRow)
  const conflicts = pairs.filter(({ change, before }) => change.expectedEpoch !== before.epoch).map(conflictOf)
  if (conflicts.length > 0) throw epochConflict({ conflicts })
  const after = pairs.map(
    ({ change, before }): LedgerEntry => ({
      space: before.space,
      bucket: before.bucket,
      owner: change.owner as CellId,
      epoch: (before.epoch + 1) as Epoch,
      state: change.state
    })
  )
  const version = snapshot.version + 1
  return {
    kind: 'change',
    compare: [
      { key: VERSION_KEY, revision: revisions.version },
      ...after.map((entry) => ({ key: ledgerKey(entry), revision: revisionOf(entry, revisions.ledger) }))
    ],
    puts: [
      { key: VERSION_KEY, value: JSON.stringify({ version } satisfies StoredVersion) },
      ...after.map((entry) => ({ key: ledgerKey(entry), value: JSON.stringify(entry) }))
    ],
    deletes: [],
    target: describeBuckets(changes),
    before: pairs.map(({ before }) => before),
    after,
    response: { status: 200, body: { version, entries: after } },
    waitsFor: 'state'
  }
}

const NAMED_BUCKETS_MAX = 5

function describeBuckets(changes: readonly LedgerChange[]): string {
  const names = changes.slice(0, NAMED_BUCKETS_MAX).map(nameOf)
  return changes.length > NAMED_BUCKETS_MAX ? `${names.join(', ')} and ${changes.length - NAMED_BUCKETS_MAX} more` : names.join(', ')
}

function nameOf({ space, bucket }: { readonly space: string; readonly bucket: string }): string {
  return `${space}/${bucket}`
}

function hasRow(pair: { change: LedgerChange; before: LedgerEntry | undefined }): pair is { change: LedgerChange; before: LedgerEntry } {
  return pair.before !== undefined
}

function conflictOf({ change, before }: { change: LedgerChange; before: LedgerEntry }): EpochConflict {
  return { space: before.space, bucket: before.bucket, expectedEpoch: change.expectedEpoch, epoch: before.epoch, owner: before.owner }
}

function revisionOf(entry: LedgerEntry, ledger: ReadonlyMap<string, number>): number {
  const key = ledgerKey(entry)
  const revision = ledger.get(key)
  if (revision === undefined) throw stateUnreadable({ key })
  return revision
}

interface ChangeContext {
  readonly path: string
  readonly rows: ReadonlyMap<string, LedgerEntry>
  readonly topology: Topology
}

function problemsOf(change: LedgerChange, { path, rows, topology }: ChangeContext): { path: string; problem: string }[] {
  const problems: { path: string; problem: string }[] = []
  if (!Object.hasOwn(topology.spaces, change.space)) problems.push({ path: `${path}.space`, problem: `there is no space "${change.space}"` })
  else if (!rows.has(nameOf(change))) problems.push({ path: `${path}.bucket`, problem: `space "${change.space}" has no bucket "${change.bucket}"` })
  const cells: [string, string][] = [[`${path}.owner`, change.owner]]
  const { state } = change
  if (state.kind === 'moving') {
    cells.push([`${path}.state.from`, state.from], [`${path}.state.to`, state.to])
    if (state.from !== change.owner) problems.push({ path: `${path}.state.from`, problem: 'a moving bucket moves away from its owner' })
    if (state.from === state.to) problems.push({ path: `${path}.state.to`, problem: 'a moving bucket moves to another cell' })
  }
  for (const [where, cell] of cells) if (!Object.hasOwn(topology.cells, cell)) problems.push({ path: where, problem: `there is no cell "${cell}"` })
  return problems
}

function duplicates(changes: readonly LedgerChange[]): { path: string; problem: string }[] {
  const seen = new Set<string>()
  return changes.flatMap((change, index) => {
    const name = nameOf(change)
    if (!seen.has(name)) {
      seen.add(name)
      return []
    }
    return [{ path: `changes[${index}]`, problem: `bucket ${name} is changed twice` }]
  })
}

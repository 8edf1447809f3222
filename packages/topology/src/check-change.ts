import { pinBucket, pinnedKeys, spaceIds } from './buckets.ts'
import { canonicalKey } from './canonical-key.ts'
import { cellEntries } from './cells.ts'
import type { Problem, SpaceConfig, Topology } from './config.ts'
import { bucketOfKey } from './crc32.ts'
import type { CellId, SpaceId } from './ids.ts'
import type { LedgerEntry } from './ledger.ts'
import type { Snapshot } from './snapshot.ts'
import { joinPath } from './yaml-document.ts'

/**
 * What a running system cannot change by configuration alone, because data or ownership would have to move with it.
 * Empty: `extendLedger` and a new snapshot are safe.
 */
export function checkTopologyChange(current: Snapshot, next: Topology): readonly Problem[] {
  return [...cellProblems(current, next), ...spaceIds(current.topology).flatMap((space) => spaceProblems(current, next, space))]
}

function cellProblems({ topology, ledger }: Snapshot, next: Topology): readonly Problem[] {
  const held = new Map<CellId, number>()
  for (const entry of ledger) for (const cell of cellsOf(entry)) held.set(cell, (held.get(cell) ?? 0) + 1)
  return cellEntries(topology).flatMap(([name, before]): readonly Problem[] => {
    const path = joinPath('cells', name)
    const after = Object.hasOwn(next.cells, name) ? next.cells[name] : undefined
    const buckets = held.get(name) ?? 0
    if (after === undefined) {
      if (buckets === 0) return []
      return [
        {
          path,
          problem: `the cell is removed, but ${buckets} buckets are in its hands`,
          fix: `Keep ${name}, shift its buckets away, and remove it then.`
        }
      ]
    }
    const problems: Problem[] = []
    if (after.number !== before.number) {
      problems.push({
        path: `${path}.number`,
        problem: `the cell's number would change from ${before.number} to ${after.number}, and ids carry it`,
        fix: `Write number: ${before.number} on the cell.`
      })
    }
    if (before.role === 'active' && after.role === 'standby' && buckets > 0) {
      problems.push({
        path: `${path}.role`,
        problem: `the cell becomes a standby, but ${buckets} buckets are in its hands`,
        fix: `Keep ${name} active, shift its buckets away, and make it a standby then.`
      })
    }
    return problems
  })
}

function cellsOf({ owner, state }: LedgerEntry): readonly CellId[] {
  return state.kind === 'moving' && state.to !== owner ? [owner, state.to] : [owner]
}

function spaceProblems(current: Snapshot, next: Topology, space: SpaceId): readonly Problem[] {
  const path = joinPath('spaces', space)
  const before = current.topology.spaces[space]
  const after = Object.hasOwn(next.spaces, space) ? next.spaces[space] : undefined
  if (before === undefined) return []
  if (after === undefined)
    return [{ path, problem: 'the space is removed, but its buckets have owners', fix: `Keep ${space}; routes may stop using it.` }]
  if (after.kind !== before.kind) {
    return [
      { path: `${path}.kind`, problem: `the kind would change from ${before.kind} to ${after.kind}`, fix: 'Declare a new space under another name.' }
    ]
  }
  return [...keyRuleProblems(path, before, after), ...valueProblems(path, before, after), ...pinProblems(current, next, space)]
}

function keyRuleProblems(path: string, before: SpaceConfig, after: SpaceConfig): readonly Problem[] {
  const problems: Problem[] = []
  if (before.kind === 'hash' && after.kind === 'hash' && before.buckets !== after.buckets) {
    problems.push({
      path: `${path}.buckets`,
      problem: `the bucket count would change from ${before.buckets} to ${after.buckets}, which moves nearly every key to another bucket`,
      fix: `Write buckets: ${before.buckets}. More cells do not need more buckets.`
    })
  }
  if (before.fold !== after.fold) {
    problems.push({
      path: `${path}.fold`,
      problem: `fold would change from ${before.fold} to ${after.fold}, which moves keys with capital letters to other buckets`,
      fix: `Write fold: ${before.fold}.`
    })
  }
  return problems
}

function valueProblems(path: string, before: SpaceConfig, after: SpaceConfig): readonly Problem[] {
  if (before.kind !== 'list' || after.kind !== 'list') return []
  const kept = new Set(after.values)
  return before.values
    .filter((value) => !kept.has(value))
    .map((value) => ({
      path: `${path}.values`,
      problem: `value ${value} is removed, but its bucket has an owner`,
      fix: `Keep ${value} in the list.`
    }))
}

function pinProblems({ topology, ledger }: Snapshot, next: Topology, space: SpaceId): readonly Problem[] {
  const path = joinPath('pins', space)
  const [before, after] = [new Set(pinnedKeys(topology, space)), new Set(pinnedKeys(next, space))]
  const removed = [...before.difference(after)].map((key) => ({
    path: joinPath(path, key),
    problem: 'the pin is removed, but its bucket has an owner of its own',
    fix: 'Keep the pin, and shift its bucket where the key should be.'
  }))
  const config = topology.spaces[space]
  const added = [...after.difference(before)].filter(
    (key) =>
      config?.kind === 'hash' && ledger.some((row) => row.space === space && row.bucket === hashBucket(key, config) && row.state.kind !== 'owned')
  )
  const busy = added.map((key) => ({
    path: joinPath(path, key),
    problem: 'the bucket that holds the key now is moving or frozen',
    fix: `Wait until it is settled; then ${pinBucket(key)} takes over its owner.`
  }))
  return [...removed, ...busy]
}

function hashBucket(key: string, config: Extract<SpaceConfig, { kind: 'hash' }>): string {
  return String(bucketOfKey(canonicalKey(key, config), config.buckets))
}

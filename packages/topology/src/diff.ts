import { canonicalJson } from '@cellway/base'
import type { Topology } from './config.ts'
import type { BucketName, CellId, Epoch, SpaceId } from './ids.ts'
import type { BucketState, LedgerEntry } from './ledger.ts'
import type { BucketMove } from './rebalance.ts'
import { isObject } from './report.ts'
import type { Snapshot } from './snapshot.ts'
import { sameState } from './snapshot-wire.ts'
import { joinPath } from './yaml-document.ts'

/** One field that differs; undefined where it is absent. */
export interface FieldChange {
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

export interface SectionDiff {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly { readonly name: string; readonly fields: readonly FieldChange[] }[]
}

export interface LedgerChange {
  readonly space: SpaceId
  readonly bucket: BucketName
  readonly before: LedgerSide | undefined
  readonly after: LedgerSide | undefined
}

export interface LedgerSide {
  readonly owner: CellId
  readonly epoch: Epoch
  readonly state: BucketState
}

export interface TopologyDiff {
  readonly cells: SectionDiff
  readonly center: readonly FieldChange[]
  readonly spaces: SectionDiff
  /** Named `space/key`. */
  readonly pins: SectionDiff
  readonly routes: SectionDiff
  /** Routes that both have, in another order; the first match wins, so order is meaning. */
  readonly routesReordered: boolean
  /** Named `mysql schema.table` and `redis pattern`. */
  readonly data: SectionDiff
  readonly ledger: readonly LedgerChange[]
  /** The ledger changes in which an existing bucket gets another owner. */
  readonly moves: readonly BucketMove[]
}

export function diffSnapshots(before: Snapshot | undefined, after: Snapshot): TopologyDiff {
  const ledger = diffLedgers(before?.ledger ?? [], after.ledger)
  const moves = ledger.flatMap((change) =>
    change.before === undefined || change.after === undefined || change.before.owner === change.after.owner
      ? []
      : [{ space: change.space, bucket: change.bucket, from: change.before.owner, to: change.after.owner }]
  )
  return { ...diffTopologies(before?.topology, after.topology), ledger, moves }
}

/** Configuration only; the ledger part is empty. */
export function diffTopologies(before: Topology | undefined, after: Topology): TopologyDiff {
  const routes = diffSections(routesByName(before), routesByName(after))
  return {
    cells: diffSections(before?.cells ?? {}, after.cells),
    center: diffFields(before?.center ?? {}, after.center, ''),
    spaces: diffSections(before?.spaces ?? {}, after.spaces),
    pins: diffSections(flatPins(before), flatPins(after)),
    routes,
    routesReordered: isReordered(before, after),
    data: diffSections(dataByName(before), dataByName(after)),
    ledger: [],
    moves: []
  }
}

export function isEmptyDiff(diff: TopologyDiff): boolean {
  const sections = [diff.cells, diff.spaces, diff.pins, diff.routes, diff.data]
  const still = sections.every(({ added, removed, changed }) => added.length + removed.length + changed.length === 0)
  return still && diff.center.length === 0 && !diff.routesReordered && diff.ledger.length === 0
}

type Section = Readonly<Record<string, unknown>>

function diffSections(before: Section, after: Section): SectionDiff {
  const names = Object.keys(after)
  return {
    added: names.filter((name) => !Object.hasOwn(before, name)),
    removed: Object.keys(before).filter((name) => !Object.hasOwn(after, name)),
    changed: names.flatMap((name) => {
      const fields = Object.hasOwn(before, name) ? diffFields(before[name], after[name], '') : []
      return fields.length === 0 ? [] : [{ name, fields }]
    })
  }
}

function diffFields(before: unknown, after: unknown, path: string): readonly FieldChange[] {
  if (isObject(before) && isObject(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)])
    return [...names].flatMap((name) => diffFields(before[name], after[name], joinPath(path, name)))
  }
  const same = before === after || (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after))
  return same ? [] : [{ path, before, after }]
}

/** An unnamed route is called by its place (`#3`), so it is known by what it matches instead. */
function routesByName(topology: Topology | undefined): Section {
  const named = new Map<string, unknown>()
  for (const route of topology?.routes ?? []) {
    const { name, ...rest } = route
    const shown = name.startsWith('#') ? `${route.match.host ?? ''}${route.match.path}` : name
    named.set(named.has(shown) ? `${shown} ${name}` : shown, rest)
  }
  return Object.fromEntries(named)
}

function isReordered(before: Topology | undefined, after: Topology): boolean {
  const [left, right] = [Object.keys(routesByName(before)), Object.keys(routesByName(after))]
  const shared = right.filter((name) => left.includes(name))
  return left.filter((name) => right.includes(name)).join('\n') !== shared.join('\n')
}

function flatPins(topology: Topology | undefined): Section {
  return Object.fromEntries(
    Object.entries(topology?.pins ?? {}).flatMap(([space, pins]) => Object.entries(pins).map(([key, cell]) => [`${space}/${key}`, cell]))
  )
}

function dataByName(topology: Topology | undefined): Section {
  const mysql = (topology?.data.mysql ?? []).map(({ table, ...rest }) => [`mysql ${table}`, rest] as const)
  const redis = (topology?.data.redis ?? []).map(({ key, ...rest }) => [`redis ${key}`, rest] as const)
  return Object.fromEntries([...mysql, ...redis])
}

function diffLedgers(before: readonly LedgerEntry[], after: readonly LedgerEntry[]): readonly LedgerChange[] {
  const old = new Map(before.map((entry) => [`${entry.space} ${entry.bucket}`, entry]))
  const changes: LedgerChange[] = []
  for (const entry of after) {
    const name = `${entry.space} ${entry.bucket}`
    const was = old.get(name)
    old.delete(name)
    if (was !== undefined && was.owner === entry.owner && was.epoch === entry.epoch && sameState(was.state, entry.state)) continue
    changes.push({ space: entry.space, bucket: entry.bucket, before: was === undefined ? undefined : sideOf(was), after: sideOf(entry) })
  }
  for (const lost of old.values()) changes.push({ space: lost.space, bucket: lost.bucket, before: sideOf(lost), after: undefined })
  return changes
}

function sideOf({ owner, epoch, state }: LedgerEntry): LedgerSide {
  return { owner, epoch, state }
}

import { canonicalKey, type KeyRules } from './canonical-key.ts'
import { locationOf } from './check-cells.ts'
import type { CellConfig, Location, SpaceConfig } from './config.ts'
import { cnSubdivisionLocation } from './geography.ts'
import { type CellId, isName, type SpaceId } from './ids.ts'
import { type At, checkObject, child, describe, entries, isAbsent, isObject, items, numberOf, oneOf, problem, reference, textOf } from './report.ts'

const BUCKETS_DEFAULT = 1024
/** More buckets make snapshots and shifts slower and spread the load no better. */
const BUCKETS_MAX = 65_536
const VALUES_MAX = 10_000
const SPACES_MAX = 64
const PINS_MAX = 10_000
const COMMON_FIELDS = ['kind', 'primary', 'fold', 'keyType']

type Cells = ReadonlyMap<CellId, CellConfig>

/** Spaces by name. One that could not be read is there as undefined, so that references to it are not reported too. */
export type Spaces = ReadonlyMap<SpaceId, SpaceConfig | undefined>

export function checkSpaces(at: At, cells: Cells): Spaces {
  const all = entries(at)
  if (isAbsent(at)) problem(at, 'it is missing', 'Declare how data is divided, as in users: {kind: hash}.')
  if (all.length > SPACES_MAX) problem(at, `there are ${all.length} spaces`, `Use at most ${SPACES_MAX}.`)
  const spaces = new Map<SpaceId, SpaceConfig | undefined>()
  for (const [name, space] of all) {
    if (!isName(name)) problem(space, `"${name}" cannot name a space`, 'Use 1 to 32 lower-case letters, digits and "-", starting with a letter.')
    spaces.set(name as SpaceId, checkSpace(space, cells))
  }
  return spaces
}

function checkSpace(at: At, cells: Cells): SpaceConfig | undefined {
  if (!isObject(at.value))
    return problem(
      at,
      `it is ${describe(at.value)}, not a mapping`,
      'Write {kind: hash}, {kind: list, values: […]} or {kind: single, primary: cell}.'
    )
  const kind = oneOf(child(at, 'kind'), ['hash', 'list', 'single'])
  if (kind === undefined) return undefined
  const extra = { hash: ['buckets'], list: ['values', 'assign', 'locations'], single: [] }[kind]
  checkObject(at, [...COMMON_FIELDS, ...extra])
  const common = checkCommon(at, cells)
  if (kind === 'hash') {
    const buckets = child(at, 'buckets')
    return {
      kind,
      buckets: isAbsent(buckets) ? BUCKETS_DEFAULT : (numberOf(buckets, { min: 1, max: BUCKETS_MAX, integer: true }) ?? BUCKETS_DEFAULT),
      ...common
    }
  }
  if (kind === 'list') return checkList(at, common, cells)
  if (isAbsent(child(at, 'primary'))) problem(child(at, 'primary'), 'it is missing', 'Name the cell that takes the writes of this space.')
  return { kind, ...common, primary: common.primary ?? ('' as CellId) }
}

type Common = KeyRules & { readonly primary?: CellId }

function checkCommon(at: At, cells: Cells): Common {
  const [primary, fold, keyType] = [child(at, 'primary'), child(at, 'fold'), child(at, 'keyType')]
  const cell = isAbsent(primary) ? undefined : activeCell(primary, cells)
  return {
    ...(cell === undefined ? {} : { primary: cell }),
    fold: isAbsent(fold) ? 'none' : (oneOf(fold, ['none', 'lower']) ?? 'none'),
    keyType: isAbsent(keyType) ? 'auto' : (oneOf(keyType, ['auto', 'text', 'integer']) ?? 'auto')
  }
}

function activeCell(at: At, cells: Cells): CellId | undefined {
  const name = reference(at, 'cell', cells.keys()) as CellId | undefined
  if (name !== undefined && cells.get(name)?.role === 'standby') {
    return problem(at, `cell ${name} is a standby, which owns nothing until a failover`, 'Name an active cell.')
  }
  return name
}

function checkList(at: At, common: Common, cells: Cells): SpaceConfig {
  const valuesAt = child(at, 'values')
  if (isAbsent(valuesAt)) problem(valuesAt, 'it is missing', 'List the values: [a, b].')
  else if (Array.isArray(valuesAt.value) && valuesAt.value.length === 0) problem(valuesAt, 'there is no value', 'List at least one value.')
  const all = items(valuesAt)
  if (all.length > VALUES_MAX) problem(valuesAt, `there are ${all.length} values`, `Use at most ${VALUES_MAX}.`)
  const values = canonicalKeys(all, common)
  const locations = checkLocations(child(at, 'locations'), values)
  const assign = checkAssign(child(at, 'assign'), values, { common, cells })
  if (assign === 'nearest') checkNearest(at, { values, locations, cells })
  return { kind: 'list', values, assign, locations, ...common }
}

/** The keys in their canonical spelling; two that become one are a problem. */
function canonicalKeys(all: readonly At[], rules: KeyRules): readonly string[] {
  const seen = new Map<string, string>()
  for (const at of all) {
    const raw = textOf(at)
    const key = raw === undefined ? undefined : canonicalKeyAt(at, raw, rules)
    if (raw === undefined || key === undefined) continue
    const other = seen.get(key)
    if (other === undefined) seen.set(key, at.path)
    else problem(at, `"${raw}" is the same value as ${other}`, 'Remove one of the two.')
  }
  return [...seen.keys()]
}

function canonicalKeyAt(at: At, raw: string, rules: KeyRules): string | undefined {
  try {
    return canonicalKey(raw, rules)
  } catch (error) {
    const reason = error instanceof Error && 'details' in error ? (error.details as { reason?: string }).reason : undefined
    return problem(
      at,
      `"${raw.slice(0, 40)}" can never be a routing key: ${reason ?? 'it has no canonical spelling'}`,
      'Write it in its one canonical spelling.'
    )
  }
}

function checkLocations(at: At, values: readonly string[]): Readonly<Record<string, Location>> {
  const given = new Map<string, Location>()
  for (const [value, place] of entries(at)) {
    if (!values.includes(value)) problem(place, `"${value}" is no value of this space`, 'Write a value of the list.')
    const location = locationOf(place)
    if (location !== undefined) given.set(value, location)
  }
  const all = values.flatMap((value) => {
    const location = given.get(value) ?? cnSubdivisionLocation(value)
    return location === undefined ? [] : [[value, location] as const]
  })
  return Object.fromEntries(all)
}

type Assign = Extract<SpaceConfig, { kind: 'list' }>['assign']

function checkAssign(at: At, values: readonly string[], { common, cells }: { common: Common; cells: Cells }): Assign {
  if (isAbsent(at)) return 'weight'
  if (!isObject(at.value)) return oneOf<'weight' | 'nearest'>(at, ['weight', 'nearest']) ?? 'weight'
  const assigned = new Map<string, CellId>()
  for (const [raw, cellAt] of entries(at)) {
    const cell = activeCell(cellAt, cells)
    const value = canonicalKeyAt(cellAt, raw, common)
    if (value === undefined) continue
    if (!values.includes(value)) problem(cellAt, `"${raw}" is no value of this space`, 'Add it to values, or remove it here.')
    else if (assigned.has(value)) problem(cellAt, `"${raw}" is assigned twice`, 'Keep one of the two.')
    assigned.set(value, cell ?? ('' as CellId))
  }
  const left = values.filter((value) => !assigned.has(value))
  if (left.length > 0)
    problem(at, `no cell is named for ${left.slice(0, 10).join(', ')}`, 'Name a cell for every value, or use assign: weight or nearest.')
  return Object.fromEntries(assigned)
}

interface Nearest {
  readonly values: readonly string[]
  readonly locations: Readonly<Record<string, Location>>
  readonly cells: Cells
}

function checkNearest(at: At, { values, locations, cells }: Nearest): void {
  const lost = values.filter((value) => !Object.hasOwn(locations, value))
  if (lost.length > 0)
    problem(
      child(at, 'locations'),
      `there is no location for ${lost.slice(0, 10).join(', ')}`,
      'Add locations: {value: [north, east]}; only subdivisions of China (bj, sh, …) are built in.'
    )
  checkCellLocations(child(at, 'assign'), cells, 'assign: nearest')
}

/** A cell without a location would silently never be the nearest. */
export function checkCellLocations(at: At, cells: Cells, what: string): void {
  const lost = [...cells].filter(([, cell]) => cell.role === 'active' && cell.location === undefined).map(([name]) => name)
  if (lost.length > 0)
    problem(
      at,
      `${what} needs the location of every active cell, and ${lost.join(', ')} has none`,
      'Add location: [degrees north, degrees east] to the cell.'
    )
}

export function checkPins(at: At, spaces: Spaces, cells: Cells): Readonly<Record<SpaceId, Readonly<Record<string, CellId>>>> {
  const pins: [string, Readonly<Record<string, CellId>>][] = []
  for (const [name, pinsAt] of entries(at)) {
    if (!spaces.has(name as SpaceId)) {
      reference({ ...pinsAt, value: name }, 'space', spaces.keys())
      continue
    }
    const space = spaces.get(name as SpaceId)
    if (space === undefined) continue
    if (space.kind !== 'hash')
      problem(pinsAt, `${name} is a ${space.kind} space, and only keys of hash spaces can be pinned`, 'Use assign for the values of a list space.')
    else pins.push([name, checkPinsOf(pinsAt, space, cells)])
  }
  return Object.fromEntries(pins)
}

function checkPinsOf(at: At, space: KeyRules, cells: Cells): Readonly<Record<string, CellId>> {
  const pinned = new Map<string, CellId>()
  const all = entries(at)
  if (all.length > PINS_MAX) problem(at, `there are ${all.length} pins`, `Use at most ${PINS_MAX}; pins are for single keys, as of test users.`)
  for (const [raw, cellAt] of all) {
    const key = canonicalKeyAt(cellAt, raw, space)
    const cell = activeCell(cellAt, cells)
    if (key === undefined) continue
    if (pinned.has(key)) problem(cellAt, `"${raw}" is pinned twice, as both spellings are the key "${key}"`, 'Keep one of the two.')
    pinned.set(key, cell ?? ('' as CellId))
  }
  return Object.fromEntries(pinned)
}

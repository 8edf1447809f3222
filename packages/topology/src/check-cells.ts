import { CELLS_MAX } from './bucket-id.ts'
import type { CellConfig, CenterConfig, Location } from './config.ts'
import { type CellId, isName } from './ids.ts'
import { type At, checkObject, child, describe, entries, isAbsent, isObject, items, numberOf, oneOf, problem, reference, textOf } from './report.ts'

const CELL_FIELDS = ['number', 'region', 'role', 'weight', 'location', 'gateway', 'apps', 'stores']

/** Cells by name; one with problems is there with what could be read, so that references to it are not reported too. */
export function checkCells(at: At): ReadonlyMap<CellId, CellConfig> {
  if (isAbsent(at)) problem(at, 'it is missing', 'Declare at least one cell.')
  const all = entries(at)
  if (isObject(at.value) && all.length === 0) problem(at, 'there is no cell', 'Declare at least one cell.')
  if (all.length > CELLS_MAX) problem(at, `there are ${all.length} cells`, `At most ${CELLS_MAX} cells have a number in bucket-carrying ids.`)
  const cells = new Map<CellId, CellConfig>()
  for (const [index, [name, cell]] of all.entries()) {
    if (!isName(name)) problem(cell, `"${name}" cannot name a cell`, 'Use 1 to 32 lower-case letters, digits and "-", starting with a letter.')
    cells.set(name as CellId, checkCell(cell, index))
  }
  checkNumbers(at, cells)
  if (all.length > 0 && ![...cells.values()].some(({ role }) => role === 'active')) {
    problem(at, 'no cell is active', 'Let at least one cell have role: active; standby cells own nothing until a failover.')
  }
  return cells
}

function checkCell(at: At, index: number): CellConfig {
  if (!checkObject(at, CELL_FIELDS)) return { number: index, region: '', role: 'active', weight: 1, gateway: '', apps: {}, stores: {} }
  const [number, role, weight, location, stores] = ['number', 'role', 'weight', 'location', 'stores'].map((name) => child(at, name)) as [
    At,
    At,
    At,
    At,
    At
  ]
  const place = isAbsent(location) ? undefined : locationOf(location)
  if (!isAbsent(stores) && !isObject(stores.value))
    problem(stores, `it is ${describe(stores.value)}, not a mapping`, 'Write one entry per store: {mysql: …, redis: …}.')
  return {
    number: isAbsent(number) ? index : (numberOf(number, { min: 0, max: CELLS_MAX - 1, integer: true }) ?? index),
    region: textOf(child(at, 'region')) ?? '',
    role: isAbsent(role) ? 'active' : (oneOf(role, ['active', 'standby']) ?? 'active'),
    weight: isAbsent(weight) ? 1 : (numberOf(weight, { min: 0.001, max: 1_000_000 }) ?? 1),
    ...(place === undefined ? {} : { location: place }),
    gateway: originOf(child(at, 'gateway')) ?? '',
    apps: checkApps(child(at, 'apps')),
    stores: isObject(stores.value) ? stores.value : {}
  }
}

function checkNumbers(at: At, cells: ReadonlyMap<CellId, CellConfig>): void {
  const taken = new Map<number, CellId>()
  for (const [name, { number }] of cells) {
    const other = taken.get(number)
    if (other !== undefined)
      problem(child(child(at, name), 'number'), `${other} has the number ${number} too`, 'Give each cell a number of its own, from 0 to 15.')
    taken.set(number, name)
  }
}

function checkApps(at: At): Readonly<Record<string, readonly string[]>> {
  const apps: [string, readonly string[]][] = []
  for (const [name, app] of entries(at)) {
    if (!isName(name)) problem(app, `"${name}" cannot name an app`, 'Use 1 to 32 lower-case letters, digits and "-", starting with a letter.')
    const instances = typeof app.value === 'string' ? [app] : items(app)
    if (Array.isArray(app.value) && instances.length === 0) problem(app, 'the app has no instance', 'List the origin of at least one instance.')
    const origins = instances.flatMap((instance) => originOf(instance) ?? [])
    if (new Set(origins).size !== origins.length) problem(app, 'an instance is listed twice', 'List each instance once.')
    apps.push([name, origins])
  }
  return Object.fromEntries(apps)
}

/** `http://host:port`, nothing after it. Text with a password is not repeated. */
function originOf(at: At): string | undefined {
  const text = textOf(at)
  if (text === undefined) return undefined
  const url = URL.parse(text)
  const fix = 'Write http://host:port or https://host:port, without path, query and user.'
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return problem(at, 'it is not an http or https address', fix)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
    return problem(at, 'it has more than host and port', fix)
  return url.origin
}

export function locationOf(at: At): Location | undefined {
  if (!Array.isArray(at.value) || at.value.length !== 2)
    return problem(at, `it is ${describe(at.value)}, not a pair`, 'Write [degrees north, degrees east], as in [39.9, 116.4].')
  const [north, east] = items(at)
  const latitude = north && numberOf(north, { min: -90, max: 90 })
  const longitude = east && numberOf(east, { min: -180, max: 180 })
  return latitude === undefined || longitude === undefined ? undefined : [latitude, longitude]
}

export function checkCenter(at: At, cells: ReadonlyMap<CellId, CellConfig>): CenterConfig {
  if (isAbsent(at) || !checkObject(at, ['host', 'log'])) return { log: 'embedded' }
  const [host, log] = [child(at, 'host'), child(at, 'log')]
  const name = isAbsent(host) ? undefined : reference(host, 'cell', cells.keys())
  return { ...(name === undefined ? {} : { host: name as CellId }), log: checkLog(log) }
}

function checkLog(at: At): CenterConfig['log'] {
  if (isAbsent(at) || at.value === 'embedded') return 'embedded'
  const fix = 'Write log: embedded or log: {kafka: {brokers: [host:port]}}.'
  if (!isObject(at.value)) return problem(at, `it is ${describe(at.value)}`, fix) ?? 'embedded'
  const kafka = child(at, 'kafka')
  if (!checkObject(at, ['kafka']) || !checkObject(kafka, ['brokers'])) return 'embedded'
  const brokersAt = child(kafka, 'brokers')
  const brokers = items(brokersAt).flatMap((broker) => textOf(broker) ?? [])
  if (brokers.length === 0) problem(brokersAt, 'there is no broker', fix)
  return { kafka: { brokers } }
}

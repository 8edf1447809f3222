import { BUCKET_ID_BUCKETS_MAX } from './bucket-id.ts'
import { checkExtractors, neverMissing } from './check-extractors.ts'
import { checkCellLocations, type Spaces } from './check-spaces.ts'
import type { CellConfig, MissingPolicy, RouteConfig, SpaceConfig } from './config.ts'
import { type CellId, isName, type SpaceId } from './ids.ts'
import { hostCovers, type PathPattern, parsePathPattern, patternCovers } from './path-pattern.ts'
import { type At, booleanOf, checkObject, child, describe, isAbsent, items, numberOf, oneOf, problem, reference, textOf, warning } from './report.ts'
import { parseDurationMs, parseSizeBytes } from './units.ts'

const ROUTES_MAX = 1000
const BODY_BYTES_DEFAULT = 16 * 1024 * 1024
const BODY_BYTES_MAX = 1024 ** 4
const TIMEOUT_DEFAULT_MS = 30_000
const TIMEOUT_MAX_MS = 3_600_000
const READ_YOUR_WRITES_MAX_MS = 60_000

const COMMON_FIELDS = ['match', 'name', 'app', 'writes', 'bodyMaxBytes', 'timeout', 'rateLimit', 'priority', 'websocket']
const SPACE_FIELDS = ['space', 'key', 'missing', 'reads', 'readYourWrites']

export interface RouteContext {
  readonly cells: ReadonlyMap<CellId, CellConfig>
  readonly spaces: Spaces
}

interface CheckedRoute {
  readonly at: At
  readonly config: RouteConfig
  readonly pattern: PathPattern | undefined
}

export function checkRoutes(at: At, context: RouteContext): readonly RouteConfig[] {
  if (isAbsent(at)) problem(at, 'it is missing', 'Add at least one route; a request without a route is refused.')
  const all = items(at)
  if (Array.isArray(at.value) && all.length === 0) problem(at, 'there is no route', 'Add at least one route; a request without a route is refused.')
  if (all.length > ROUTES_MAX) problem(at, `there are ${all.length} routes`, `Use at most ${ROUTES_MAX}.`)
  const routes = all.slice(0, ROUTES_MAX).flatMap((route, index) => checkRoute(route, index, context) ?? [])
  checkNames(routes)
  warnOfShadows(routes)
  return routes.map(({ config }) => config)
}

function checkRoute(at: At, index: number, context: RouteContext): CheckedRoute | undefined {
  const local = !isAbsent(child(at, 'class'))
  if (!checkObject(at, [...COMMON_FIELDS, ...(local ? ['class'] : SPACE_FIELDS)])) return undefined
  const match = checkMatch(child(at, 'match'))
  const common = { ...checkCommon(at, index), match: match.config }
  checkApp(child(at, 'app'), common.app, context.cells)
  if (local) {
    oneOf(child(at, 'class'), ['local'])
    return { at, config: { kind: 'local', ...common }, pattern: match.pattern }
  }
  const spaceAt = child(at, 'space')
  if (isAbsent(spaceAt)) problem(spaceAt, 'it is missing', 'Name the space of the data behind this route, or write class: local.')
  const name = isAbsent(spaceAt) ? undefined : reference(spaceAt, 'space', context.spaces.keys())
  const space = name === undefined ? undefined : context.spaces.get(name as SpaceId)
  if (space === undefined) return undefined
  const config: RouteConfig = {
    kind: 'space',
    ...common,
    space: name as SpaceId,
    ...checkKey(at, { space, match: match.pattern, context }),
    ...checkReads(at)
  }
  return { at, config, pattern: match.pattern }
}

function checkMatch(at: At): { readonly config: RouteConfig['match']; readonly pattern: PathPattern | undefined } {
  if (isAbsent(at)) problem(at, 'it is missing', 'Write match: {path: /api/**}.')
  else if (checkObject(at, ['host', 'path'])) {
    const hostAt = child(at, 'host')
    const host = isAbsent(hostAt) ? undefined : hostOf(hostAt)
    const path = textOf(child(at, 'path'))
    const pattern = path === undefined ? undefined : parsePathPattern(path)
    if (typeof pattern === 'string') problem(child(at, 'path'), `the path ${pattern}`, 'Write segments of text, *, or :name, and ** only at the end.')
    return { config: { ...(host === undefined ? {} : { host }), path: path ?? '/' }, pattern: typeof pattern === 'string' ? undefined : pattern }
  }
  return { config: { path: '/' }, pattern: undefined }
}

const HOST = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/
const IPV6 = /^\[[0-9a-f:.]+\]$/

function hostOf(at: At): string | undefined {
  const text = textOf(at)
  if (text === undefined) return undefined
  const host = text.toLowerCase()
  if (HOST.test(host) || IPV6.test(host)) return host
  return problem(
    at,
    `${describe(text)} is not a host`,
    'Write a name without port, as in shop.example or *.shop.example (in punycode if it is not ASCII).'
  )
}

type Common = Omit<Extract<RouteConfig, { kind: 'local' }>, 'kind' | 'match'>

function checkCommon(at: At, index: number): Common {
  const [name, app, priority, websocket, timeout, rateLimit] = ['name', 'app', 'priority', 'websocket', 'timeout', 'rateLimit'].map((field) =>
    child(at, field)
  ) as [At, At, At, At, At, At]
  const limit = isAbsent(rateLimit) ? undefined : checkRateLimit(rateLimit)
  return {
    name: isAbsent(name) ? `#${index}` : (routeName(name) ?? `#${index}`),
    app: isAbsent(app) ? 'default' : (textOf(app) ?? 'default'),
    writes: checkWrites(child(at, 'writes')),
    bodyBytesMax: checkBody(child(at, 'bodyMaxBytes')),
    timeoutMs: isAbsent(timeout) ? TIMEOUT_DEFAULT_MS : (durationOf(timeout, TIMEOUT_MAX_MS) ?? TIMEOUT_DEFAULT_MS),
    ...(limit === undefined ? {} : { rateLimit: limit }),
    priority: isAbsent(priority) ? 'normal' : (oneOf(priority, ['low', 'normal', 'high']) ?? 'normal'),
    websocket: isAbsent(websocket) ? false : (booleanOf(websocket) ?? false)
  }
}

function routeName(at: At): string | undefined {
  const name = textOf(at)
  if (name === undefined || isName(name)) return name
  return problem(at, `${describe(name)} cannot name a route`, 'Use 1 to 32 lower-case letters, digits and "-", starting with a letter.')
}

function checkWrites(at: At): RouteConfig['writes'] {
  if (isAbsent(at)) return 'unsafe'
  const methods = items(at).flatMap((item) => {
    const method = textOf(item)
    if (method === undefined || /^[A-Z][A-Z-]{0,31}$/.test(method)) return method ?? []
    return problem(item, `${describe(method)} is not a method`, 'Write methods in upper case: [POST, PUT].') ?? []
  })
  if (new Set(methods).size !== methods.length) problem(at, 'a method is listed twice', 'List each method once.')
  return methods
}

function checkBody(at: At): number {
  if (isAbsent(at)) return BODY_BYTES_DEFAULT
  if (typeof at.value !== 'string') return numberOf(at, { min: 0, max: BODY_BYTES_MAX, integer: true }) ?? BODY_BYTES_DEFAULT
  const bytes = parseSizeBytes(at.value)
  if (bytes !== undefined && bytes <= BODY_BYTES_MAX) return bytes
  return problem(at, `${describe(at.value)} is not a size`, 'Write bytes as a number, or a size such as 16MiB.') ?? BODY_BYTES_DEFAULT
}

function durationOf(at: At, maxMs: number): number | undefined {
  const ms = typeof at.value === 'string' ? parseDurationMs(at.value) : undefined
  if (ms !== undefined && ms > 0 && ms <= maxMs) return ms
  return problem(at, `it is ${describe(at.value)}, not a duration from 1ms to ${maxMs / 1000}s`, 'Write a number with its unit: 500ms, 2s, 1m.')
}

function checkRateLimit(at: At): { readonly perSecond: number; readonly burst: number } | undefined {
  if (!checkObject(at, ['perSecond', 'burst'])) return undefined
  const perSecond = numberOf(child(at, 'perSecond'), { min: 0.001, max: 10_000_000 })
  const burstAt = child(at, 'burst')
  const burst = isAbsent(burstAt) ? Math.max(1, Math.ceil(perSecond ?? 1)) : numberOf(burstAt, { min: 1, max: 10_000_000, integer: true })
  return perSecond === undefined || burst === undefined ? undefined : { perSecond, burst }
}

function checkApp(at: At, app: string, cells: ReadonlyMap<CellId, CellConfig>): void {
  const without = [...cells].filter(([, cell]) => !Object.hasOwn(cell.apps, app)).map(([name]) => name)
  if (without.length > 0)
    problem(
      at,
      `app "${app}" has no instances in ${without.join(', ')}`,
      'Add it to apps of every cell (any cell may have to take over), or name another app.'
    )
}

interface KeyContext {
  readonly space: SpaceConfig
  readonly match: PathPattern | undefined
  readonly context: RouteContext
}

function checkKey(at: At, { space, match, context }: KeyContext): Pick<Extract<RouteConfig, { kind: 'space' }>, 'key' | 'missing'> {
  const [keyAt, missingAt] = [child(at, 'key'), child(at, 'missing')]
  if (space.kind === 'single') {
    if (!isAbsent(keyAt)) warning(keyAt, 'it has no effect, because a single space has one bucket', 'Remove it.')
    if (!isAbsent(missingAt)) warning(missingAt, 'it has no effect, because a single space needs no key', 'Remove it.')
    return { key: [], missing: 'reject' }
  }
  if (isAbsent(keyAt)) problem(keyAt, 'it is missing', 'Say where the routing key is, as in [{header: x-user-id}].')
  const key = checkExtractors(keyAt, space, match)
  if (key.some(({ kind }) => kind === 'id') && space.kind === 'hash' && space.buckets > BUCKET_ID_BUCKETS_MAX) {
    problem(
      keyAt,
      `ids carry buckets up to ${BUCKET_ID_BUCKETS_MAX - 1}, and the space has ${space.buckets} buckets`,
      'Use at most 1024 buckets, or remove the id extractor.'
    )
  }
  return { key, missing: checkMissing(missingAt, space, { certain: neverMissing(key, space), cells: context.cells }) }
}

function checkMissing(at: At, space: SpaceConfig, { certain, cells }: { certain: boolean; cells: ReadonlyMap<CellId, CellConfig> }): MissingPolicy {
  const policies = ['reject', 'primary', 'nearest-read', 'by-ip'] as const
  if (isAbsent(at)) {
    if (!certain)
      problem(
        at,
        'it is missing; there is no default, because a guess writes to the wrong cell',
        `Say what happens to requests without a key: ${policies.join(', ')}.`
      )
    return 'reject'
  }
  const policy = oneOf(at, policies) ?? 'reject'
  if (policy === 'primary' && space.primary === undefined)
    problem(at, 'the space has no primary', 'Add primary: cell to the space, or choose another policy.')
  if (policy === 'by-ip' && space.kind === 'hash') checkCellLocations(at, cells, 'missing: by-ip')
  return policy
}

function checkReads(at: At): Pick<Extract<RouteConfig, { kind: 'space' }>, 'reads' | 'readYourWritesMs'> {
  const [readsAt, windowAt] = [child(at, 'reads'), child(at, 'readYourWrites')]
  const reads = isAbsent(readsAt) ? 'owner' : (oneOf(readsAt, ['owner', 'local']) ?? 'owner')
  if (isAbsent(windowAt)) return { reads, readYourWritesMs: 0 }
  if (reads !== 'local') problem(windowAt, 'it has no meaning while reads go to the owner', 'Add reads: local, or remove it.')
  return { reads, readYourWritesMs: durationOf(windowAt, READ_YOUR_WRITES_MAX_MS) ?? 0 }
}

function checkNames(routes: readonly CheckedRoute[]): void {
  const seen = new Map<string, string>()
  for (const { at, config } of routes) {
    const other = seen.get(config.name)
    if (other !== undefined) problem(child(at, 'name'), `${other} has the name "${config.name}" too`, 'Give each route a name of its own.')
    seen.set(config.name, at.path)
  }
}

function warnOfShadows(routes: readonly CheckedRoute[]): void {
  for (const [index, route] of routes.entries()) {
    const shadow = routes.slice(0, index).find((earlier) => covers(earlier, route))
    if (shadow !== undefined)
      warning(route.at, `no request reaches it, because ${shadow.at.path} matches all of them first`, 'Move it before that route, or remove it.')
  }
}

function covers(earlier: CheckedRoute, later: CheckedRoute): boolean {
  if (earlier.pattern === undefined || later.pattern === undefined) return false
  return hostCovers(earlier.config.match.host, later.config.match.host) && patternCovers(earlier.pattern, later.pattern)
}

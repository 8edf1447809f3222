import { pinnedKeys, spaceIds } from './buckets.ts'
import { canonicalKey } from './canonical-key.ts'
import { activePlaces } from './cells.ts'
import type { KeyExtractor, MissingPolicy, RouteConfig, SpaceConfig, Topology } from './config.ts'
import { topologyInvalid } from './errors.ts'
import { cnSubdivisionCode, type Place, unitVector } from './geography.ts'
import type { CellId, SpaceId } from './ids.ts'
import { type PathPattern, parsePathPattern } from './path-pattern.ts'
import { buildRouteIndex, type RouteIndex } from './route-index.ts'
import type { Snapshot } from './snapshot.ts'
import type { BucketView } from './verdict.ts'

/** A snapshot with lookups for the hot path; built once per adoption, never changed. */
export interface CompiledSnapshot {
  readonly snapshot: Snapshot
  readonly spaces: readonly CompiledSpace[]
  readonly spaceIndexes: ReadonlyMap<string, number>
  readonly routes: readonly CompiledRoute[]
  readonly routeIndex: RouteIndex
  /** Active cells with a location. */
  readonly places: readonly Place<CellId>[]
}

export interface CompiledSpace {
  readonly id: SpaceId
  readonly index: number
  readonly config: SpaceConfig
  /** Hash buckets, without pins; 0 for other kinds. */
  readonly hashBuckets: number
  /** Canonical key → bucket index: pins of a hash space, values of a list space. */
  readonly byKey: ReadonlyMap<string, number>
  /** `CN/BJ` or `/BJ` → bucket index of a list space. */
  readonly byArea: ReadonlyMap<string, number>
  readonly valuePlaces: readonly Place<number>[]
  /** Ledger rows; the index is the bucket index. */
  readonly buckets: readonly BucketView[]
  readonly byName: ReadonlyMap<string, number>
}

export interface CompiledRoute {
  readonly config: RouteConfig
  readonly pattern: PathPattern
  /** undefined: every method but GET, HEAD and OPTIONS writes. */
  readonly writes: ReadonlySet<string> | undefined
  readonly target: CompiledTarget | undefined
}

/** What a route of kind `space` needs besides its configuration. */
export interface CompiledTarget {
  readonly space: CompiledSpace
  readonly extractors: readonly CompiledExtractor[]
  readonly missing: MissingPolicy
}

export type CompiledExtractor = { readonly source: string } & (
  | { readonly kind: 'header' | 'cookie' | 'query' | 'jwt' | 'const'; readonly name: string }
  | { readonly kind: 'path'; readonly pattern: PathPattern; readonly segmentIndex: number }
  | { readonly kind: 'id-query'; readonly name: string }
  | { readonly kind: 'id-path'; readonly pattern: PathPattern; readonly segmentIndex: number }
  | { readonly kind: 'geoip'; readonly field: 'subdivision' | 'country' | 'continent' }
  | { readonly kind: 'coordinates'; readonly latitudeHeader: string; readonly longitudeHeader: string }
)

export function compileSnapshot(snapshot: Snapshot): CompiledSnapshot {
  const { topology } = snapshot
  const rows = new Map<SpaceId, BucketView[]>(spaceIds(topology).map((id) => [id, []]))
  for (const entry of snapshot.ledger) rows.get(entry.space)?.push(entry)
  const spaces = spaceIds(topology).map((id, index) => compileSpace({ topology, id, index, buckets: rows.get(id) ?? [] }))
  const spaceIndexes = new Map<string, number>(spaces.map((space) => [space.id, space.index]))
  const routes = topology.routes.map((config) => compileRoute(config, spaces, spaceIndexes))
  return { snapshot, spaces, spaceIndexes, routes, routeIndex: buildRouteIndex(routes), places: activePlaces(topology) }
}

/** By public names, as they stand in the context headers. */
export function findBucket(compiled: CompiledSnapshot, space: string, bucket: string): { spaceIndex: number; bucketIndex: number } | undefined {
  const spaceIndex = compiled.spaceIndexes.get(space)
  if (spaceIndex === undefined) return undefined
  const bucketIndex = compiled.spaces[spaceIndex]?.byName.get(bucket)
  return bucketIndex === undefined ? undefined : { spaceIndex, bucketIndex }
}

/** @throws TOPO_INVALID if the indexes are not from this snapshot */
export function bucketView(compiled: CompiledSnapshot, spaceIndex: number, bucketIndex: number): BucketView {
  const view = compiled.spaces[spaceIndex]?.buckets[bucketIndex]
  if (view === undefined) throw topologyInvalid({ reason: 'the bucket index is not from this snapshot' })
  return view
}

interface SpaceParts {
  readonly topology: Topology
  readonly id: SpaceId
  readonly index: number
  readonly buckets: readonly BucketView[]
}

function compileSpace({ topology, id, index, buckets }: SpaceParts): CompiledSpace {
  const config = topology.spaces[id]
  if (config === undefined) throw topologyInvalid({ reason: `there is no space ${id}` })
  const hashBuckets = config.kind === 'hash' ? config.buckets : 0
  const keys = config.kind === 'list' ? config.values : pinnedKeys(topology, id)
  const byKey = new Map(keys.map((key, at) => [canonicalKey(key, config), hashBuckets + at]))
  const byName = new Map<string, number>(buckets.map((view, at) => [view.bucket, at]))
  const valuePlaces =
    config.kind !== 'list'
      ? []
      : config.values.flatMap((value, name) => {
          const location = config.locations[value]
          return location === undefined ? [] : [{ name, vector: unitVector(location) }]
        })
  return { id, index, config, hashBuckets, byKey, byArea: config.kind === 'list' ? areasOf(config.values) : new Map(), valuePlaces, buckets, byName }
}

/** Several spellings of one area in one space would be a guess, so such an area is found under none. */
function areasOf(values: readonly string[]): ReadonlyMap<string, number> {
  const areas = new Map<string, number>()
  const twice = new Set<string>()
  for (const [index, value] of values.entries()) {
    const area = areaName(value)
    if (areas.has(area)) twice.add(area)
    areas.set(area, index)
  }
  for (const area of twice) areas.delete(area)
  return areas
}

function areaName(value: string): string {
  const chinese = cnSubdivisionCode(value)
  if (chinese !== undefined) return `CN/${chinese}`
  const upper = value.toUpperCase()
  const [country, subdivision] = upper.split('-')
  return country !== undefined && subdivision !== undefined && country.length === 2 ? `${country}/${subdivision}` : `/${upper}`
}

function compileRoute(config: RouteConfig, spaces: readonly CompiledSpace[], indexes: ReadonlyMap<string, number>): CompiledRoute {
  const pattern = patternOf(config.match.path)
  const writes = config.writes === 'unsafe' ? undefined : new Set(config.writes)
  if (config.kind === 'local') return { config, pattern, writes, target: undefined }
  const space = spaces[indexes.get(config.space) ?? -1]
  if (space === undefined) throw topologyInvalid({ reason: `route ${config.name} names space ${config.space}, which does not exist` })
  const extractors = config.key.map((extractor) => compileExtractor(extractor, pattern))
  return { config, pattern, writes, target: { space, extractors, missing: config.missing } }
}

function compileExtractor(extractor: KeyExtractor, routePattern: PathPattern): CompiledExtractor {
  switch (extractor.kind) {
    case 'header':
      return { kind: 'header', name: extractor.name.toLowerCase(), source: `header ${extractor.name.toLowerCase()}` }
    case 'cookie':
    case 'query':
      return { kind: extractor.kind, name: extractor.name, source: `${extractor.kind} ${extractor.name}` }
    case 'jwt':
      return { kind: 'jwt', name: extractor.claim, source: `jwt ${extractor.claim}` }
    case 'const':
      return { kind: 'const', name: extractor.value, source: 'const' }
    case 'path': {
      const pattern = patternOf(extractor.pattern)
      const segmentIndex = pattern.segments.findIndex((segment) => segment.kind === 'named')
      return { kind: 'path', pattern, segmentIndex, source: `path ${extractor.pattern}` }
    }
    case 'id': {
      const source = `id ${extractor.name}`
      const segmentIndex = routePattern.segments.findIndex((segment) => segment.kind === 'named' && segment.name === extractor.name)
      if (segmentIndex === -1) return { kind: 'id-query', name: extractor.name, source }
      return { kind: 'id-path', pattern: routePattern, segmentIndex, source }
    }
    case 'geoip':
      return { kind: 'geoip', field: extractor.field, source: `geoip ${extractor.field}` }
    case 'coordinates':
      return {
        kind: 'coordinates',
        latitudeHeader: extractor.latitudeHeader.toLowerCase(),
        longitudeHeader: extractor.longitudeHeader.toLowerCase(),
        source: `coordinates ${extractor.latitudeHeader} ${extractor.longitudeHeader}`.toLowerCase()
      }
  }
}

function patternOf(text: string): PathPattern {
  const pattern = parsePathPattern(text)
  if (typeof pattern === 'string') throw topologyInvalid({ reason: `path ${text} ${pattern}` })
  return pattern
}

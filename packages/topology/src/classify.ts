import { type CellwayError, isCellwayError } from '@cellway/base'
import type { CompiledRoute, CompiledSnapshot, CompiledTarget } from './compile.ts'
import type { RouteConfig } from './config.ts'
import { keyInvalid, keyMissing, noRoute, valueUnknown } from './errors.ts'
import { type ExtractContext, type Extracted, extract } from './extract.ts'
import { anyAreaBucket } from './extract-geo.ts'
import { nearestPlace, unitVector } from './geography.ts'
import type { CellId } from './ids.ts'
import type { GeoLookup, RoutingRequest } from './request.ts'
import { findRoute } from './route-index.ts'
import type { Classification, Operation } from './verdict.ts'

export interface ClassifyOptions {
  /** The cell whose gateway asks; where `nearest-read` and local routes stay. */
  readonly selfCell: CellId
  readonly geo?: GeoLookup | undefined
}

/** Route → key → bucket. Says nothing about ownership. @throws never; a refusal is a Classification */
export function classify(compiled: CompiledSnapshot, request: RoutingRequest, options: ClassifyOptions): Classification {
  const route = findCompiledRoute(compiled, request)
  if (route === undefined) return { kind: 'refused', route: undefined, error: noRoute({ host: request.host, path: request.path }) }
  const operation = operationOf(route, request.method)
  const { config, target } = route
  if (target === undefined) return { kind: 'cell', route: config, operation, cell: options.selfCell, why: 'the route is local' }
  const context: ExtractContext = { request, space: target.space, geo: options.geo }
  let source = ''
  try {
    if (target.space.config.kind === 'single') return bucketOf(target, config, operation, SINGLE, 'single space')
    for (const extractor of target.extractors) {
      source = extractor.source
      const found = extract(extractor, context)
      if (found === undefined) continue
      if (found.kind === 'bucket') return bucketOf(target, config, operation, found, extractor.source)
      return withoutBucket({ compiled, config, target, operation, context, options, unknownSource: extractor.source })
    }
    return withoutBucket({ compiled, config, target, operation, context, options, unknownSource: undefined })
  } catch (error) {
    if (isCellwayError(error)) return { kind: 'refused', route: config, error: withSource(error, source) }
    throw error
  }
}

/** The rules of keys do not know where a key came from; whoever reads the refusal wants to. */
function withSource(error: CellwayError, source: string): CellwayError {
  if (error.code !== keyInvalid.definition.code || error.details.source !== undefined) return error
  return keyInvalid({ reason: String(error.details.reason), source }, { cause: error.cause })
}

/** Only the route, for requests whose bucket another gateway has found already. */
export function matchRoute(compiled: CompiledSnapshot, request: RoutingRequest): RouteConfig | undefined {
  return findCompiledRoute(compiled, request)?.config
}

export function findCompiledRoute(compiled: CompiledSnapshot, request: RoutingRequest): CompiledRoute | undefined {
  const order = findRoute(compiled.routeIndex, request.host, request.path)
  return order === -1 ? undefined : compiled.routes[order]
}

/** By the route's list of writing methods; otherwise everything but GET, HEAD and OPTIONS writes. */
export function operationOf(route: CompiledRoute, method: string): Operation {
  if (route.writes !== undefined) return route.writes.has(method) ? 'write' : 'read'
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' ? 'read' : 'write'
}

const SINGLE = { kind: 'bucket', bucketIndex: 0, key: '' } as const

function bucketOf(
  target: CompiledTarget,
  route: RouteConfig,
  operation: Operation,
  found: Extract<Extracted, { kind: 'bucket' }>,
  keySource: string
): Classification {
  const { id, index } = target.space
  return { kind: 'bucket', route, operation, space: id, spaceIndex: index, bucketIndex: found.bucketIndex, key: found.key, keySource }
}

interface Unplaced {
  readonly compiled: CompiledSnapshot
  readonly config: RouteConfig
  readonly target: CompiledTarget
  readonly operation: Operation
  readonly context: ExtractContext
  readonly options: ClassifyOptions
  /** Set if there was a value that the space does not know. */
  readonly unknownSource: string | undefined
}

function withoutBucket(unplaced: Unplaced): Classification {
  const { config, target, operation, options } = unplaced
  switch (target.missing) {
    case 'primary': {
      const { primary } = target.space.config
      return primary === undefined
        ? refusal(unplaced)
        : { kind: 'cell', route: config, operation, cell: primary, why: 'no key: primary cell of the space' }
    }
    case 'nearest-read':
      if (operation === 'write') return refusal(unplaced)
      return { kind: 'cell', route: config, operation, cell: options.selfCell, why: 'no key: a read stays in the cell it came to' }
    case 'by-ip':
      return byIp(unplaced)
    case 'reject':
      return refusal(unplaced)
  }
}

function byIp(unplaced: Unplaced): Classification {
  const { compiled, config, target, operation, context } = unplaced
  const record = context.geo?.lookup(context.request.clientIp)
  if (target.space.config.kind === 'list') {
    const found = anyAreaBucket(target.space, record)
    return found?.kind === 'bucket' ? bucketOf(target, config, operation, found, 'geoip of the client address') : refusal(unplaced)
  }
  const cell = record?.location === undefined ? undefined : nearestPlace(unitVector(record.location), compiled.places)
  if (cell === undefined) return refusal(unplaced)
  return { kind: 'cell', route: config, operation, cell, why: 'no key: active cell nearest to the client address' }
}

function refusal({ config, target, unknownSource }: Unplaced): Classification {
  const space = target.space.id
  const error =
    unknownSource === undefined
      ? keyMissing({ space, tried: target.extractors.map((extractor) => extractor.source) })
      : valueUnknown({ space, source: unknownSource })
  return { kind: 'refused', route: config, error }
}

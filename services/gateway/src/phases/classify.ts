import {
  bucketView,
  type Classification,
  classify as classifyRequest,
  findBucket,
  matchRoute,
  type RouteConfig,
  type RoutingRequest
} from '@cellway/topology'
import type { Adopted, DataPlane } from '../data-plane.ts'
import { hopInvalid } from '../errors.ts'
import { checkBodyLength, type ValidHead } from '../http/head.ts'
import type { Exchange, VerifiedHop } from './exchange.ts'

/** A request that has a route, and a bucket or at least a cell. */
export type Routed = Exclude<Classification, { readonly kind: 'refused' }>

/** Phase 2: route → routing key → bucket. Sent so far: nothing. @throws TOPO_*, GW_OVERLOADED, GW_RATE_LIMITED, GW_BODY_TOO_LARGE, GW_HOP_INVALID */
export function classify(plane: DataPlane, exchange: Exchange, adopted: Adopted): Routed {
  const head = exchange.head as ValidHead
  const routing: RoutingRequest = {
    method: head.method,
    host: head.host,
    path: head.path,
    query: head.query,
    headers: head.headers,
    clientIp: exchange.clientIp
  }
  const classification =
    exchange.hop === undefined
      ? classifyRequest(adopted.compiled, routing, classifyOptions(plane))
      : classifyHop(adopted, routing, exchange.hop, plane)
  if (classification.kind === 'refused') throw classification.error
  exchange.classification = classification
  exchange.bucket =
    classification.kind === 'bucket' ? bucketView(adopted.compiled, classification.spaceIndex, classification.bucketIndex).bucket : undefined
  checkBodyLength(head, classification.route.bodyBytesMax)
  return classification
}

function classifyOptions(plane: DataPlane): Parameters<typeof classifyRequest>[2] {
  return plane.geo === undefined ? { selfCell: plane.selfCell } : { selfCell: plane.selfCell, geo: plane.geo }
}

/** The sending gateway has found the bucket; it is signed, so it is not looked for again (it may have come from the client's address). */
function classifyHop(adopted: Adopted, routing: RoutingRequest, hop: VerifiedHop, plane: DataPlane): Classification {
  const route = matchRoute(adopted.compiled, routing)
  if (route === undefined) throw hopInvalid({ reason: 'no route here for what the other gateway routed' })
  const operation = writes(route, routing.method) ? 'write' : 'read'
  if (hop.space === undefined || hop.bucket === undefined)
    return { kind: 'cell', route, operation, cell: plane.selfCell, why: `hop from ${hop.from}` }
  const found = findBucket(adopted.compiled, hop.space, hop.bucket)
  if (found === undefined || route.kind !== 'space') throw hopInvalid({ reason: 'a bucket that this gateway does not know' })
  return { kind: 'bucket', route, operation, space: route.space, ...found, key: hop.key ?? '', keySource: `hop from ${hop.from}` }
}

function writes(route: RouteConfig, method: string): boolean {
  return route.writes === 'unsafe' ? method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS' : route.writes.includes(method)
}

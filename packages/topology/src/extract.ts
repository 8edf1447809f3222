import { BUCKET_ID_BUCKETS_MAX, decodeBucketId } from './bucket-id.ts'
import { canonicalHeaderKey, canonicalKey } from './canonical-key.ts'
import type { CompiledExtractor, CompiledSpace } from './compile.ts'
import { bucketOfKey } from './crc32.ts'
import { keyInvalid } from './errors.ts'
import { cookieValue, headerValue, queryValue } from './extract-fields.ts'
import { areaBucket, coordinatesBucket } from './extract-geo.ts'
import { jwtClaim } from './extract-jwt.ts'
import type { GeoLookup, RoutingRequest } from './request.ts'
import { decodeSegment, segmentOf } from './route-index.ts'

/** What one extractor found. `unknown`: there is a value, but the space has no bucket for it. */
export type Extracted =
  | { readonly kind: 'bucket'; readonly bucketIndex: number; readonly key: string }
  | { readonly kind: 'unknown'; readonly key: string }

export interface ExtractContext {
  readonly request: RoutingRequest
  readonly space: CompiledSpace
  readonly geo: GeoLookup | undefined
}

/** undefined: the request has no such value, so the next extractor is asked. @throws TOPO_KEY_AMBIGUOUS, TOPO_KEY_INVALID */
export function extract(extractor: CompiledExtractor, context: ExtractContext): Extracted | undefined {
  const { request, space } = context
  switch (extractor.kind) {
    case 'header':
      return byHeader(space, headerValue(request.headers, extractor.name))
    case 'cookie':
      return byKey(space, cookieValue(request.headers, extractor.name))
    case 'query':
      return byKey(space, queryValue(request.query, extractor.name))
    case 'jwt':
      return byKey(space, jwtClaim(request.headers, extractor.name))
    case 'const':
      return byKey(space, extractor.name)
    case 'path': {
      const raw = segmentOf(extractor.pattern, extractor.segmentIndex, request.path)
      return raw === undefined ? undefined : byKey(space, decodeSegment(raw))
    }
    case 'id-query':
      return byId(space, queryValue(request.query, extractor.name), extractor.source)
    case 'id-path': {
      const raw = segmentOf(extractor.pattern, extractor.segmentIndex, request.path)
      return raw === undefined ? undefined : byId(space, decodeSegment(raw), extractor.source)
    }
    case 'geoip':
      return areaBucket(space, context.geo?.lookup(request.clientIp), extractor.field)
    case 'coordinates':
      return coordinatesBucket(space, request.headers, extractor)
  }
}

function byHeader(space: CompiledSpace, raw: string | undefined): Extracted | undefined {
  return raw === undefined ? undefined : placed(space, canonicalHeaderKey(raw, space.config))
}

function byKey(space: CompiledSpace, raw: string | undefined): Extracted | undefined {
  return raw === undefined ? undefined : placed(space, canonicalKey(raw, space.config))
}

function placed({ config, byKey, hashBuckets }: CompiledSpace, key: string): Extracted {
  const known = byKey.size === 0 ? undefined : byKey.get(key)
  if (known !== undefined) return { kind: 'bucket', bucketIndex: known, key }
  if (config.kind === 'hash') return { kind: 'bucket', bucketIndex: bucketOfKey(key, hashBuckets), key }
  return { kind: 'unknown', key }
}

const ID_RULES = { keyType: 'integer', fold: 'none' } as const
const INT64_MAX = 9_223_372_036_854_775_807n

function byId(space: CompiledSpace, raw: string | undefined, source: string): Extracted | undefined {
  if (raw === undefined) return undefined
  const id = BigInt(canonicalKey(raw, ID_RULES))
  if (id > INT64_MAX) throw keyInvalid({ source, reason: 'it is not a bucket-carrying id' })
  const { bucket } = decodeBucketId(id)
  if (bucket >= Math.min(space.hashBuckets, BUCKET_ID_BUCKETS_MAX)) throw keyInvalid({ source, reason: 'it carries a bucket that its space has not' })
  return { kind: 'bucket', bucketIndex: bucket, key: '' }
}

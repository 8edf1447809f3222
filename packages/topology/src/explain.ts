import { isCellwayError } from '@cellway/base'
import { type ClassifyOptions, classify, findCompiledRoute, operationOf } from './classify.ts'
import { bucketView, type CompiledRoute, type CompiledSnapshot } from './compile.ts'
import type { RouteConfig } from './config.ts'
import { crc32OfText } from './crc32.ts'
import { extract } from './extract.ts'
import type { CellId } from './ids.ts'
import { judge } from './judge.ts'
import type { RoutingRequest } from './request.ts'
import type { BucketView, Classification, Operation, Verdict } from './verdict.ts'

/** What became of one extractor. */
export type Tried =
  | { readonly source: string; readonly result: 'found'; readonly key: string }
  | { readonly source: string; readonly result: 'unknown-value'; readonly key: string }
  | { readonly source: string; readonly result: 'absent' | 'not-asked' }
  | { readonly source: string; readonly result: 'refused'; readonly code: string; readonly reason: string }

export interface ExplainedError {
  readonly code: string
  readonly statusCode: number
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

/** Every step of one decision, as data. Plain JSON. */
export interface Explanation {
  readonly version: number
  readonly selfCell: CellId
  readonly request: { readonly method: string; readonly host: string; readonly path: string }
  readonly operation: Operation | undefined
  readonly route: ExplainedRoute | undefined
  readonly tried: readonly Tried[]
  readonly key:
    | { readonly source: string; readonly canonical: string /** CRC-32; only where it decided the bucket. */; readonly hash: number | undefined }
    | undefined
  readonly bucket: BucketView | undefined
  readonly verdict: {
    readonly kind: Verdict['kind']
    readonly cell: CellId | undefined
    readonly why: string
    readonly error: ExplainedError | undefined
  }
  /** Where the gateway of `selfCell` would send it: instances of its app, or another cell's gateway. */
  readonly upstreams: readonly string[]
}

export interface ExplainedRoute {
  readonly name: string
  readonly match: RouteConfig['match']
  readonly app: string
  readonly space: string | undefined
  readonly missing: string | undefined
  readonly reads: string | undefined
}

export function explain(compiled: CompiledSnapshot, request: RoutingRequest, options: ClassifyOptions): Explanation {
  const classification = classify(compiled, request, options)
  const route = findCompiledRoute(compiled, request)
  const { method, host, path } = request
  const bucket = classification.kind === 'bucket' ? bucketView(compiled, classification.spaceIndex, classification.bucketIndex) : undefined
  const verdict = explainVerdict(compiled, classification, options.selfCell)
  return {
    version: compiled.snapshot.version,
    selfCell: options.selfCell,
    request: { method, host, path },
    operation: route === undefined ? undefined : operationOf(route, method),
    route: route === undefined ? undefined : explainRoute(route.config),
    tried: route === undefined ? [] : explainTried(route, request, options),
    key: explainKey(compiled, classification),
    bucket,
    verdict,
    upstreams: upstreamsOf(compiled, classification, { verdict, selfCell: options.selfCell })
  }
}

function explainRoute(config: RouteConfig): ExplainedRoute {
  const { name, match, app } = config
  if (config.kind === 'local') return { name, match, app, space: undefined, missing: undefined, reads: undefined }
  return { name, match, app, space: config.space, missing: config.missing, reads: config.reads }
}

function explainTried({ target }: CompiledRoute, request: RoutingRequest, { geo }: ClassifyOptions): readonly Tried[] {
  const tried: Tried[] = []
  let decided = false
  for (const extractor of target?.extractors ?? []) {
    const { source } = extractor
    if (decided || target === undefined) {
      tried.push({ source, result: 'not-asked' })
      continue
    }
    try {
      const found = extract(extractor, { request, space: target.space, geo })
      decided = found !== undefined
      if (found === undefined) tried.push({ source, result: 'absent' })
      else tried.push({ source, result: found.kind === 'bucket' ? 'found' : 'unknown-value', key: found.key })
    } catch (error) {
      if (!isCellwayError(error)) throw error
      decided = true
      tried.push({ source, result: 'refused', code: error.code, reason: String(error.details.reason ?? error.message) })
    }
  }
  return tried
}

function explainKey(compiled: CompiledSnapshot, classification: Classification): Explanation['key'] {
  if (classification.kind !== 'bucket') return undefined
  const { key, keySource, spaceIndex, bucketIndex } = classification
  const hashBuckets = compiled.spaces[spaceIndex]?.hashBuckets ?? 0
  return { source: keySource, canonical: key, hash: key !== '' && bucketIndex < hashBuckets ? crc32OfText(key) : undefined }
}

function explainVerdict(compiled: CompiledSnapshot, classification: Classification, selfCell: CellId): Explanation['verdict'] {
  if (classification.kind === 'refused') {
    return { kind: 'refuse', cell: undefined, why: classification.error.message, error: explainError(classification.error) }
  }
  const verdict = judge(compiled, classification, { selfCell, hopped: false })
  const { kind, why } = verdict
  const cell = kind === 'local' ? selfCell : kind === 'hop' ? verdict.cell : undefined
  return { kind, cell, why, error: kind === 'refuse' ? explainError(verdict.error) : undefined }
}

function explainError({ code, statusCode, message, details }: Extract<Verdict, { kind: 'refuse' }>['error']): ExplainedError {
  return { code, statusCode, message, details }
}

interface Decided {
  readonly verdict: Explanation['verdict']
  readonly selfCell: CellId
}

function upstreamsOf({ snapshot }: CompiledSnapshot, { route }: Classification, { verdict, selfCell }: Decided): readonly string[] {
  if (verdict.cell === undefined || route === undefined) return []
  const cell = snapshot.topology.cells[verdict.cell]
  if (cell === undefined) return []
  return verdict.cell === selfCell ? (cell.apps[route.app] ?? []) : [cell.gateway]
}

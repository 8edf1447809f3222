import { CONTEXT_HEADERS, type Snapshot, verifyContext } from '@cellway/topology'
import { FORGED, type Seen, SMUGGLED_TARGET } from './corpus.ts'
import { allValues, canonicalName, firstValue } from './http1-head.ts'
import type { ClientView } from './raw-client.ts'
import type { Taken, UpstreamRequest } from './recording-upstream.ts'
import type { Answer } from './strict-response-reader.ts'

/** What the judge knows about the installation under test. */
export interface World {
  readonly signingKey: Buffer
  readonly snapshot: Snapshot
}

const INTERNAL = new Set<string>(CONTEXT_HEADERS)
/** Headers of an answer that may carry our prefix. */
const PUBLIC = new Set(['x-cellway-served-by', 'x-cellway-request-id'])

/** Rules for everything that reaches an upstream, whatever the client sent. */
export function upstreamProblems(taken: Taken, world: World): readonly string[] {
  return [
    ...taken.problems.map((problem) => `ambiguous bytes at ${problem}`),
    ...taken.requests.flatMap((request) => requestProblems(request, world))
  ]
}

export function seenProblems(request: UpstreamRequest, see: Seen): readonly string[] {
  const problems: string[] = []
  const differ = (what: string, want: unknown, got: unknown): void => {
    problems.push(`upstream saw ${what} ${short(got)}, want ${short(want)}`)
  }
  if (see.upstream !== undefined && request.upstream !== see.upstream) differ('cell', see.upstream, request.upstream)
  if (see.method !== undefined && request.method !== see.method) differ('method', see.method, request.method)
  if (see.target !== undefined && request.target !== see.target) differ('target', see.target, request.target)
  for (const [name, want] of Object.entries(see.headers ?? {})) {
    const got = allValues(request.headers, name)
    if (want === undefined ? got.length > 0 : got.length !== 1 || got[0] !== want) differ(`header ${name}`, want, got)
  }
  if (see.body !== undefined && !request.body.equals(Buffer.from(see.body))) differ('body', see.body, request.body.toString('latin1'))
  return problems
}

/** Rules for everything that reaches the client. */
export function answerProblems(view: ClientView): readonly string[] {
  const problems = view.problems.map((problem) => `answer: ${problem}`)
  for (const answer of view.answers) {
    for (const [name] of answer.headers) {
      const canonical = canonicalName(name)
      if (canonical.startsWith('x-cellway-') && !PUBLIC.has(canonical)) problems.push(`answer shows internal header ${name}`)
    }
    if (answer.interim.some((status) => status !== 100 && status !== 103)) problems.push(`answer with interim ${answer.interim}`)
  }
  return problems
}

/** A refusal of ours says its code in JSON and is whole. */
export function refusalProblems(answer: Answer, statuses: readonly number[]): readonly string[] {
  const problems: string[] = []
  if (!statuses.includes(answer.status)) problems.push(`status ${answer.status}, want ${statuses.join(' or ')}`)
  if (!answer.complete) problems.push('the refusal is not complete')
  if (firstValue(answer.headers, 'content-type')?.startsWith('application/json') !== true) return [...problems, 'the refusal is no JSON']
  const code = /"code":"((?:GW|TOPO)_[A-Z_]+)"/.exec(answer.body.toString())?.[1]
  if (code === undefined && answer.body.length > 0) problems.push(`no error code in ${short(answer.body.toString())}`)
  return problems
}

export function short(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 160 ? `${text.slice(0, 160)}… (${text.length})` : text
}

function requestProblems(request: UpstreamRequest, world: World): readonly string[] {
  const problems: string[] = []
  if (request.target === SMUGGLED_TARGET) problems.push('a smuggled request reached the upstream')
  if (request.trailers.length > 0) problems.push(`trailers reached the upstream: ${short(request.trailers)}`)
  for (const [name, value] of request.headers) {
    const canonical = canonicalName(name)
    if (!canonical.startsWith('x-cellway-')) continue
    if (canonical !== name.toLowerCase()) problems.push(`alias of an internal header reached the upstream: ${name}`)
    if (value.includes(FORGED)) problems.push(`forged value reached the upstream: ${name}`)
    if (!INTERNAL.has(canonical) && !PUBLIC.has(canonical)) problems.push(`unknown internal header reached the upstream: ${name}`)
  }
  for (const name of CONTEXT_HEADERS) if (allValues(request.headers, name).length > 1) problems.push(`${name} came more than once`)
  return [...problems, ...contextProblems(request, world)]
}

/** The internal headers must be ours: signed, of the cell that got the request, and true under the snapshot. */
function contextProblems(request: UpstreamRequest, { signingKey, snapshot }: World): readonly string[] {
  const verified = verifyContext((name) => firstValue(request.headers, name), { signingKey, nowSeconds: Math.floor(Date.now() / 1000) })
  if (!verified.ok) return [`internal headers are not ours: ${verified.reason}`]
  const { cell, space, bucket, epoch, hop } = verified.context
  const problems: string[] = []
  if (cell !== request.upstream) problems.push(`x-cellway-cell says ${cell}, the request came to ${request.upstream}`)
  const hops = request.upstream === 'beijing' ? 0 : 1
  if (hop.count !== hops) problems.push(`hop count ${hop.count}, want ${hops}`)
  if (bucket === undefined) return request.target.startsWith('/api/') ? [...problems, 'no bucket on a routed request'] : problems
  const entry = snapshot.ledger.find((candidate) => candidate.space === space && candidate.bucket === bucket)
  if (entry?.owner !== request.upstream) problems.push(`bucket ${bucket} belongs to ${entry?.owner}, the request came to ${request.upstream}`)
  if (entry?.epoch !== epoch) problems.push(`epoch ${epoch}, want ${entry?.epoch}`)
  return problems
}

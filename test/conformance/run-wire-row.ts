import type { Seen } from './corpus.ts'
import type { WireRow } from './http2-corpus.ts'
import { bodyOf, connectWire, headersFrame, isEnded, outcomeOf, type WireClient } from './http2-wire.ts'
import { seenProblems, short, upstreamProblems, type World } from './judge.ts'
import type { RecordingUpstream, Taken } from './recording-upstream.ts'

/** What a row is run against: the gateway, or a proxy that is known to be wrong. */
export interface WireTarget {
  readonly port: number
  readonly ca: string
  readonly upstreams: readonly RecordingUpstream[]
  readonly world: World
  readonly deadlineMs: number
}

const FENCE_TARGET = '/open/fence'
const FENCE: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'shop.example'],
  [':path', FENCE_TARGET]
]

/** Sends one row on a connection of its own and returns every way in which the target broke its expectation. */
export async function runWireRow(row: WireRow, target: WireTarget): Promise<readonly string[]> {
  const late = takeAll(target)
  using client = await connectWire(target.port, target.ca)
  client.send(...row.frames)
  const settled = await client.until((seen) => outcomeOf(seen, 1) !== 'open' || outcomeOf(seen, 2) !== 'open' || seen.closed, target.deadlineMs)
  const succeeds = outcomeOf(client, 1) === 'success'
  const ended = !succeeds || (await client.until((seen) => isEnded(seen, 1) || seen.closed, target.deadlineMs))
  const fence = await fenceProblems(target)
  const taken = takeAll(target)
  return [
    ...late.requests.map((request) => `late from an earlier row: ${request.target}`),
    ...(settled ? [] : ['nothing settled in time']),
    ...(ended ? [] : ['the answer does not end']),
    ...judge(row, client, taken),
    ...upstreamProblems(taken, target.world),
    ...fence
  ]
}

function judge({ expect }: WireRow, client: WireClient, taken: Taken): readonly string[] {
  const outcome = outcomeOf(client, 1)
  switch (expect.kind) {
    case 'clean':
      return outcome === 'success' ? oneRequest(taken, expect.see) : [`outcome ${outcome}, want success: ${short(bodyOf(client, 1).toString())}`]
    case 'refused-or-clean':
      return outcome === 'success' ? oneRequest(taken, expect.see) : nothing(taken)
    case 'refused':
      return [...(outcome === 'success' ? ['answered with success'] : []), ...nothing(taken)]
    case 'never-complete':
      return [
        ...(outcome === 'success' ? ['answered with success'] : []),
        ...taken.requests.map(({ method, target }) => `a complete request reached the upstream: ${method} ${target}`)
      ]
  }
}

function nothing(taken: Taken): readonly string[] {
  return taken.bytes === 0
    ? []
    : [`${taken.bytes} bytes reached the upstream: ${short([...taken.requests.map(({ target }) => target), ...taken.unfinished])}`]
}

function oneRequest(taken: Taken, see: Seen): readonly string[] {
  const [request] = taken.requests
  return request && taken.requests.length === 1 ? seenProblems(request, see) : [`${taken.requests.length} requests at the upstream, want 1`]
}

/** A second client: its answer shows that the row harmed nobody else, and comes after all that the row set off. */
async function fenceProblems(target: WireTarget): Promise<readonly string[]> {
  using client = await connectWire(target.port, target.ca)
  client.send(headersFrame(1, FENCE))
  await client.until((seen) => isEnded(seen, 1) || seen.closed, target.deadlineMs)
  const outcome = outcomeOf(client, 1)
  return outcome === 'success' ? [] : [`the next good request: ${outcome}`]
}

export function takeAll({ upstreams }: Pick<WireTarget, 'upstreams'>): Taken {
  const all = upstreams.map((upstream) => upstream.take())
  const requests = all.flatMap((taken) => taken.requests)
  const fenceBytes = requests.filter(({ target }) => target === FENCE_TARGET).reduce((sum, { bytes }) => sum + bytes, 0)
  return {
    requests: requests.filter(({ target }) => target !== FENCE_TARGET),
    problems: all.flatMap((taken) => taken.problems),
    bytes: all.reduce((sum, taken) => sum + taken.bytes, 0) - fenceBytes,
    unfinished: all.flatMap((taken) => taken.unfinished)
  }
}

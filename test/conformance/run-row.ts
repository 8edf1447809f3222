import type { CorpusRow } from './corpus.ts'
import type { GoodAnswer, GoodRow } from './good-requests.ts'
import { allValues } from './http1-head.ts'
import { answerProblems, refusalProblems, seenProblems, short, upstreamProblems, type World } from './judge.ts'
import { type ClientView, connectRaw, type RawClient, type RawClientOptions, type Slicing } from './raw-client.ts'
import type { RecordingUpstream, Taken } from './recording-upstream.ts'

/** What a row is run against: the gateway, or a proxy that is known to be wrong. */
export interface Target {
  readonly port: number
  /** Speak HTTP/1.1 inside of TLS, trusting this certificate. */
  readonly tls?: { readonly ca: string }
  readonly upstreams: readonly RecordingUpstream[]
  readonly world: World
  /** How long a row may take; a gateway that hangs fails the row. */
  readonly deadlineMs: number
}

export const FENCE_TARGET = '/open/fence'
const FENCE = Buffer.from(`GET ${FENCE_TARGET} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n`)

/** Sends one row and returns every way in which the target broke its expectation; empty = passed. */
export async function runRow(row: CorpusRow, target: Target, slicing: Slicing = 'whole'): Promise<readonly string[]> {
  const late = takeAll(target)
  using client = await connectRaw({ ...connection(target), methods: methodsOf(row.bytes) })
  await client.send(row.bytes, slicing)
  if (row.thenEnd) client.end()
  const inTime = await client.until((view) => isSettled(row, view), target.deadlineMs)
  const fence = await fenceProblems(target)
  const taken = takeAll(target)
  const view = client.view()
  const timeout = inTime ? [] : [`nothing settled within ${target.deadlineMs} ms`]
  return [
    ...lateProblems(late),
    ...timeout,
    ...judgeRow(row, view, taken, slicing),
    ...answerProblems(view),
    ...upstreamProblems(taken, target.world),
    ...fence
  ]
}

/** The same for a good request, with what the client must see. */
export async function runGoodRow(row: GoodRow, target: Target, slicing: Slicing = 'whole'): Promise<readonly string[]> {
  const late = takeAll(target)
  using client = await connectRaw({ ...connection(target), methods: methodsOf(row.bytes) })
  await client.send(row.bytes, slicing)
  const continued = await sendAfterContinue(row, client, target)
  const settled = (view: ClientView): boolean =>
    view.closed || (!row.closes && view.answers.filter(({ complete }) => complete).length >= row.answers.length)
  const inTime = await client.until(settled, target.deadlineMs)
  const fence = await fenceProblems(target)
  const taken = takeAll(target)
  const view = client.view()
  const problems = [...lateProblems(late), ...continued, ...(inTime ? [] : [`nothing settled within ${target.deadlineMs} ms`])]
  problems.push(...requestsProblems(taken, row.see), ...answerProblems(view), ...upstreamProblems(taken, target.world), ...fence)
  if (row.closes && !view.closed) problems.push('the connection stays open')
  if (view.answers.length !== row.answers.length) problems.push(`${view.answers.length} answers, want ${row.answers.length}`)
  for (const [index, want] of row.answers.entries()) problems.push(...goodAnswerProblems(view, index, want, row))
  return problems
}

function judgeRow({ expect }: CorpusRow, view: ClientView, taken: Taken, slicing: Slicing): readonly string[] {
  const [first, second] = view.answers
  // A client that goes on writing after it was refused can be met by a reset, and a reset may overtake the refusal.
  const mayBeLost = slicing !== 'whole' && view.reset
  switch (expect.kind) {
    case 'refused':
      return [...nothingReached(taken), ...closedAfter(view), ...oneRefusal(view, expect.statuses, expect.silent || mayBeLost)]
    case 'declined':
      return [...nothingReached(taken), ...oneRefusal(view, expect.statuses, mayBeLost)]
    case 'clean':
      return [...requestsProblems(taken, expect.see), ...successes(view, expect.see.length)]
    case 'refused-or-clean':
      return first?.status === 200
        ? [...requestsProblems(taken, [expect.see]), ...successes(view, 1)]
        : [...nothingReached(taken), ...oneRefusal(view, expect.statuses, mayBeLost)]
    case 'first-then-refused':
      return [
        ...requestsProblems(taken, [expect.see]),
        ...closedAfter(view),
        ...(first?.status === 200 && first.complete ? [] : [`first answer ${first?.status}, want a whole 200`]),
        ...(second === undefined ? (mayBeLost ? [] : ['no refusal after the first answer']) : refusalProblems(second, expect.statuses)),
        ...(view.answers.length > 2 ? [`${view.answers.length} answers, want 2`] : [])
      ]
    case 'never-complete':
      return [
        ...(taken.requests.length > 0 ? [`a complete request reached the upstream: ${short(taken.requests[0]?.target)}`] : []),
        ...closedAfter(view),
        ...oneRefusal(view, expect.statuses, true)
      ]
  }
}

function isSettled({ expect }: CorpusRow, view: ClientView): boolean {
  if (view.closed) return true
  const whole = view.answers.filter(({ complete }) => complete).length
  switch (expect.kind) {
    case 'clean':
      return whole >= expect.see.length
    case 'declined':
      return whole >= 1
    case 'refused-or-clean':
      return whole >= 1
    default:
      return false
  }
}

function nothingReached(taken: Taken): readonly string[] {
  const [request] = taken.requests
  if (request) return [`reached the upstream: ${request.method} ${short(request.target)}`]
  return taken.bytes > 0 ? [`${taken.bytes} bytes reached the upstream: ${short(taken.unfinished)}`] : []
}

function closedAfter(view: ClientView): readonly string[] {
  return view.closed ? [] : ['the connection stays open']
}

function oneRefusal(view: ClientView, statuses: readonly number[], silent: boolean): readonly string[] {
  const [first, ...more] = view.answers
  if (!first) return silent ? [] : ['no answer']
  return [...refusalProblems(first, statuses), ...(more.length > 0 ? [`${view.answers.length} answers, want 1`] : [])]
}

function successes(view: ClientView, count: number): readonly string[] {
  const statuses = view.answers.map(({ status }) => status)
  return statuses.length === count && statuses.every((status) => status === 200) ? [] : [`answers ${short(statuses)}, want ${count} times 200`]
}

function requestsProblems(taken: Taken, see: Extract<CorpusRow['expect'], { kind: 'clean' }>['see']): readonly string[] {
  if (taken.requests.length !== see.length) {
    return [
      `${taken.requests.length} requests at the upstream, want ${see.length}: ${short(taken.requests.map(({ method, target }) => `${method} ${target}`))}`
    ]
  }
  // Answers must be in order, requests need not be: pipelined ones may go to different connections.
  return see.flatMap((want, index) => {
    const request = taken.requests.find(({ target }) => target === want.target) ?? taken.requests[index]
    return request ? seenProblems(request, want) : []
  })
}

function goodAnswerProblems(view: ClientView, index: number, want: GoodAnswer, row: GoodRow): readonly string[] {
  const answer = view.answers[index]
  if (!answer) return [`no answer ${index}`]
  const problems: string[] = []
  if (!answer.complete) problems.push(`answer ${index} is cut off`)
  if (answer.status !== want.status) problems.push(`answer ${index}: status ${answer.status}, want ${want.status}`)
  for (const [name, value] of Object.entries(want.headers ?? {})) {
    const got = allValues(answer.headers, name)
    const wanted = value === undefined ? [] : typeof value === 'string' ? [value] : value
    if (JSON.stringify(got) !== JSON.stringify(wanted)) problems.push(`answer ${index}: header ${name} ${short(got)}, want ${short(wanted)}`)
  }
  if (want.body !== undefined && !answer.body.equals(Buffer.from(want.body)))
    problems.push(`answer ${index}: body ${short(answer.body.toString('latin1'))}`)
  const target = row.see[index]?.target
  const isEcho = want.body === undefined && want.status === 200 && target !== undefined && row.see[index]?.method !== 'HEAD'
  if (isEcho && !answer.body.toString().includes(JSON.stringify(target))) problems.push(`answer ${index} is not the one for ${target}`)
  return problems
}

async function sendAfterContinue(row: GoodRow, client: RawClient, target: Target): Promise<readonly string[]> {
  if (!row.afterContinue) return []
  const continued = await client.until(({ interim }) => interim, target.deadlineMs)
  await client.send(row.afterContinue, 'whole')
  return continued ? [] : ['no 100 Continue']
}

/**
 * A request of its own through the same gateway: after its answer, everything that the row set off has been handled,
 * and it shows that the gateway still serves.
 */
async function fenceProblems(target: Target): Promise<readonly string[]> {
  using client = await connectRaw({ ...connection(target), methods: ['GET'] })
  await client.send(FENCE, 'whole')
  await client.until(({ answers }) => answers.some(({ complete }) => complete), target.deadlineMs)
  const status = client.view().answers[0]?.status
  return status === 200 ? [] : [`the next good request got ${status}`]
}

function connection({ port, tls }: Target): Pick<RawClientOptions, 'port' | 'tls'> {
  return tls ? { port, tls } : { port }
}

function takeAll({ upstreams }: Target): Taken {
  const all = upstreams.map((upstream) => upstream.take())
  const requests = all.flatMap((taken) => taken.requests)
  const fences = requests.filter(({ target }) => target === FENCE_TARGET)
  return {
    requests: requests.filter(({ target }) => target !== FENCE_TARGET),
    problems: all.flatMap((taken) => taken.problems),
    bytes: all.reduce((sum, taken) => sum + taken.bytes, 0) - fences.reduce((sum, fence) => sum + fence.bytes, 0),
    unfinished: all.flatMap((taken) => taken.unfinished)
  }
}

/** Between two rows nothing may come: what does is the doing of an earlier row. */
function lateProblems(late: Taken): readonly string[] {
  return late.requests.map(({ method, target }) => `late from an earlier row: ${method} ${target}`)
}

function methodsOf(bytes: Buffer): readonly string[] {
  return [...bytes.toString('latin1').matchAll(/(?:^|\n)([A-Z]+) \S+ HTTP\/1\.[01]\r\n/g)].map(([, method = 'GET']) => method)
}

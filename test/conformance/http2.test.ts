import { connect as connectHttp2 } from 'node:http2'
import t from 'tap'
import type { Seen } from './corpus.ts'
import { startGateway } from './gateway-fixture.ts'
import { LARGE_BODY } from './good-answers.ts'
import { http2Corpus, type WireRow } from './http2-corpus.ts'
import { bodyOf, connectWire, headersFrame, isEnded, outcomeOf, type WireClient } from './http2-wire.ts'
import { seenProblems, short, upstreamProblems } from './judge.ts'
import type { Taken } from './recording-upstream.ts'

const DEADLINE_MS = 2_000
const FENCE_TARGET = '/open/fence'
const FENCE: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'shop.example'],
  [':path', FENCE_TARGET]
]

t.setTimeout(120_000)

const gateway = await startGateway({ tls: true })
t.teardown(() => gateway[Symbol.asyncDispose]())

for (const [group, rows] of Object.entries(http2Corpus)) {
  t.test(`HTTP/2: ${group}`, async (t) => {
    for (const row of rows) {
      await t.test(`${row.id}: ${row.why}`, async (t) => {
        t.same(await runWireRow(row), [])
      })
    }
  })
}

t.test('a good library client: methods, bodies, large answers, many streams', async (t) => {
  const session = connectHttp2(`https://localhost:${gateway.port}`, { ca: gateway.ca })
  t.teardown(() => session.destroy())
  const ask = (headers: Record<string, string>, body?: Buffer): Promise<{ status: number; body: Buffer }> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':authority': 'shop.example', ...headers }, { endStream: body === undefined })
      const pieces: Buffer[] = []
      let status = 0
      stream.setTimeout(DEADLINE_MS, () => stream.destroy(new Error('no answer in time')))
      stream.on('response', (reply) => {
        status = Number(reply[':status'])
      })
      stream.on('data', (piece: Buffer) => pieces.push(piece))
      stream.on('end', () => resolve({ status, body: Buffer.concat(pieces) }))
      stream.on('error', reject)
      if (body) stream.end(body)
    })
  await t.test('each method', async (t) => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const withBody = ['POST', 'PUT', 'PATCH'].includes(method)
      const reply = await ask({ ':method': method, ':path': '/open/a' }, withBody ? Buffer.from('abc') : undefined)
      t.equal(reply.status, 200)
      t.match(JSON.parse(reply.body.toString()), { method, bodyBytes: withBody ? 3 : 0 })
    }
  })
  await t.test('HEAD and 204 have no body', async (t) => {
    t.match(await ask({ ':method': 'HEAD', ':path': '/open/answer/head' }), { status: 200, body: Buffer.alloc(0) })
    t.match(await ask({ ':path': '/open/answer/204' }), { status: 204, body: Buffer.alloc(0) })
  })
  await t.test('1 MiB each way', async (t) => {
    const up = await ask({ ':method': 'POST', ':path': '/open/a' }, LARGE_BODY)
    t.match(JSON.parse(up.body.toString()), { bodyBytes: LARGE_BODY.length })
    const down = await ask({ ':path': '/open/answer/large' })
    t.ok(down.body.equals(LARGE_BODY))
  })
  await t.test('100 streams at once get their own answers', async (t) => {
    const targets = Array.from({ length: 100 }, (_, index) => `/open/stream/${index}`)
    const replies = await Promise.all(targets.map((target) => ask({ ':path': target })))
    t.same(
      replies.map(({ body }) => JSON.parse(body.toString()).target),
      targets
    )
  })
  t.same(upstreamProblems(takeAll(), gateway.world), [])
})

async function runWireRow(row: WireRow): Promise<readonly string[]> {
  const late = takeAll()
  using client = await connectWire(gateway.port, gateway.ca)
  client.send(...row.frames)
  const settled = await client.until((seen) => outcomeOf(seen, 1) !== 'open' || outcomeOf(seen, 2) !== 'open' || seen.closed, DEADLINE_MS)
  const succeeds = outcomeOf(client, 1) === 'success'
  const ended = !succeeds || (await client.until((seen) => isEnded(seen, 1) || seen.closed, DEADLINE_MS))
  const fence = await fenceProblems()
  const taken = takeAll()
  return [
    ...late.requests.map(({ target }) => `late from an earlier row: ${target}`),
    ...(settled ? [] : ['nothing settled in time']),
    ...(ended ? [] : ['the answer does not end']),
    ...judge(row, client, taken),
    ...upstreamProblems(taken, gateway.world),
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
async function fenceProblems(): Promise<readonly string[]> {
  using client = await connectWire(gateway.port, gateway.ca)
  client.send(headersFrame(1, FENCE))
  await client.until((seen) => isEnded(seen, 1) || seen.closed, DEADLINE_MS)
  const outcome = outcomeOf(client, 1)
  return outcome === 'success' ? [] : [`the next good request: ${outcome}`]
}

function takeAll(): Taken {
  const all = gateway.upstreams.map((upstream) => upstream.take())
  const requests = all.flatMap((taken) => taken.requests)
  const fenceBytes = requests.filter(({ target }) => target === FENCE_TARGET).reduce((sum, { bytes }) => sum + bytes, 0)
  return {
    requests: requests.filter(({ target }) => target !== FENCE_TARGET),
    problems: all.flatMap((taken) => taken.problems),
    bytes: all.reduce((sum, taken) => sum + taken.bytes, 0) - fenceBytes,
    unfinished: all.flatMap((taken) => taken.unfinished)
  }
}

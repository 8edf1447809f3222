import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import t from 'tap'
import { startWorld } from './fixture.ts'
import { type Answer, open, rawConnect, sendRaw } from './http-client.ts'
import { until } from './until.ts'

const local = (name: string, more: object = {}): Readonly<Record<string, unknown>> => ({
  name,
  match: { path: `/${name}/**` },
  class: 'local',
  ...more
})

const world = await startWorld({
  cells: ['beijing'],
  routes: [
    local('limited', { rateLimit: { perSecond: 2, burst: 3 } }),
    local('low', { priority: 'low' }),
    local('high', { priority: 'high' }),
    local('small', { bodyMaxBytes: 1000 }),
    local('medium', { bodyMaxBytes: '200KiB' }),
    local('slow', { timeout: '400ms' })
  ],
  config: { limits: { inFlightMax: 4, headersTimeoutMs: 1_000, requestTimeoutMs: 2_500 } }
})
t.teardown(() => world[Symbol.asyncDispose]())

const { first: cell } = world
const { app } = cell
const chunked = (bytes: number): Readable => Readable.from(Array.from({ length: Math.ceil(bytes / 1000) }, () => randomBytes(1000)))

t.beforeEach(() => {
  app.handler = undefined
  world.take()
})

t.test('rate limit: the burst passes, then 429 with Retry-After, then as many as the rate allows; other routes do not notice', async (t) => {
  const answers: Answer[] = []
  for (let turn = 0; turn < 4; turn++) answers.push(await cell.send('/limited/x', { method: 'POST', body: 'x' }))
  t.same(
    answers.map((answer) => answer.status),
    [200, 200, 200, 429]
  )
  t.same([answers[3]?.code, answers[3]?.headers['retry-after']], ['GW_RATE_LIMITED', '1'])
  t.match(answers[3]?.json.error.details, { route: 'limited', perSecond: 2 })
  t.equal((await cell.send('/local/x')).status, 200)
  await until('the bucket fills again', async () => (await cell.send('/limited/x')).status === 200)
  t.equal(world.take().beijing?.length, 3 + 1 + 1, 'what was refused was not sent')
})

t.test('overload: low priority is shed first, then normal, never high', async (t) => {
  const release = Promise.withResolvers<void>()
  app.handler = (_request, response) => {
    release.promise.then(
      () => response.end('done'),
      () => undefined
    )
  }
  const pending = [1, 2, 3].map(() => cell.send('/local/x'))
  await until('three requests are in flight', () => app.seen.length === 3)
  const low = await cell.send('/low/x')
  t.same([low.status, low.code, low.headers['retry-after']], [503, 'GW_OVERLOADED', '1'])
  pending.push(cell.send('/local/x'))
  await until('a normal one still passes', () => app.seen.length === 4)
  const normal = await cell.send('/local/x')
  t.same([normal.status, normal.code], [503, 'GW_OVERLOADED'])
  pending.push(cell.send('/high/x'))
  await until('a high one passes', () => app.seen.length === 5)
  release.resolve()
  for (const answer of await Promise.all(pending)) t.equal(answer.status, 200)
  t.equal((await cell.send('/low/x')).status, 200, 'and afterwards everybody')
})

t.test('body limit by Content-Length: 413 before anything is sent', async (t) => {
  const fits = await cell.send('/small/x', { method: 'POST', body: randomBytes(1000) })
  t.equal(fits.json.bodyBytes, 1000)
  const over = await cell.send('/small/x', { method: 'POST', body: randomBytes(1001) })
  t.same([over.status, over.code], [413, 'GW_BODY_TOO_LARGE'])
  t.equal(over.json.error.details.bytesMax, 1000)
  t.equal(world.take().beijing?.length, 1)
})

t.test('body limit without a length: 413 as soon as it is passed, and the app never gets a whole request', async (t) => {
  const inMemory = await cell.send('/small/x', { method: 'POST', body: chunked(3_000) })
  t.same([inMemory.status, inMemory.code], [413, 'GW_BODY_TOO_LARGE'])
  t.equal(world.take().beijing?.length, 0, 'what is kept in memory was not sent')
  const streamed = await cell.send('/medium/x', { method: 'POST', body: chunked(300_000) })
  t.same([streamed.status, streamed.code], [413, 'GW_BODY_TOO_LARGE'])
  await until('the app sees the end of its connection', () => app.seen[0]?.aborted === true)
  t.equal(app.seen[0]?.complete, false)
  const fits = await cell.send('/medium/x', { method: 'POST', body: chunked(150_000) })
  t.equal(fits.json.bodyBytes, 150_000)
})

t.test('a client that goes on sending still gets to read its 413', async (t) => {
  for (let turn = 0; turn < 5; turn++) {
    const raw = await rawConnect(cell.port, 'POST /small/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n')
    for (let piece = 0; piece < 40; piece++) raw.socket.write(Buffer.alloc(100_000))
    t.match(await raw.ended(), /^HTTP\/1\.1 413 .*GW_BODY_TOO_LARGE/s)
  }
})

t.test('an app that answers before it has read the body: the client gets that answer, whole', async (t) => {
  app.handler = (_request, response) => response.writeHead(403, { 'content-length': 2 }).end('no')
  for (let turn = 0; turn < 5; turn++) {
    const raw = await rawConnect(cell.port, 'POST /local/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n')
    for (let piece = 0; piece < 40; piece++) raw.socket.write(Buffer.alloc(100_000))
    t.match(await raw.ended(), /^HTTP\/1\.1 403 .*\r\n\r\nno$/s)
  }
})

t.test('header limits: too many and too large are 431', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`x-h-${at}`, 'v']))
  const tooMany = await cell.send('/local/x', { headers: many })
  t.same([tooMany.status, tooMany.code], [431, 'GW_HEADERS_TOO_LARGE'])
  const tooLarge = await cell.send('/local/x', { headers: { 'x-large': 'v'.repeat(17_000) } })
  t.same([tooLarge.status, tooLarge.code], [431, 'GW_HEADERS_TOO_LARGE'])
  const fine = await cell.send('/local/x', { headers: { 'x-large': 'v'.repeat(12_000) } })
  t.equal(fine.status, 200)
  t.equal(world.take().beijing?.length, 1)
})

t.test('URL limit: 414', async (t) => {
  const long = await cell.send(`/local/${'x'.repeat(8_192)}`)
  t.same([long.status, long.code], [414, 'GW_URL_TOO_LONG'])
  const fine = await cell.send(`/local/${'x'.repeat(8_000)}`)
  t.equal(fine.status, 200)
})

t.test('an app that does not answer in time: 504, and the client is told what is known', async (t) => {
  app.handler = () => undefined
  const answer = await cell.send('/slow/x', { method: 'POST', body: 'x' })
  t.same([answer.status, answer.code], [504, 'GW_UPSTREAM_TIMEOUT'])
  t.match(answer.json.error.details, { cell: 'beijing', timeoutMs: 400, executed: 'unknown' })
  t.ok(answer.ms < 5_000)
  t.equal(world.take().beijing?.length, 1, 'not sent again')
})

t.test('a client that is slow with its head or its body is cut off with 408', async (t) => {
  const cases = {
    head: 'GET /local/x HTTP/1.1\r\nHost: a\r\nX-Slow: ',
    'body with a length': 'POST /local/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf',
    'chunked body': 'POST /local/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'
  }
  const ends = Object.entries(cases).map(async ([name, bytes]) => {
    const { status, code } = await sendRaw(cell.port, bytes)
    t.same([status, code], [408, 'GW_REQUEST_TIMEOUT'], name)
  })
  await Promise.all(ends)
  t.equal(world.take().beijing?.length, 0)
})

t.test('what is no plain HTTP request is refused with its own code', async (t) => {
  const head = 'Host: a\r\nConnection: close\r\n\r\n'
  const rows: readonly (readonly [string, number, string])[] = [
    [`TRACE /local/x HTTP/1.1\r\n${head}`, 405, 'GW_METHOD_REFUSED'],
    [`GET /local/x HTTP/2.0\r\n${head}`, 505, 'GW_VERSION_REFUSED'],
    [`POST /local/x HTTP/1.1\r\nExpect: magic\r\nContent-Length: 0\r\n${head}`, 417, 'GW_EXPECTATION_FAILED'],
    [`GET /local/x HTTP/1.1\r\nHost: b\r\n${head}`, 400, 'GW_BAD_REQUEST'],
    ['GET /local/x HTTP/1.1\r\nHost: a\r\nConnection: close, x-cellway-key\r\n\r\n', 400, 'GW_HEADER_FORBIDDEN']
  ]
  for (const [bytes, status, code] of rows) {
    const answer = await sendRaw(cell.port, bytes)
    t.same([answer.status, answer.code], [status, code], code)
  }
  t.equal(world.take().beijing?.length, 0)
})

t.test('an answer that is not safe to pass on is 502 GW_UPSTREAM_INVALID', async (t) => {
  app.handler = (_request, response) => response.writeHead(999).end()
  const odd = await cell.send('/local/x', { method: 'POST', body: 'x' })
  t.same([odd.status, odd.code], [502, 'GW_UPSTREAM_INVALID'])
  app.handler = (_request, response) => {
    for (let turn = 0; turn < 20; turn++) response.writeProcessing()
    response.end('late')
  }
  const flood = await cell.send('/local/x', { method: 'POST', body: 'x' })
  t.same([flood.status, flood.code], [502, 'GW_UPSTREAM_INVALID'])
})

t.test('a client that aborts its upload ends the request at the app, too', async (t) => {
  const sent = open(cell.origin, '/local/x', { method: 'POST', body: Readable.from(endless()) })
  await until('the app gets it', () => (app.seen[0]?.bodyBytes ?? 0) > 200_000)
  sent.request.destroy()
  await until('the app sees the end', () => app.seen[0]?.aborted === true)
  t.equal(app.seen[0]?.complete, false)
})

function* endless(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(16_384)
}

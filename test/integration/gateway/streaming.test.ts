import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { bucketAt, startWorld, userAt } from './fixture.ts'
import { open, rawConnect, readText } from './http-client.ts'
import { until, within } from './until.ts'

/** After this much silence a body counts as dead; event streams may be silent for as long as they like. */
const IDLE_MS = 1_500
const MIB = 1024 * 1024

const world = await startWorld({
  cells: ['beijing', 'shanghai'],
  config: { upstream: { bodyIdleTimeoutMs: IDLE_MS }, drain: { deadlineMs: 12_000 } }
})
t.teardown(() => world[Symbol.asyncDispose]())

const beijing = world.cell('beijing')
const shanghai = world.cell('shanghai')

t.beforeEach(() => {
  for (const cell of world.cells()) cell.app.handler = undefined
  world.take()
})

/** Collects what comes; `aborted` tells a broken end from a clean one. */
function follow(response: IncomingMessage): { text(): string; bytes(): number; readonly end: Promise<'clean' | 'broken'> } {
  let text = ''
  let bytes = 0
  const end = Promise.withResolvers<'clean' | 'broken'>()
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (text.length < 65_536) text += chunk.toString('latin1')
  })
  response.on('end', () => end.resolve('clean'))
  response.on('error', () => end.resolve('broken'))
  response.on('close', () => end.resolve(response.complete ? 'clean' : 'broken'))
  return { text: () => text, bytes: () => bytes, end: end.promise }
}

for (const [how, user] of [
  ['in the own cell', userAt('beijing')],
  ['across a hop', userAt('shanghai')]
] as const) {
  const app = how === 'across a hop' ? shanghai.app : beijing.app

  t.test(`${how}: the first byte arrives before the last is produced`, async (t) => {
    const parts = { response: undefined as ServerResponse | undefined }
    app.handler = (_request, response) => {
      parts.response = response
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('first ')
    }
    const { response } = open(beijing.origin, '/users/stream', { headers: user })
    const followed = follow(await within('the head', response))
    await until('the first part', () => followed.text() === 'first ')
    parts.response?.end('last')
    t.equal(await followed.end, 'clean')
    t.equal(followed.text(), 'first last')
  })

  t.test(`${how}: a large upload reaches the app while it is still being sent`, async (t) => {
    const { request, response } = open(beijing.origin, '/users/upload', { method: 'POST', headers: user, body: Readable.from(endless(3 * MIB)) })
    await until('the app has the beginning', () => (app.seen[0]?.bodyBytes ?? 0) > MIB)
    t.equal(app.seen[0]?.complete, false)
    const answer = await within('the answer', response)
    t.match(JSON.parse(await readText(answer)), { bodyBytes: 3 * MIB })
    request.destroy()
  })

  t.test(`${how}: an app that dies in the middle of its answer never looks like a clean end`, async (t) => {
    for (const headers of [{ 'content-length': 100 }, {}]) {
      app.handler = (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', ...headers })
        response.write('half of it', () => response.destroy())
      }
      const { response } = open(beijing.origin, '/users/stream', { headers: user })
      const followed = follow(await within('the head', response))
      t.equal(await within('the end', followed.end), 'broken')
    }
  })

  t.test(`${how}: a client that goes away ends the answer at the app`, async (t) => {
    app.handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      pump(response)
    }
    const { request, response } = open(beijing.origin, '/users/stream', { headers: user })
    const followed = follow(await within('the head', response))
    await until('some of it has come', () => followed.bytes() > MIB)
    request.destroy()
    await until('the app hears of it', () => app.seen[0]?.aborted === true)
    t.equal(await followed.end, 'broken')
  })

  t.test(`${how}: events pass one by one, and a silent stream stays open`, async (t) => {
    const events = { response: undefined as ServerResponse | undefined }
    app.handler = (_request, response) => {
      events.response = response
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.flushHeaders()
    }
    const { request, response } = open(beijing.origin, '/users/events', { headers: { ...user, accept: 'text/event-stream' } })
    const followed = follow(await within('the head', response))
    for (let turn = 1; turn <= 5; turn++) {
      events.response?.write(`data: ${turn}\n\n`)
      await until(`event ${turn}`, () => followed.text().endsWith(`data: ${turn}\n\n`))
    }
    await delay(IDLE_MS + 1_000)
    events.response?.write('data: after the silence\n\n')
    await until('the event after the silence', () => followed.text().endsWith('data: after the silence\n\n'))
    t.equal(await beijing.gateway.metric('cellway_gateway_streams', { kind: 'event-stream' }), 1)
    request.destroy()
    await until('it is forgotten', async () => (await beijing.gateway.metric('cellway_gateway_streams', { kind: 'event-stream' })) === 0)
  })
}

t.test('event streams of a bucket that moves end cleanly, so that the client connects again; others stay', async (t) => {
  for (const cell of world.cells()) {
    cell.app.handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(`data: ${cell.name}\n\n`)
    }
  }
  const openEvents = async (origin: string, user: Record<string, string>): Promise<ReturnType<typeof follow>> =>
    follow(await within('the head', open(origin, '/users/events', { headers: { ...user, accept: 'text/event-stream' } }).response))
  const moved = await openEvents(beijing.origin, userAt('beijing'))
  const hopped = await openEvents(shanghai.origin, userAt('beijing'))
  const other = await openEvents(beijing.origin, userAt('shanghai'))
  await until('all are open', () => [moved, hopped, other].every((each) => each.text() !== ''))
  await world.setBucket('users', bucketAt('beijing'), { owner: 'shanghai' })
  t.equal(await within('its end', moved.end), 'clean')
  t.equal(await within('the end across the hop', hopped.end), 'clean')
  await until('the old owner hears of it', () => beijing.app.seen.every((seen) => seen.aborted))
  t.equal(shanghai.app.seen.filter((seen) => seen.aborted).length, 0, 'the other stream goes on')
  const again = await openEvents(beijing.origin, userAt('beijing'))
  await until('the new owner serves', () => again.text() === 'data: shanghai\n\n')
  t.ok((await beijing.gateway.metric('cellway_gateway_streams_moved_total', { kind: 'event-stream' })) >= 1)
  await world.setBucket('users', bucketAt('beijing'), { owner: 'beijing' })
  t.equal(await within('its end', again.end), 'clean')
})

t.test('a slow reader holds the app back instead of filling the memory, and one that never reads is cut off', async (t) => {
  beijing.app.handler = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    pump(response)
  }
  const before = await beijing.gateway.workersRssBytes()
  const sleepers = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const sent = open(beijing.origin, '/local/large')
      const response = await within('the head', sent.response)
      response.on('error', () => undefined)
      return response.pause()
    })
  )
  let growth = 0
  await until('the app notices that they were cut off', async () => {
    growth = Math.max(growth, (await beijing.gateway.workersRssBytes()) - before)
    return beijing.app.seen.length === sleepers.length && beijing.app.seen.every((seen) => seen.aborted)
  })
  t.ok(growth < 60 * MIB, `the worker grew by ${Math.round(growth / MIB)} MiB for 5 readers that do not read`)
  for (const response of sleepers) response.destroy()
})

t.test('an app that falls silent in the middle of a body ends the client, not cleanly', async (t) => {
  beijing.app.handler = (_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('then nothing')
  }
  const followed = follow(await within('the head', open(beijing.origin, '/local/silent').response))
  t.equal(await within('the end', followed.end), 'broken')
  t.equal(followed.text(), 'then nothing')
})

t.test('HTTP/1.0: a whole answer ends the connection, a broken one resets it', async (t) => {
  beijing.app.handler = (_request, response) => {
    response.write('some ')
    setTimeout(() => response.end('and all'), 20)
  }
  const whole = await rawConnect(beijing.port, 'GET /local/old HTTP/1.0\r\nHost: a\r\n\r\n')
  t.match(await whole.ended(), /^HTTP\/1\.1 200 OK.*\r\n\r\nsome and all$/s)
  t.equal(whole.wasReset(), false)
  beijing.app.handler = (_request, response) => response.write('some ', () => response.destroy())
  const broken = await rawConnect(beijing.port, 'GET /local/old HTTP/1.0\r\nHost: a\r\n\r\n')
  await broken.ended()
  t.equal(broken.wasReset(), true, 'where the end of the connection is the end of the body, nothing else could tell')
})

t.test('answers without a body stay without one', async (t) => {
  beijing.app.handler = (request, response) =>
    response.writeHead(request.method === 'HEAD' ? 200 : 204, request.method === 'HEAD' ? { 'content-length': 12 } : {}).end()
  const head = await beijing.send('/local/x', { method: 'HEAD' })
  t.same([head.status, head.headers['content-length'], head.text], [200, '12', ''])
  const none = await beijing.send('/local/x')
  t.same([none.status, none.text, none.headers['transfer-encoding']], [204, '', undefined])
})

t.test('drain: event streams end cleanly, requests in flight are answered, the process ends', async (t) => {
  const release = Promise.withResolvers<void>()
  beijing.app.handler = (request, response) => {
    if (request.url === '/local/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
    } else
      release.promise.then(
        () => response.end('answered'),
        () => undefined
      )
  }
  const events = follow(await within('the head', open(beijing.origin, '/local/events', { headers: { accept: 'text/event-stream' } }).response))
  const inFlight = beijing.send('/local/slow')
  await until('the app has both', () => beijing.app.seen.length === 2)
  beijing.gateway.kill('SIGTERM')
  t.equal(await within('the end of the stream', events.end), 'clean')
  t.equal((await beijing.gateway.admin('/health/ready')).status, 503)
  release.resolve()
  const answer = await inFlight
  t.same([answer.status, answer.text, answer.headers.connection], [200, 'answered', 'close'])
  await until('the process has ended', () => beijing.gateway.exit() === 0)
})

/** Writes for ever, as fast as the other side takes it. */
function pump(response: ServerResponse): void {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const more = (): void => {
    while (!response.destroyed && response.write(chunk)) if (response.writableLength > MIB) break
  }
  response.on('drain', more)
  more()
}

async function* endless(bytes: number): AsyncGenerator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024)
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    // A pause, so that the end is far from the beginning.
    await delay(5)
    yield chunk
  }
}

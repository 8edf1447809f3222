import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from 'node:http2'
import { Agent, request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { bucketAt, type Cell, contextAt, headerValue, startWorld, userAt } from './fixture.ts'
import { readText } from './http-client.ts'
import { until, within } from './until.ts'

const MIB = 1024 * 1024
const LARGE_BYTES = 30 * MIB

const world = await startWorld({
  cells: ['beijing', 'shanghai'],
  tls: true,
  routes: [{ name: 'large', match: { path: '/large/**' }, class: 'local', bodyMaxBytes: '64MiB' }],
  config: { drain: { deadlineMs: 12_000 } }
})
t.teardown(() => world[Symbol.asyncDispose]())

const beijing = world.cell('beijing')
const shanghai = world.cell('shanghai')

t.beforeEach(() => {
  for (const cell of world.cells()) cell.app.handler = undefined
  world.take()
})

async function openSession(cell: Cell): Promise<ClientHttp2Session> {
  const session = connect(`https://127.0.0.1:${cell.port}`, { ca: world.ca })
  session.on('error', () => undefined)
  await within('an HTTP/2 session', once(session, 'connect'))
  return session
}

interface H2Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

async function ask(session: ClientHttp2Session, headers: Record<string, string>, body?: Buffer | string): Promise<H2Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  // From the start: node's iterator takes a stream that has closed before it was asked for one that was cut off.
  const read = readText(stream)
  read.catch(() => undefined)
  const [head] = (await within(`an answer to ${headers[':path']}`, once(stream, 'response'), 20_000)) as [
    IncomingHttpHeaders & { ':status'?: number }
  ]
  const text = await within('its body', read, 20_000)
  return { status: head[':status'] ?? 0, headers: head, text }
}

async function askH1(
  cell: Cell,
  path: string,
  { method = 'GET', headers = {}, body = '' } = {}
): Promise<{ status: number; version: string; text: string }> {
  const agent = new Agent({ ca: world.ca, keepAlive: false })
  const outgoing = httpsRequest(`https://127.0.0.1:${cell.port}${path}`, { method, headers, agent }).end(body)
  const [response] = await within('an answer', once(outgoing, 'response'))
  return { status: response.statusCode, version: response.httpVersion, text: await readText(response) }
}

t.test('ALPN: HTTP/2 and HTTP/1.1 on the same port, both routed and told to the app as https', async (t) => {
  const session = await openSession(beijing)
  t.equal(session.alpnProtocol, 'h2')
  const get = await ask(session, { ':path': '/users/me?x=1', ...userAt('beijing') })
  t.same([get.status, get.headers['x-cellway-served-by']], [200, 'beijing'])
  t.equal(get.headers.connection, undefined, 'no connection headers on HTTP/2')
  const post = await ask(session, { ':method': 'POST', ':path': '/users/me', ...userAt('beijing') }, 'body')
  t.match(JSON.parse(post.text), { cell: 'beijing', method: 'POST', bodyBytes: 4 })
  session.close()
  const h1 = await askH1(beijing, '/users/me', { method: 'PUT', headers: userAt('beijing'), body: 'h1' })
  t.same([h1.status, h1.version, JSON.parse(h1.text).bodyBytes], [200, '1.1', 2])
  const { beijing: seen = [] } = world.take()
  t.equal(seen.length, 3)
  for (const each of seen) {
    t.equal(contextAt(each, world.signingKey).bucket, bucketAt('beijing'))
    t.equal(headerValue(each, 'x-forwarded-proto'), 'https')
    t.equal(headerValue(each, 'x-forwarded-for'), '127.0.0.1')
    t.equal(headerValue(each, 'host'), `127.0.0.1:${beijing.port}`)
  }
})

t.test('a hop between gateways with TLS, for both versions', async (t) => {
  const session = await openSession(beijing)
  const h2 = await ask(session, { ':method': 'POST', ':path': '/users/me', ...userAt('shanghai') }, 'over')
  t.match(JSON.parse(h2.text), { cell: 'shanghai', bodyBytes: 4 })
  t.equal(h2.headers['x-cellway-served-by'], 'shanghai')
  session.close()
  const h1 = await askH1(beijing, '/users/me', { headers: userAt('shanghai') })
  t.equal(JSON.parse(h1.text).cell, 'shanghai')
  const seen = world.take().shanghai ?? []
  for (const each of seen) t.equal(headerValue(each, 'x-forwarded-proto'), 'https', 'what the client spoke, not what the hop did')
})

t.test('refusals are answers on HTTP/2 as well, and the session lives on', async (t) => {
  const session = await openSession(beijing)
  const missing = await ask(session, { ':path': '/users/me' })
  t.same([missing.status, JSON.parse(missing.text).error.code], [400, 'TOPO_KEY_MISSING'])
  const upload = session.request({ ':method': 'POST', ':path': '/local/x', 'content-length': 20 * MIB })
  upload.write('the beginning')
  const [tooLarge] = await within('the refusal', once(upload, 'response'))
  t.equal(tooLarge[':status'], 413)
  t.equal(JSON.parse(await readText(upload)).error.code, 'GW_BODY_TOO_LARGE')
  upload.close()
  t.equal((await ask(session, { ':path': '/local/x' })).status, 200)
  session.close()
})

t.test('many streams of one session at the same time', async (t) => {
  const session = await openSession(beijing)
  beijing.app.handler = (request, response) => {
    delay(Math.random() * 50).then(
      () => response.end(request.url),
      () => undefined
    )
  }
  const paths = Array.from({ length: 150 }, (_, at) => `/local/${at}`)
  const answers = await Promise.all(paths.map((path) => ask(session, { ':path': path })))
  t.same(
    answers.map((answer) => answer.text),
    paths,
    'each stream has its own answer'
  )
  session.close()
})

t.test('30 MiB up and down over HTTP/2, bytes intact, and the worker stays small', async (t) => {
  const body = randomBytes(LARGE_BYTES)
  const sha256 = createHash('sha256').update(body).digest('hex')
  beijing.app.handler = (request, response) => {
    response.writeHead(200)
    request.pipe(response)
  }
  const before = await beijing.gateway.workersRssBytes()
  let peak = 0
  const watching = setInterval(() => {
    beijing.gateway.workersRssBytes().then(
      (bytes) => {
        peak = Math.max(peak, bytes)
      },
      () => undefined
    )
  }, 50)
  try {
    const session = await openSession(beijing)
    const stream = session.request({ ':method': 'POST', ':path': '/large/x' })
    // In pieces: node counts everything that waits in a session against its memory limit.
    Readable.from(pieces(body)).pipe(stream)
    const digest = createHash('sha256')
    let bytes = 0
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      digest.update(chunk)
      bytes += chunk.length
    }
    t.equal(bytes, LARGE_BYTES)
    t.equal(digest.digest('hex'), sha256)
    session.close()
  } finally {
    clearInterval(watching)
  }
  // About 75 MiB of it is garbage that is not worth collecting yet; it does not grow with the body.
  t.ok(peak - before < 110 * MIB, `the worker grew by ${Math.round((peak - before) / MIB)} MiB`)
})

t.test('a stream whose client does not read is held back; others of the session go on; reset ends it at the app', async (t) => {
  let written = 0
  beijing.app.handler = (request, response) => {
    if (request.url !== '/local/endless') {
      response.end('quick')
      return
    }
    const chunk = Buffer.alloc(64 * 1024)
    const more = (): void => {
      while (!response.destroyed && response.writableLength < MIB && response.write(chunk)) written += chunk.length
    }
    response.on('drain', more)
    more()
  }
  const session = await openSession(beijing)
  const stalled = session.request({ ':path': '/local/endless' })
  stalled.on('error', () => undefined)
  await within('its head', once(stalled, 'response'))
  for (let turn = 0; turn < 20; turn++) t.equal((await ask(session, { ':path': '/local/quick' })).text, 'quick')
  let before = -1
  await until('the app is held back', async () => {
    const stands = before === written
    before = written
    await delay(100)
    return stands
  })
  t.ok(written < 40 * MIB, `${Math.round(written / MIB)} MiB were taken from the app`)
  stalled.close(constants.NGHTTP2_CANCEL)
  await until('the app hears of it', () => beijing.app.seen.some((seen) => seen.aborted))
  session.close()
})

t.test('an app that dies in the middle of its answer resets the stream with an error', async (t) => {
  beijing.app.handler = (_request, response) => {
    response.writeHead(200)
    response.write('half', () => response.destroy())
  }
  const session = await openSession(beijing)
  const stream = session.request({ ':path': '/local/x' })
  stream.on('error', () => undefined).resume()
  await within('its end', new Promise<void>((resolve) => stream.once('close', () => resolve())))
  t.not(stream.rstCode, constants.NGHTTP2_NO_ERROR, 'or it would look like a clean end')
  beijing.app.handler = undefined
  t.equal((await ask(session, { ':path': '/local/x' })).status, 200, 'the session lives on')
  session.close()
})

t.test('event streams over HTTP/2 pass unbuffered and end when the bucket moves', async (t) => {
  beijing.app.handler = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
  }
  const session = await openSession(beijing)
  const stream = session.request({ ':path': '/users/events', accept: 'text/event-stream', ...userAt('beijing') })
  const text = gather(stream)
  await until('the event', () => text.value === 'data: 1\n\n')
  const end = once(stream, 'end')
  await world.setBucket('users', bucketAt('beijing'), { owner: 'shanghai' })
  await within('its end', end)
  t.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR, 'a clean end')
  session.close()
  await world.setBucket('users', bucketAt('beijing'), { owner: 'beijing' })
})

t.test('WebSocket over TLS', async (t) => {
  const echo = new WebSocketServer({ noServer: true })
  shanghai.app.server.on('upgrade', (request, socket, first) => {
    echo.handleUpgrade(request, socket, first, (opened) => opened.on('message', (data) => opened.send(data)))
  })
  const socket = new WebSocket(`wss://127.0.0.1:${beijing.port}/users/chat`, { headers: userAt('shanghai'), ca: world.ca })
  await within('an open WebSocket', once(socket, 'open'))
  const answered = once(socket, 'message')
  socket.send('hello')
  const [data] = await within('the echo', answered)
  t.equal(String(data), 'hello', 'through two gateways')
  const closed = once(socket, 'close')
  socket.close()
  await within('its end', closed)
})

t.test('a client without ALPN speaks HTTP/1.1; a broken answer to HTTP/1.0 has no clean end', async (t) => {
  const talk = async (request: string): Promise<{ text: string; ended: boolean }> => {
    const socket = connectTls({ port: beijing.port, host: '127.0.0.1', ca: world.ca })
    await within('a TLS connection', once(socket, 'secureConnect'))
    t.equal(socket.alpnProtocol, false)
    let text = ''
    let ended = false
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.on('end', () => {
      ended = true
    })
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.write(request)
    await within('its end', closed)
    return { text, ended }
  }
  const whole = await talk('GET /local/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.match(whole.text, /^HTTP\/1\.1 200 OK\r\n/)
  t.equal(whole.ended, true)
  beijing.app.handler = (_request, response) => response.write('some ', () => response.destroy())
  const broken = await talk('GET /local/old HTTP/1.0\r\nHost: a\r\n\r\n')
  t.equal(broken.ended, false, 'a reset, because the end of the connection would be the end of the answer')
})

t.test('a client that speaks no TLS is cut off, and the port serves on', async (t) => {
  const plain = connectTls({ port: beijing.port, host: '127.0.0.1', ca: world.ca, ALPNProtocols: ['spdy/1'] })
  const [error] = await within('the refusal', once(plain, 'error'))
  t.ok(error)
  t.equal((await askH1(beijing, '/local/x')).status, 200)
})

t.test('drain: GOAWAY, the streams in flight are answered, the process ends', async (t) => {
  const release = Promise.withResolvers<void>()
  beijing.app.handler = (_request, response) => {
    release.promise.then(
      () => response.end('answered'),
      () => undefined
    )
  }
  const session = await openSession(beijing)
  const idle = await openSession(beijing)
  const goaway = once(session, 'goaway')
  const pending = ask(session, { ':path': '/local/slow' })
  await until('the app has it', () => beijing.app.seen.length === 1)
  beijing.gateway.kill('SIGTERM')
  const [code] = await within('GOAWAY', goaway)
  t.equal(code, constants.NGHTTP2_NO_ERROR)
  await within('the end of an idle session', once(idle, 'close'))
  release.resolve()
  t.equal((await pending).text, 'answered')
  await until('the process has ended', () => beijing.gateway.exit() === 0)
})

function* pieces(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536)
}

function gather(stream: ClientHttp2Stream): { value: string } {
  const text = { value: '' }
  stream.on('data', (chunk: Buffer) => {
    text.value += chunk.toString('utf8')
  })
  return text
}

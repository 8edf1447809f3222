import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { bucketAt, type Cell, contextAt, startWorld, userAt } from './fixture.ts'
import { rawConnect, sendRaw } from './http-client.ts'
import { until, within } from './until.ts'

type Upgrade = (request: IncomingMessage, socket: Duplex, first: Buffer) => void

const world = await startWorld({ cells: ['beijing', 'shanghai'], config: { drain: { deadlineMs: 12_000 } } })
t.teardown(() => world[Symbol.asyncDispose]())

const beijing = world.cell('beijing')
const shanghai = world.cell('shanghai')
const echo = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 * 1024 })
const upgrades = { list: [] as IncomingMessage[], handler: undefined as Upgrade | undefined }

echo.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => {
    if (data.toString() === 'close me') socket.close(4321, 'as you wish')
    else socket.send(data, { binary: isBinary })
  })
})
for (const cell of world.cells()) {
  cell.app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, first: Buffer) => {
    upgrades.list.push(request)
    socket.on('error', () => undefined)
    if (upgrades.handler !== undefined) upgrades.handler(request, socket, first)
    else echo.handleUpgrade(request, socket, first, (opened) => echo.emit('connection', opened, request))
  })
}

t.beforeEach(() => {
  upgrades.handler = undefined
  upgrades.list = []
})

interface Opened {
  readonly socket: WebSocket
  readonly head: IncomingMessage
  /** Close code and reason, once it has closed. */
  readonly closed: Promise<{ code: number; reason: string }>
}

async function openSocket(cell: Cell, path: string, headers: Record<string, string> = {}): Promise<Opened> {
  const socket = new WebSocket(`ws://127.0.0.1:${cell.port}${path}`, { headers, maxPayload: 64 * 1024 * 1024 })
  const head = Promise.withResolvers<IncomingMessage>()
  const closed = Promise.withResolvers<{ code: number; reason: string }>()
  socket.on('upgrade', head.resolve)
  socket.on('error', head.reject)
  socket.on('close', (code, reason) => closed.resolve({ code, reason: reason.toString() }))
  await within('an open WebSocket', once(socket, 'open'))
  return { socket, head: await head.promise, closed: closed.promise }
}

async function roundTrip({ socket }: Opened, message: string | Buffer): Promise<Buffer> {
  const answer = within('an echo', once(socket, 'message'))
  socket.send(message)
  const [data] = (await answer) as [Buffer]
  return data
}

const connections = (cell: Cell): Promise<number> => cell.gateway.metric('cellway_gateway_connections')
const streams = (cell: Cell): Promise<number> => cell.gateway.metric('cellway_gateway_streams', { kind: 'websocket' })

t.test('a WebSocket to the own cell: messages of any size both ways, with a verified context at the app', async (t) => {
  const opened = await openSocket(beijing, '/users/chat', userAt('beijing'))
  t.equal(opened.head.headers['x-cellway-served-by'], 'beijing')
  t.equal((await roundTrip(opened, 'hello')).toString(), 'hello')
  for (const bytes of [125, 126, 65_535, 65_536, 5 * 1024 * 1024]) {
    const message = randomBytes(bytes)
    t.ok(message.equals(await roundTrip(opened, message)), `${bytes} bytes come back as they were`)
  }
  t.equal(contextAt(upgrades.list[0], world.signingKey).bucket, bucketAt('beijing'))
  t.equal(await streams(beijing), 1)
  opened.socket.close(1000)
  t.equal((await opened.closed).code, 1000)
  await until('its connection is gone', async () => (await streams(beijing)) === 0 && (await connections(beijing)) === 0)
})

t.test('a WebSocket across a hop: the owner serves it, the answer says so once', async (t) => {
  const opened = await openSocket(beijing, '/users/chat', userAt('shanghai'))
  t.same(opened.head.rawHeaders.filter((text) => text.toLowerCase() === 'x-cellway-served-by').length, 1)
  t.equal(opened.head.headers['x-cellway-served-by'], 'shanghai')
  const message = randomBytes(2 * 1024 * 1024)
  t.ok(message.equals(await roundTrip(opened, message)))
  t.equal(contextAt(upgrades.list[0], world.signingKey).cell, 'shanghai')
  opened.socket.send('close me')
  t.same(await opened.closed, { code: 4321, reason: 'as you wish' }, "the app's own close code comes through")
  for (const cell of world.cells()) await until(`${cell.name} has no connection of it`, async () => (await streams(cell)) === 0)
})

t.test('the bucket moves: 1001 at the old owner, the next connection reaches the new one, others stay', async (t) => {
  const moved = await openSocket(beijing, '/users/chat', userAt('beijing'))
  const hopped = await openSocket(shanghai, '/users/chat', userAt('beijing'))
  const other = await openSocket(beijing, '/users/chat', userAt('shanghai'))
  const local = await openSocket(beijing, '/local/chat')
  await world.setBucket('users', bucketAt('beijing'), { owner: 'shanghai' })
  t.same(await within('its end', moved.closed), { code: 1001, reason: 'moved to another cell' })
  t.same(await within('the end of the one across the hop', hopped.closed), { code: 1001, reason: 'moved to another cell' })
  t.equal((await roundTrip(other, 'still here')).toString(), 'still here')
  t.equal((await roundTrip(local, 'still here')).toString(), 'still here')
  t.ok((await beijing.gateway.metric('cellway_gateway_streams_moved_total', { kind: 'websocket' })) >= 1)
  const again = await openSocket(beijing, '/users/chat', userAt('beijing'))
  t.equal(again.head.headers['x-cellway-served-by'], 'shanghai')
  for (const each of [other, local, again]) each.socket.close()
  await until('no connection is left over', async () => (await connections(beijing)) === 0 && (await streams(beijing)) === 0)
  await world.setBucket('users', bucketAt('beijing'), { owner: 'beijing' })
})

/** 101, then half of a binary message; the rest when `finish` is called. */
function halfMessage(message: Buffer): { readonly handler: Upgrade; finish(): void; readonly begun: Promise<void> } {
  const begun = Promise.withResolvers<Duplex>()
  const half = Math.floor(message.length / 2)
  return {
    handler: (request, socket) => {
      const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
      const head = Buffer.alloc(10)
      head.writeUInt16BE(0x827f, 0)
      head.writeBigUInt64BE(BigInt(message.length), 2)
      // The head of the frame in pieces too: a boundary must not be seen where none is.
      socket.write(head.subarray(0, 3))
      setImmediate(() => {
        socket.write(head.subarray(3))
        socket.write(message.subarray(0, half), () => begun.resolve(socket))
      })
    },
    finish: () => {
      begun.promise.then(
        (socket) => socket.write(message.subarray(half)),
        () => undefined
      )
    },
    begun: begun.promise.then(() => undefined)
  }
}

t.test('a big message in the middle of a move arrives whole before the 1001', async (t) => {
  const message = randomBytes(600 * 1024)
  const half = halfMessage(message)
  upgrades.handler = half.handler
  const opened = await openSocket(beijing, '/users/chat', userAt('beijing'))
  const received: Buffer[] = []
  opened.socket.on('message', (data: Buffer) => received.push(data))
  await half.begun
  await world.setBucket('users', bucketAt('beijing'), { owner: 'shanghai' })
  t.equal(opened.socket.readyState, WebSocket.OPEN, 'nothing is cut in the middle of a frame')
  half.finish()
  t.equal((await within('its end', opened.closed)).code, 1001)
  t.equal(received.length, 1)
  t.ok(received[0]?.equals(message))
  await world.setBucket('users', bucketAt('beijing'), { owner: 'beijing' })
})

t.test('a message that never ends does not keep a moved connection alive', async (t) => {
  const half = halfMessage(randomBytes(1024))
  upgrades.handler = half.handler
  const opened = await openSocket(beijing, '/users/chat', userAt('beijing'))
  await half.begun
  await world.setBucket('users', bucketAt('beijing'), { owner: 'shanghai' })
  t.equal((await within('its end', opened.closed)).code, 1006, 'cut off: there is no place for a close frame')
  await until('no connection is left over', async () => (await connections(beijing)) === 0)
  await world.setBucket('users', bucketAt('beijing'), { owner: 'beijing' })
})

t.test('upgrades that may not be: no WebSockets on this route, wrong version, another cell has no say', async (t) => {
  const head = (path: string, version = '13'): string =>
    `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\nSec-WebSocket-Version: ${version}\r\n\r\n`
  const route = await sendRaw(beijing.port, head('/products/1'))
  t.same([route.status, route.code], [400, 'GW_UPGRADE_REFUSED'])
  const version = await sendRaw(beijing.port, head('/local/chat', '8'))
  t.same([version.status, version.code], [400, 'GW_UPGRADE_REFUSED'])
  const key = await sendRaw(beijing.port, head('/users/chat'))
  t.same([key.status, key.code], [400, 'TOPO_KEY_MISSING'])
  t.equal(upgrades.list.length, 0)
})

t.test('an app that declines the upgrade answers the client itself', async (t) => {
  upgrades.handler = (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlogin')
  const socket = new WebSocket(`ws://127.0.0.1:${beijing.port}/local/chat`)
  socket.on('error', () => undefined)
  const [, response] = (await within('the answer', once(socket, 'unexpected-response'))) as [unknown, IncomingMessage]
  t.equal(response.statusCode, 401)
  response.destroy()
  await until('no connection is left over', async () => (await connections(beijing)) === 0)
})

t.test('clients that give up a pending upgrade say nothing about the instance', async (t) => {
  const pending: Duplex[] = []
  upgrades.handler = (_request, socket) => {
    // Read, or node would not notice the end.
    socket.on('end', () => socket.destroy()).resume()
    pending.push(socket)
  }
  for (let turn = 0; turn < 8; turn++) {
    const socket = new WebSocket(`ws://127.0.0.1:${beijing.port}/local/chat`)
    socket.on('error', () => undefined)
    await until('the app has it', () => pending.length === turn + 1)
    socket.terminate()
    await until('the app hears that the client is gone', () => pending[turn]?.destroyed === true)
  }
  t.equal((await beijing.send('/local/x')).status, 200, 'its breaker is closed')
  t.equal(await beijing.gateway.metric('cellway_gateway_breaker_opened_total', { cell: 'beijing' }), 0)
})

t.test('drain: open WebSockets get 1001, a late upgrade is refused, and the process ends without waiting for its deadline', async (t) => {
  const opened = await openSocket(beijing, '/users/chat', userAt('beijing'))
  const late = await rawConnect(beijing.port, 'GET /local/chat HTTP/1.1\r\nHost: a\r\n')
  await until('both are connected', async () => (await connections(beijing)) === 2)
  const startedMs = performance.now()
  t.equal((await beijing.gateway.admin('/v1/drain', { method: 'POST' })).status, 202)
  t.same(await within('its end', opened.closed), { code: 1001, reason: 'gateway is restarting' })
  late.socket.write(`Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\n\r\n`)
  t.match(await late.ended(), /^HTTP\/1\.1 503 .*GW_DRAINING/s)
  await until('the process has ended', () => beijing.gateway.exit() !== undefined, 20_000)
  t.equal(beijing.gateway.exit(), 0)
  t.ok(performance.now() - startedMs < 10_000, 'before the deadline of 12 s')
})

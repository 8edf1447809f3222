import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { checkGatewayConfig } from '../config.ts'
import type { RequestFraming } from '../http/client.ts'
import type { Message } from './message.ts'
import { Http1Server } from './server.ts'

const NO_BODY: RequestFraming = { bodyKind: 'none', bodyBytes: 0, persistent: true }
const DEADLINE_MS = 8_000

interface World {
  readonly server: Server
  readonly http1: Http1Server
  readonly refused: string[]
}

async function start(t: Test, onRequest: (message: Message) => void, limits: Readonly<Record<string, number>> = {}): Promise<World> {
  const config = checkGatewayConfig({
    cell: 'a',
    member: 'a-1',
    listen: { port: 1 },
    admin: { port: 2 },
    snapshotFile: 'snapshot',
    signing: { keyEnv: 'KEY' },
    limits
  })
  const refused: string[] = []
  const http1 = new Http1Server({
    config,
    encrypted: false,
    nowMs: () => Date.UTC(2026, 10, 22, 1, 2, 3, 456),
    onRequest,
    onRefused: (error) => {
      refused.push(error.code)
      return JSON.stringify({ error: { code: error.code } })
    }
  })
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => http1.accept(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { server, http1, refused }
}

interface Client {
  readonly socket: Socket
  text(): string
  until(condition: (text: string) => boolean): Promise<string>
  readonly ended: Promise<string>
}

async function dial(t: Test, { server }: World, bytes = '', allowHalfOpen = false): Promise<Client> {
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true, allowHalfOpen })
  await once(socket, 'connect')
  t.teardown(() => socket.destroy())
  let text = ''
  let look = (): void => undefined
  socket.setEncoding('latin1')
  socket.on('data', (piece: string) => {
    text += piece
    look()
  })
  socket.on('error', () => undefined)
  const ended = within(new Promise<string>((resolve) => socket.once('close', () => resolve(text)).once('end', () => resolve(text))))
  ended.catch(() => undefined)
  if (bytes !== '') socket.write(bytes, 'latin1')
  return {
    socket,
    text: () => text,
    until: (condition) =>
      within(
        new Promise<string>((resolve) => {
          look = () => {
            if (condition(text)) resolve(text)
          }
          look()
        })
      ),
    ended
  }
}

async function within<Value>(promise: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error('not in time')), DEADLINE_MS)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

const ok = (message: Message, body = 'ok'): void =>
  message.send(200, ['content-length', String(body.length)], Buffer.from(body, 'latin1'), { closing: false })
const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n'

t.test('an answer: status line, headers, date, and that the connection stays; all of it in one piece', async (t) => {
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    message.send(201, ['X-A', 'b', 'content-length', '4'], Buffer.from('\xe9\0\r\n', 'latin1'), { closing: false })
  })
  const client = await dial(t, world, GET)
  const text = await client.until((seen) => seen.endsWith('\0\r\n'))
  t.equal(
    text,
    'HTTP/1.1 201 Created\r\nX-A: b\r\ncontent-length: 4\r\nDate: Sun, 22 Nov 2026 01:02:03 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=100000\r\n\r\n\xe9\0\r\n'
  )
})

t.test('a date of the instance stays the only one; HEAD and 204 have no body', async (t) => {
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    if (message.target === '/204') message.send(204, ['dAtE', 'then'], Buffer.alloc(0), { closing: false })
    else message.send(200, ['content-length', '2'], 'no', { closing: true })
  })
  const client = await dial(t, world, `GET /204 HTTP/1.1\r\n\r\nHEAD /a HTTP/1.1\r\n\r\n`)
  const [first = '', second = '', third] = (await client.ended).split('\r\n\r\n')
  t.match(first, /^HTTP\/1\.1 204 No Content\r\ndAtE: then\r\nConnection: keep-alive/)
  t.match(second, /^HTTP\/1\.1 200 OK\r\ncontent-length: 2\r\nDate: .*\r\nConnection: close$/s)
  t.equal(third, '', 'and no body')
})

t.test('a stream: chunks on 1.1, the end of the connection on 1.0, nothing around it with a length', async (t) => {
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    message.begin(200, message.target === '/length' ? ['content-length', '8'] : [], { closing: false })
    message.write(Buffer.from('one '))
    message.write(Buffer.from('two '))
    message.end()
  })
  const chunked = await dial(t, world, GET)
  t.match(
    await chunked.until((text) => text.endsWith('0\r\n\r\n')),
    /Connection: keep-alive.*Transfer-Encoding: chunked\r\n\r\n4\r\none \r\n4\r\ntwo \r\n0\r\n\r\n$/s
  )
  const old = await dial(t, world, 'GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  t.match(await old.ended, /^HTTP\/1\.1 200 OK\r\nDate: [^\r]*\r\nConnection: close\r\n\r\none two $/)
  const length = await dial(t, world, 'GET /length HTTP/1.0\r\n\r\n')
  t.match(
    await length.until((text) => text.endsWith('two ')),
    /content-length: 8\r\n.*Connection: keep-alive\r\nKeep-Alive: [^\r]*\r\n\r\none two $/s
  )
})

t.test('pipelined requests: the next is not looked at before the answer of the one before is written', async (t) => {
  const waiting: Message[] = []
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    waiting.push(message)
  })
  const client = await dial(t, world, `GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nBROKEN\r\n\r\nGET /4 HTTP/1.1\r\n\r\n`)
  const next = async (): Promise<Message> => {
    for (;;) {
      const message = waiting.shift()
      if (message !== undefined) return message
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const first = await within(next())
  t.same([first.target, waiting.length], ['/1', 0])
  ok(first, 'first')
  ok(await within(next()), 'second')
  t.match(await client.ended, /first.*second.*HTTP\/1\.1 400 Bad Request.*GW_BAD_REQUEST/s)
  t.same([waiting.length, world.refused], [0, ['GW_BAD_REQUEST']], 'nothing behind what is broken is served')
})

t.test('ten thousand pipelined requests at once: all answered in order, without a deep stack and without reading all of them', async (t) => {
  let count = 0
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    count += 1
    ok(message, `(${count})`)
  })
  const client = await dial(t, world, GET.repeat(10_000))
  const text = await client.until((seen) => seen.endsWith('(10000)'))
  t.equal(text.match(/\(\d+\)/g)?.length, 10_000)
})

t.test('a client that does not read its answers is not served more of them, and is cut off in the end', async (t) => {
  let count = 0
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    count += 1
    message.send(200, ['content-length', '1000000'], Buffer.alloc(1_000_000), { closing: false })
  })
  const client = await dial(t, world, GET.repeat(200))
  client.socket.pause()
  let before = -1
  while (before !== count) {
    before = count
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  t.ok(count < 30, `${count} answers of 1 MB were made for a client that reads none`)
  client.socket.resume()
  await client.until((text) => text.length >= 200_000_000)
  t.equal(count, 200, 'and all of them when it reads')
})

t.test('the last request of a connection: as asked for, by count, and by HTTP/1.0', async (t) => {
  const world = await start(
    t,
    (message) => {
      message.accept({ ...NO_BODY, persistent: message.target !== '/last' })
      ok(message)
    },
    { requestsPerSocketMax: 2 }
  )
  const counted = await dial(t, world, GET.repeat(3))
  const text = await counted.ended
  t.same([text.match(/HTTP\/1\.1 200/g)?.length, text.match(/Connection: [a-z-]+/g)], [2, ['Connection: keep-alive', 'Connection: close']])
  const asked = await dial(t, world, `GET /last HTTP/1.1\r\n\r\n${GET}`)
  t.equal((await asked.ended).match(/HTTP\/1\.1 200/g)?.length, 1)
})

t.test('a body in any pieces, read when somebody asks for it, with what follows it', async (t) => {
  const bodies: string[] = []
  const world = await start(t, (message) => {
    if (message.method === 'GET') {
      message.accept(NO_BODY)
      ok(message, 'last')
      return
    }
    message.accept({ bodyKind: message.target === '/chunked' ? 'chunked' : 'length', bodyBytes: 6, persistent: true })
    let body = ''
    // Later, as for a request that is held.
    setTimeout(() => {
      message.readBody({
        onData: (chunk) => {
          body += chunk.toString()
        },
        onEnd: (trailers) => {
          bodies.push(`${body} ${trailers}`)
          ok(message)
        },
        onError: (error) => bodies.push(error.message)
      })
    }, 20)
  })
  for (const request of ['POST /length HTTP/1.1\r\n\r\nabcdef', 'POST /chunked HTTP/1.1\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX-A: b\r\n\r\n']) {
    const client = await dial(t, world, request + GET)
    await client.until((text) => text.endsWith('last'))
    const sliced = await dial(t, world)
    for (const byte of request + GET) {
      sliced.socket.write(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await sliced.until((text) => text.endsWith('last'))
  }
  t.same(bodies, ['abcdef ', 'abcdef ', 'abcdef X-A,b', 'abcdef X-A,b'])
})

t.test('an answer before the body has come ends the connection, and the client still gets to read it', async (t) => {
  const world = await start(t, (message) => {
    message.accept({ bodyKind: 'length', bodyBytes: 50_000_000, persistent: true })
    message.send(413, ['content-length', '8'], 'too much', { closing: false })
  })
  const client = await dial(t, world, 'POST /a HTTP/1.1\r\n\r\n')
  client.socket.write(Buffer.alloc(5_000_000))
  t.match(await client.ended, /^HTTP\/1\.1 413 .*Connection: close\r\n\r\ntoo much$/s)
})

t.test('late clients hear 408; idle connections end without a word', async (t) => {
  const errors: string[] = []
  const world = await start(
    t,
    (message) => {
      message.accept(message.method === 'GET' ? NO_BODY : { bodyKind: 'length', bodyBytes: 6, persistent: true })
      if (message.method === 'GET') ok(message)
      else
        message.readBody({
          onData: () => undefined,
          onEnd: () => undefined,
          onError: (error) => {
            errors.push('code' in error ? String(error.code) : error.message)
            message.send(408, ['content-length', '4'], 'late', { closing: true })
          }
        })
    },
    { headersTimeoutMs: 500, requestTimeoutMs: 700, keepAliveTimeoutMs: 300 }
  )
  const [head, body, silent, idle] = await Promise.all([
    dial(t, world, 'GET /a HTTP/1.1\r\nHost'),
    dial(t, world, 'POST /a HTTP/1.1\r\n\r\nabc'),
    dial(t, world),
    dial(t, world, GET)
  ])
  t.match(await head.ended, /^HTTP\/1\.1 408 .*GW_REQUEST_TIMEOUT/s)
  t.match(await body.ended, /^HTTP\/1\.1 408 .*late$/s)
  t.match(await silent.ended, /^HTTP\/1\.1 408 /)
  t.match(await idle.ended, /^HTTP\/1\.1 200 .*\r\n\r\nok$/s)
  t.same([errors, world.refused], [['GW_REQUEST_TIMEOUT'], ['GW_REQUEST_TIMEOUT', 'GW_REQUEST_TIMEOUT']])
})

t.test('what is said about a request behind the end of its answer does not touch the next one', async (t) => {
  const messages: Message[] = []
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    messages.push(message)
    if (messages.length === 2) {
      messages[0]?.abort()
      messages[0]?.write(Buffer.from('late'))
      messages[0]?.end()
      messages[0]?.send(500, [], 'late', { closing: true })
    }
    ok(message, `(${messages.length})`)
  })
  const client = await dial(t, world, GET + GET)
  t.match(await client.until((text) => text.endsWith('(2)')), /\(1\)HTTP\/1\.1 200 OK\r\n[^(]*\(2\)$/)
})

t.test('a client that ends its side is gone', async (t) => {
  const gone = Promise.withResolvers<void>()
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    message.onGone(() => gone.resolve())
  })
  const client = await dial(t, world, GET, true)
  client.socket.end()
  await within(gone.promise)
  const cut = await dial(t, world, 'GET /a HTTP/1.1\r\nHo', true)
  cut.socket.end()
  t.match(await cut.ended, /^HTTP\/1\.1 400 /, 'in the middle of a head it is told so')
})

t.test('idle connections end when the server drains, busy ones behind their answers', async (t) => {
  const busy: Message[] = []
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    if (message.target === '/busy') busy.push(message)
    else ok(message)
  })
  const idle = await dial(t, world, GET)
  await idle.until((text) => text.endsWith('ok'))
  const silent = await dial(t, world)
  const working = await dial(t, world, 'GET /busy HTTP/1.1\r\n\r\n')
  while (busy.length === 0) await new Promise((resolve) => setImmediate(resolve))
  world.http1.closeIdle()
  await idle.ended
  await silent.ended
  t.equal(working.text(), '')
  for (const message of busy) ok(message, 'done')
  t.match(await working.ended, /\r\n\r\ndone$/)
})

t.test('an answer that breaks off: a reset where the end of the connection would be its end', async (t) => {
  const world = await start(t, (message) => {
    message.accept(NO_BODY)
    message.begin(200, [], { closing: false })
    message.write(Buffer.from('half'))
    setTimeout(() => message.abort(), 20)
  })
  const chunked = await dial(t, world, GET)
  t.match(await chunked.ended, /4\r\nhalf\r\n$/, 'the last chunk is missing')
  const old = await dial(t, world, 'GET /a HTTP/1.0\r\n\r\n')
  const reset = once(old.socket, 'error')
  await old.ended
  t.match(await within(reset), [{ code: 'ECONNRESET' }])
})

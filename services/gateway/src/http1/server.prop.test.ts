import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import t from 'tap'
import { checkGatewayConfig } from '../config.ts'
import { validateHead } from '../http/head.ts'
import { readRequestBody } from '../http/request-body.ts'
import type { Message } from './message.ts'
import { Http1Server } from './server.ts'

/** Longer than every time limit below: whoever is still open then hangs. */
const HANG_MS = 6_000
const config = checkGatewayConfig({
  cell: 'a',
  member: 'a-1',
  listen: { port: 1 },
  admin: { port: 2 },
  snapshotFile: 'snapshot',
  signing: { keyEnv: 'KEY' },
  limits: { headersTimeoutMs: 500, requestTimeoutMs: 1_000, keepAliveTimeoutMs: 500, headerBytesMax: 1_024, replayBytesMax: 64 }
})

/** Answers what is valid with its own method, target and body. */
function serve(message: Message): void {
  const answer = (statusCode: number, text: string): void => {
    const body = Buffer.from(text, 'latin1')
    message.send(statusCode, ['content-length', String(body.length)], body, { closing: statusCode !== 200 })
  }
  const refuse = (error: unknown): void => answer(isCellwayError(error) ? error.statusCode : 500, isCellwayError(error) ? error.code : String(error))
  try {
    const { method, target, version, rawHeaders } = message
    const head = validateHead({ method, target, version, rawHeaders, wire: 'h1' }, config.limits)
    message.accept(head)
    const done = (body: string): void => answer(200, `${method} ${target} ${body}`)
    readRequestBody(
      message,
      head,
      { replayBytesMax: config.limits.replayBytesMax, bytesMax: 4_096 },
      {
        onBodyError: refuse,
        onBody: (body) => {
          if (body.kind === 'none') done('')
          else if (body.kind === 'whole') done(body.bytes.toString('latin1'))
          else {
            let text = ''
            body.stream.on('error', refuse).on('end', () => done(text))
            body.stream.on('data', (chunk: Buffer) => {
              text += chunk.toString('latin1')
            })
          }
        }
      }
    )
  } catch (error) {
    refuse(error)
  }
}

const http1 = new Http1Server({ config, encrypted: false, nowMs: () => 0, onRequest: serve, onRefused: (error) => error.code })
const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => http1.accept(socket))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
t.teardown(() => server.close())

/** @returns all that was answered until the server ended the connection */
async function talk(pieces: readonly Buffer[]): Promise<string> {
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  try {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const timer = setTimeout(
      () => reject(new Error(`the connection hangs behind ${JSON.stringify(Buffer.concat(pieces).toString('latin1'))}`)),
      HANG_MS
    )
    socket.on('error', () => undefined)
    for (const event of ['end', 'close']) socket.once(event, () => resolve(text))
    promise.then(
      () => clearTimeout(timer),
      () => undefined
    )
    await once(socket, 'connect')
    for (const piece of pieces) {
      if (socket.writable) socket.write(piece)
      await new Promise((next) => setImmediate(next))
    }
    return await promise
  } finally {
    socket.destroy()
  }
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((one, other) => one - other), bytes.length]
  return sorted.slice(1).map((to, at) => bytes.subarray(sorted[at], to))
}

const LAST = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const text = fc.stringMatching(/^[ -~]{1,200}$/)
const request = fc.oneof(
  fc.constant({ bytes: 'GET /g HTTP/1.1\r\nHost: a\r\n\r\n', want: 'GET /g ' }),
  fc.constant({ bytes: '\r\nDELETE /d HTTP/1.1\r\nhost:a\r\nX-A: b\r\n\r\n', want: 'DELETE /d ' }),
  text.map((body) => ({ bytes: `POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`, want: `POST /l ${body}` })),
  fc.array(text, { maxLength: 4 }).map((bodies) => ({
    bytes: `PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${bodies.map((body) => `${body.length.toString(16)}\r\n${body}\r\n`).join('')}0\r\n\r\n`,
    want: `PUT /c ${bodies.join('')}`
  }))
)
const places = fc.array(fc.nat(), { maxLength: 12 })

t.test('requests behind each other in any pieces: each is answered, in order, with its own body', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 8 }), places, async (requests, cuts) => {
      const answers = await talk(cut(Buffer.from(requests.map(({ bytes }) => bytes).join('') + LAST, 'latin1'), cuts))
      const bodies = answers.split(/HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)+\r\n/).slice(1)
      const want = [...requests.map((each) => each.want), 'GET /last ']
      if (JSON.stringify(bodies) !== JSON.stringify(want)) throw new Error(`${JSON.stringify(bodies)}, want ${JSON.stringify(want)}`)
    }),
    { numRuns: 150 }
  )
  t.pass('held')
})

t.test('whatever bytes come, in any pieces: the connection ends in time, and the same bytes get the same answers', async (t) => {
  const broken = fc
    .tuple(
      fc.array(request, { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    )
    .map(([requests, changes]) => {
      const bytes = Buffer.from(requests.map((each) => each.bytes).join('') + LAST, 'latin1')
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      return bytes
    })
  const codes = (answers: string): string => (answers.match(/HTTP\/1\.1 [0-9]{3}/g) ?? []).join()
  await fc.assert(
    fc.asyncProperty(broken, places, async (bytes, cuts) => {
      const [whole, sliced] = await Promise.all([talk([bytes]), talk(cut(bytes, cuts))])
      if (codes(whole) !== codes(sliced)) throw new Error(`${codes(whole)} in one piece, ${codes(sliced)} in several`)
    }),
    // Those that wait for a time limit take seconds; they run beside nobody.
    { numRuns: 60, interruptAfterTimeLimit: 40_000 }
  )
  t.match(await talk([Buffer.from(LAST)]), /^HTTP\/1\.1 200 /, 'and it serves on')
})

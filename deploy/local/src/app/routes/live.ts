import { once } from 'node:events'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CellwayError, isCellwayError } from '@cellway/base'
import { NOT_EXECUTED_HEADER } from '@cellway/topology'
import type { FastifyInstance } from 'fastify'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { AppDeps } from '../app.ts'
import { admit } from '../cellway.ts'
import { draining, noSuchRoute } from '../errors.ts'
import { answer } from '../schemas.ts'

const LOCAL = { cellway: 'local' } as const
const TICK_MS = 1000
const MESSAGE_BYTES_MAX = 64 * 1024
/** A client that reads slower than it sends is closed at 1 MiB of unsent echoes: 16 messages of the largest size. */
const UNSENT_BYTES_MAX = 1024 * 1024
/** WebSocket close codes: the server goes away (reconnect, you will reach the owner); try again later. */
const GOING_AWAY = 1001
const TRY_AGAIN_LATER = 1013

/** What shows where a request went: the cell, the headers it arrived with, and two kinds of long connections. */
export function liveRoutes(app: FastifyInstance, deps: AppDeps): void {
  app.get('/api/whoami', { config: LOCAL, schema: { response: { 200: whoamiAnswer() } } }, async (request) => {
    const received = Object.entries(request.headers).filter(([name]) => /^(x-cellway-|x-forwarded-|x-request-id$|forwarded$|via$)/.test(name))
    return {
      cell: deps.cell,
      pid: process.pid,
      verified: request.cellway !== undefined,
      context: request.cellway ?? null,
      headers: Object.fromEntries(received)
    }
  })

  app.get('/api/events', { config: LOCAL }, async (request, reply) => {
    reply.hijack()
    const left = new AbortController()
    reply.raw.once('close', () => left.abort())
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    request.log.debug('event stream opened')
    const ended = AbortSignal.any([left.signal, deps.draining])
    for (let counter = 0; !ended.aborted; counter += 1) {
      const event = JSON.stringify({ servedBy: deps.cell, counter })
      const flushed = reply.raw.write(`id: ${counter}\nevent: tick\ndata: ${event}\n\n`)
      if (!flushed) await settled(once(reply.raw, 'drain', { signal: ended }))
      await settled(sleep(TICK_MS, undefined, { signal: ended }))
    }
    reply.raw.end()
  })

  echoSocket(app, deps)
}

/** `/api/live`: says the cell's name, then sends back whatever it gets. */
function echoSocket(app: FastifyInstance, deps: AppDeps): void {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX })
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = refuseUpgrade(request, deps)
    socket.on('error', () => socket.destroy())
    if (refusal === undefined) sockets.handleUpgrade(request, socket, head, (client) => serveEcho(client, deps.cell))
    else socket.end(refusal)
  })
  deps.draining.addEventListener('abort', () => {
    for (const client of sockets.clients) client.close(GOING_AWAY, 'draining')
  })
}

function serveEcho(client: WebSocket, cell: string): void {
  client.on('error', () => client.terminate())
  client.on('message', (data: RawData, isBinary: boolean) => {
    if (client.bufferedAmount > UNSENT_BYTES_MAX) return client.close(TRY_AGAIN_LATER, 'read faster')
    client.send(data, { binary: isBinary })
  })
  client.send(cell)
}

/** The whole answer to an upgrade that is not let through, or undefined. */
function refuseUpgrade(request: IncomingMessage, deps: AppDeps): string | undefined {
  const path = request.url?.split('?', 1)[0] ?? ''
  try {
    if (path !== '/api/live') throw noSuchRoute({ method: 'GET', path })
    if (deps.draining.aborted) throw draining({})
    admit(request.headers, 'local', deps)
    return undefined
  } catch (error) {
    if (!isCellwayError(error)) throw error
    return refusalText(error, deps.cell)
  }
}

/** Nothing is ever executed by a refused upgrade. */
function refusalText(error: CellwayError, servedBy: string): string {
  const text = JSON.stringify({ error, servedBy })
  const head = [
    `HTTP/1.1 ${error.statusCode} ${STATUS_CODES[error.statusCode]}`,
    `${NOT_EXECUTED_HEADER}: 1`,
    'connection: close',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`
  ]
  return `${head.join('\r\n')}\r\n\r\n${text}`
}

/** Waits for the promise to end in whatever way; the loop's condition says what happened. */
async function settled(promise: Promise<unknown>): Promise<void> {
  await Promise.allSettled([promise])
}

function whoamiAnswer() {
  return answer({
    cell: { type: 'string' },
    pid: { type: 'integer' },
    verified: { type: 'boolean' },
    context: { type: ['object', 'null'], additionalProperties: true },
    headers: { type: 'object', additionalProperties: true }
  })
}

import { readFileSync } from 'node:fs'
import { createServer, type Server, type ServerOpts, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { DataPlane } from '../data-plane.ts'
import { internalError, methodNotAllowed } from '../errors.ts'
import { refusalBody } from '../http/answer.ts'
import type { ClientRequest, ClientResponse } from '../http/client.ts'
import { Http1Server } from '../http1/server.ts'
import { H2Server } from '../http2/server.ts'
import { handleRequest } from '../pipeline.ts'

export interface DataListener {
  readonly port: number
  /** Stops accepting, ends idle connections, tells the busy ones to close; resolves when all are gone or the deadline has passed. */
  drain(deadlineMs: number): Promise<void>
}

interface Listening {
  readonly server: Server
  readonly http1: Http1Server
  readonly http2: H2Server | undefined
}

/** The data port: nothing on it is answered by ourselves but refusals. */
export async function openDataListener(plane: DataPlane): Promise<DataListener> {
  const listening = plane.config.listen.tls === undefined ? createPlain(plane) : createSecure(plane)
  const connections = trackConnections(listening.server, plane)
  await listen(listening.server, plane)
  const address = listening.server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : plane.config.listen.port,
    drain: (deadlineMs) => drain(plane, listening, connections, deadlineMs)
  }
}

const SOCKET_OPTIONS: ServerOpts = {
  // The end of a client's bytes is ours to judge: it may be the end of a request, or of the client.
  allowHalfOpen: true,
  noDelay: true,
  highWaterMark: 64 * 1024
}

function createPlain(plane: DataPlane): Listening {
  const http1 = createHttp1(plane, { encrypted: false })
  return { server: createServer(SOCKET_OPTIONS, (socket) => http1.accept(socket)), http1, http2: undefined }
}

/** ALPN decides: `h2` goes to node's HTTP/2 server, everything else is HTTP/1 in the same implementation as without TLS. */
function createSecure(plane: DataPlane): Listening {
  const { limits, listen: address } = plane.config
  const http1 = createHttp1(plane, { encrypted: true })
  const http2 = createHttp2(plane)
  // node does not say on which TCP socket a TLS socket stands, and only TCP can be reset.
  const transports = new Map<string, Socket>()
  const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`
  const server = createTlsServer(
    {
      ...SOCKET_OPTIONS,
      ALPNProtocols: ['h2', 'http/1.1'],
      cert: readFileSync(address.tls?.certFile ?? ''),
      key: readFileSync(address.tls?.keyFile ?? ''),
      handshakeTimeout: limits.headersTimeoutMs
    },
    (socket: TLSSocket) => {
      const transport = transports.get(endOf(socket))
      if (socket.alpnProtocol === 'h2') http2.accept(socket)
      else http1.accept(socket, transport)
    }
  )
  server.on('connection', (transport: Socket) => {
    const end = endOf(transport)
    transports.set(end, transport)
    transport.once('close', () => transports.delete(end))
  })
  return { server, http1, http2 }
}

function createHttp1(plane: DataPlane, { encrypted }: { readonly encrypted: boolean }): Http1Server {
  return new Http1Server({
    config: plane.config,
    encrypted,
    nowMs: () => plane.clock.nowMs(),
    onRequest: (message) => serve(plane, message, 'h1'),
    onRefused: (error) => {
      plane.metrics.onRefused(error)
      return refusalBody(error, `${plane.config.member}-parser`)
    }
  })
}

function createHttp2(plane: DataPlane): H2Server {
  return new H2Server({
    limits: plane.config.limits,
    onRequest: (message) => serve(plane, message, 'h2'),
    onConnect: (message) => refuseConnect(plane, message),
    onSessionError: (error) => plane.log.info({ err: error }, 'HTTP/2 session ended by an error')
  })
}

function serve(plane: DataPlane, message: ClientRequest & ClientResponse, wire: 'h1' | 'h2'): void {
  try {
    handleRequest(plane, message, message, wire)
  } catch (error) {
    plane.log.error({ err: internalError({}, { cause: error }) }, 'request handling failed by a mistake of ours')
    message.abort()
  }
}

/** node brings CONNECT by an event of its own, so it never gets to the phases, which would refuse it as well. */
function refuseConnect(plane: DataPlane, response: ClientResponse): void {
  const refusal = methodNotAllowed({ method: 'CONNECT' })
  plane.metrics.onRefused(refusal)
  const headers = ['content-type', 'application/json']
  response.send(refusal.statusCode, headers, refusalBody(refusal, `${plane.config.member}-connect`), { closing: false })
}

/** Counts connections per client address, and refuses the ones above the limit before a byte is read. */
function trackConnections(server: Server, plane: DataPlane): Set<Socket> {
  const { connectionsMax, connectionsPerClientMax } = plane.config.limits
  const open = new Set<Socket>()
  const perClient = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const client = socket.remoteAddress ?? ''
    const count = (perClient.get(client) ?? 0) + 1
    if (open.size >= connectionsMax || count > connectionsPerClientMax) {
      socket.destroy()
      return
    }
    open.add(socket)
    perClient.set(client, count)
    plane.metrics.onConnections(open.size)
    socket.once('close', () => {
      open.delete(socket)
      const left = (perClient.get(client) ?? 1) - 1
      if (left === 0) perClient.delete(client)
      else perClient.set(client, left)
      plane.metrics.onConnections(open.size)
    })
  })
  return open
}

async function listen(server: Server, plane: DataPlane): Promise<void> {
  const { host, port } = plane.config.listen
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  // Every worker, and the next version of this gateway during a restart, has its own socket on the port; the kernel spreads connections.
  server.listen({ host, port, reusePort: port !== 0, backlog: 4096 }, resolve)
  await promise
  server.off('error', reject)
  server.on('error', (error) => plane.log.error({ err: error }, 'listener error'))
}

/** How long keep-alive connections may still bring a request that was under way when the drain began. */
const LAST_WORD_MS = 1_000

async function drain(plane: DataPlane, { server, http1, http2 }: Listening, connections: Set<Socket>, deadlineMs: number): Promise<void> {
  plane.draining = true
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  http2?.close()
  plane.streams.closeAll()
  const deadline = setTimeout(() => {
    for (const socket of connections) socket.destroy()
    resolve()
  }, deadlineMs)
  // Whoever speaks in this time hears `Connection: close`; who does not is idle.
  await Promise.race([promise, delay(Math.min(LAST_WORD_MS, deadlineMs))])
  http1.closeIdle()
  await promise
  clearTimeout(deadline)
}

import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerOptions, ServerResponse } from 'node:http'
import { createSecureServer, type Http2SecureServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2'
import { Server as NetServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { DataPlane } from '../data-plane.ts'
import { internalError, methodNotAllowed } from '../errors.ts'
import { isClosing, refusalBody } from '../http/answer.ts'
import { handleRequest } from '../pipeline.ts'
import { answerParserError, refuseOnSocket } from './parser-error.ts'
import { handleUpgrade, shouldUpgrade } from './upgrade.ts'

export interface DataListener {
  readonly port: number
  /** Stops accepting, ends idle connections, tells the busy ones to close; resolves when all are gone or the deadline has passed. */
  drain(deadlineMs: number): Promise<void>
}

/** The data port: nothing on it is answered by ourselves but refusals. */
export async function openDataListener(plane: DataPlane): Promise<DataListener> {
  const { config } = plane
  const sessions = new Set<ServerHttp2Session>()
  const server = config.listen.tls === undefined ? createServer(httpOptions(plane)) : createSecureListener(plane, sessions)
  const connections = trackConnections(server, plane)
  applyHttpLimits(server as Server, plane)
  server.on('request', (request: IncomingMessage, response: ServerResponse) => onRequest(plane, request, response))
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => onRequest(plane, request, response))
  // Our own validation judges `Expect`, so that the answer is like every other refusal.
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => onRequest(plane, request, response))
  server.on('clientError', (error: Error, socket: Socket) => answerParserError(plane, error, socket))
  server.on('connect', (_request: IncomingMessage, target: Socket | Http2ServerResponse) => refuseConnect(plane, target))
  server.on('upgrade', (request: IncomingMessage, socket: Socket, first: Buffer) => {
    handleUpgrade(plane, request, socket, first).catch((error: unknown) => {
      plane.log.error({ err: error }, 'upgrade failed by a mistake of ours')
      socket.destroy()
    })
  })
  await listen(server as Server, plane)
  const address = (server as Server).address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : config.listen.port,
    drain: (deadlineMs) => drain(plane, server as Server, sessions, connections, deadlineMs)
  }
}

function onRequest(plane: DataPlane, request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
  const wire = response instanceof ServerResponse ? 'h1' : 'h2'
  if (wire === 'h1' && isClosing(request.socket)) return
  handleRequest(plane, request, response, wire).catch((error: unknown) => {
    plane.log.error({ err: internalError({}, { cause: error }) }, 'request handling failed by a mistake of ours')
    response.destroy()
  })
}

function httpOptions(plane: DataPlane): ServerOptions {
  const { limits } = plane.config
  return {
    // Never lenient, whatever flags the process was started with.
    insecureHTTPParser: false,
    requireHostHeader: false,
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // How often node looks for late requests: a slow client is cut off at most this much after its time.
    connectionsCheckingInterval: 1000,
    noDelay: true,
    highWaterMark: 64 * 1024,
    shouldUpgradeCallback: (request) => shouldUpgrade(request)
  }
}

function createSecureListener(plane: DataPlane, sessions: Set<ServerHttp2Session>): Http2SecureServer {
  const { limits, listen: address } = plane.config
  const server = createSecureServer({
    ...(httpOptions(plane) as object),
    allowHTTP1: true,
    cert: readFileSync(address.tls?.certFile ?? ''),
    key: readFileSync(address.tls?.keyFile ?? ''),
    maxHeaderListPairs: limits.headersMax + 4,
    maxSessionMemory: 10,
    streamResetBurst: 200,
    streamResetRate: 33,
    settings: { maxConcurrentStreams: limits.http2StreamsMax, maxHeaderListSize: limits.headerBytesMax, enablePush: false }
  })
  server.on('session', (session) => {
    sessions.add(session)
    session.setTimeout(limits.requestTimeoutMs, () => session.close())
    session.once('close', () => sessions.delete(session))
  })
  // A session error has ended that session already; the others must not notice.
  server.on('sessionError', (error) => plane.log.info({ err: error }, 'HTTP/2 session ended by an error'))
  return server
}

function applyHttpLimits(server: Server, plane: DataPlane): void {
  const { limits } = plane.config
  server.maxHeadersCount = limits.headersMax * 2
  server.maxRequestsPerSocket = limits.requestsPerSocketMax
}

/** Counts connections per client address, and refuses the ones above the limit before a byte is read. */
function trackConnections(server: Server | Http2SecureServer, plane: DataPlane): Set<Socket> {
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

/** Over HTTP/1 the event brings the bare socket, over HTTP/2 the answer of that one stream. */
function refuseConnect(plane: DataPlane, target: Socket | Http2ServerResponse): void {
  const refusal = methodNotAllowed({ method: 'CONNECT' })
  if (!('writeHead' in target)) {
    refuseOnSocket(plane, refusal, target)
    return
  }
  plane.metrics.onRefused(refusal)
  target.writeHead(refusal.statusCode, { 'content-type': 'application/json' })
  target.end(refusalBody(refusal, `${plane.config.member}-connect`))
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

async function drain(
  plane: DataPlane,
  server: Server,
  sessions: Set<ServerHttp2Session>,
  connections: Set<Socket>,
  deadlineMs: number
): Promise<void> {
  plane.draining = true
  const { promise, resolve } = Promise.withResolvers<void>()
  // Only stops accepting: node's own HTTP close would reset keep-alive connections whose next request is already on its way.
  NetServer.prototype.close.call(server, () => resolve())
  for (const session of sessions) session.close()
  plane.streams.closeAll()
  const deadline = setTimeout(() => {
    for (const socket of connections) socket.destroy()
    resolve()
  }, deadlineMs)
  // Whoever speaks in this time hears `Connection: close`; who does not is idle.
  await Promise.race([promise, delay(Math.min(LAST_WORD_MS, deadlineMs))])
  if (typeof server.closeIdleConnections === 'function') server.closeIdleConnections()
  await promise
  clearTimeout(deadline)
}

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Bytes of a body that are kept; of larger ones only length and digest. */
const BODY_KEPT_BYTES = 256 * 1024

export interface SeenRequest {
  readonly method: string
  readonly url: string
  /** Name, value, … as they came. */
  readonly rawHeaders: readonly string[]
  body: Buffer
  bodyBytes: number
  sha256: string
  /** Every byte of it has come. */
  complete: boolean
  /** Its connection ended before it was answered. */
  aborted: boolean
}

export type Handler = (request: IncomingMessage, response: ServerResponse, seen: SeenRequest) => void

/** One instance of an app: a real server that keeps what it gets. Probes are answered but not kept. */
export interface RecordingApp extends AsyncDisposable {
  readonly cell: string
  readonly port: number
  readonly origin: string
  readonly server: Server
  readonly seen: SeenRequest[]
  probes: number
  /** What the probe is told. */
  healthy: boolean
  /** Called with the head; undefined: the whole body is read, and 200 says who served. */
  handler: Handler | undefined
  /** What came since the last call. */
  take(): SeenRequest[]
  /** Ends every connection and stops listening; `start` takes the same port again. */
  stop(): Promise<void>
  start(): Promise<void>
}

export async function startApp(cell: string, port = 0): Promise<RecordingApp> {
  let server = createServer()
  const sockets = new Set<Socket>()
  const app = { cell, port, seen: [] as SeenRequest[], probes: 0, healthy: true, handler: undefined as Handler | undefined }
  const listen = async (): Promise<void> => {
    server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => onRequest(app, request, response))
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    server.listen(app.port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address === 'object' && address !== null) app.port = address.port
  }
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    // Not `closeAllConnections`, which leaves out the ones that have become WebSockets.
    for (const socket of sockets) socket.destroy()
    await closed
  }
  await listen()
  return Object.assign(app, {
    origin: `http://127.0.0.1:${app.port}`,
    get server() {
      return server
    },
    take: () => app.seen.splice(0),
    stop,
    start: listen,
    [Symbol.asyncDispose]: stop
  })
}

interface AppState {
  readonly cell: string
  readonly seen: SeenRequest[]
  probes: number
  healthy: boolean
  handler: Handler | undefined
}

function onRequest(app: AppState, request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/health') {
    app.probes += 1
    response.writeHead(app.healthy ? 200 : 503).end()
    return
  }
  const seen: SeenRequest = {
    method: request.method ?? '',
    url: request.url ?? '',
    rawHeaders: request.rawHeaders,
    body: Buffer.alloc(0),
    bodyBytes: 0,
    sha256: '',
    complete: false,
    aborted: false
  }
  app.seen.push(seen)
  response.once('close', () => {
    seen.aborted = !response.writableFinished
  })
  request.on('error', () => undefined)
  if (app.handler !== undefined) app.handler(request, response, seen)
  else readBody(request, seen).then(() => answerJson(app, response, seen), ignore)
}

/** Reads the body into `seen`; rejects when the connection ends first. */
export async function readBody(request: IncomingMessage, seen: SeenRequest): Promise<void> {
  const digest = createHash('sha256')
  const kept: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) {
    digest.update(chunk)
    if (seen.bodyBytes < BODY_KEPT_BYTES) kept.push(chunk)
    seen.bodyBytes += chunk.length
  }
  seen.body = Buffer.concat(kept)
  seen.sha256 = digest.digest('hex')
  seen.complete = true
}

/** The answer that tests look at: who served, and what arrived. */
export function answerJson(app: { readonly cell: string }, response: ServerResponse, seen: SeenRequest, statusCode = 200): void {
  const body = JSON.stringify({ cell: app.cell, method: seen.method, url: seen.url, bodyBytes: seen.bodyBytes, sha256: seen.sha256 })
  response.writeHead(statusCode, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
}

/** 421 with or without the promise that nothing was done. */
export function refuseAsNotOwner(response: ServerResponse, { notExecuted }: { readonly notExecuted: boolean }): void {
  const headers = { 'content-type': 'text/plain', 'content-length': 7, ...(notExecuted ? { 'x-cellway-not-executed': '1' } : {}) }
  response.writeHead(421, headers).end('not me\n')
}

/** Values of one header as the app got them. */
export function headerValues(seen: Pick<SeenRequest, 'rawHeaders'> | undefined, name: string): string[] {
  const values: string[] = []
  const raw = seen?.rawHeaders ?? []
  for (let at = 0; at < raw.length; at += 2) if (raw[at]?.toLowerCase() === name) values.push(raw[at + 1] ?? '')
  return values
}

export function headerValue(seen: Pick<SeenRequest, 'rawHeaders'> | undefined, name: string): string | undefined {
  return headerValues(seen, name).at(0)
}

/** For a task whose failure the test sees elsewhere: the connection that it read from has ended. */
function ignore(): void {}

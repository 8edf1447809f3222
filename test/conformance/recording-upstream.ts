import { createServer, type Server, type Socket } from 'node:net'
import { firstValue } from './http1-head.ts'
import { createRequestReader, type ReadRequest } from './strict-request-reader.ts'

export interface UpstreamRequest extends ReadRequest {
  readonly upstream: string
  /** Number of the connection it came on. */
  readonly connection: number
}

/** What came since the last `take`; probes of the gateway are left out. */
export interface Taken {
  readonly requests: readonly UpstreamRequest[]
  /** Everything a strict origin server would have refused or guessed about. */
  readonly problems: readonly string[]
  /** Bytes of requests, complete or not. */
  readonly bytes: number
  /** Beginnings of requests that have not ended. */
  readonly unfinished: readonly string[]
}

export interface UpstreamAnswer {
  readonly bytes: Buffer
  /** `tunnel` echoes every later byte of the connection. */
  readonly after: 'keep' | 'close' | 'tunnel'
}

export type Responder = (request: UpstreamRequest) => UpstreamAnswer | undefined

export interface RecordingUpstream extends AsyncDisposable {
  readonly name: string
  readonly port: number
  take(): Taken
}

interface Connection {
  readonly number: number
  readonly socket: Socket
  readonly reader: ReturnType<typeof createRequestReader>
  problemsTaken: number
  pendingTaken: number
  tunnel: boolean
}

interface Recorder {
  readonly name: string
  readonly respond: Responder
  readonly connections: Set<Connection>
  requests: UpstreamRequest[]
  problems: string[]
  bytes: number
}

/** An origin server that trusts nothing it receives. `respond` may answer special targets; the rest is echoed as JSON. */
export async function startRecordingUpstream(name: string, respond: Responder = () => undefined): Promise<RecordingUpstream> {
  const recorder: Recorder = { name, respond, connections: new Set(), requests: [], problems: [], bytes: 0 }
  let connectionCount = 0
  const server = createServer({ noDelay: true }, (socket) => accept(recorder, socket, connectionCount++))
  const port = await listen(server)
  return {
    name,
    port,
    take: () => take(recorder),
    async [Symbol.asyncDispose]() {
      for (const { socket } of recorder.connections) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
  return address.port
}

export function isProbe(request: ReadRequest): boolean {
  return request.method === 'GET' && request.target === '/health' && firstValue(request.headers, 'user-agent') === 'cellway-gateway-probe'
}

export function answerBytes(status: string, headers: readonly string[], body: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(body)
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1'), bytes])
}

export function echoAnswer(request: ReadRequest, upstream: string): Buffer {
  const { method, target, headers, trailers } = request
  const body = JSON.stringify({ upstream, method, target, headers, trailers, bodyBytes: request.body.length })
  const lines = ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`]
  return answerBytes('200 OK', lines, method === 'HEAD' ? '' : body)
}

function accept(recorder: Recorder, socket: Socket, number: number): void {
  const connection: Connection = { number, socket, reader: createRequestReader(), problemsTaken: 0, pendingTaken: 0, tunnel: false }
  recorder.connections.add(connection)
  socket.on('data', (bytes) => receive(recorder, connection, bytes))
  // A reset is a normal end here: the gateway may drop a connection whose request was cut off.
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    collect(recorder, connection)
    recorder.connections.delete(connection)
  })
}

function receive(recorder: Recorder, connection: Connection, bytes: Buffer): void {
  const { socket, reader } = connection
  if (connection.tunnel) {
    socket.write(bytes)
    return
  }
  const answered = reader.push(bytes).map((request) => ({ ...request, upstream: recorder.name, connection: connection.number }))
  for (const request of answered) {
    if (isProbe(request)) {
      socket.write(answerBytes('200 OK', ['content-length: 2'], 'ok'))
      continue
    }
    recorder.requests.push(request)
    recorder.bytes += request.bytes
    const answer = recorder.respond(request) ?? { bytes: echoAnswer(request, recorder.name), after: 'keep' }
    socket.write(answer.bytes)
    if (answer.after === 'close') socket.end()
    if (answer.after === 'tunnel') connection.tunnel = true
  }
  if (answered.length === 0 && reader.problems.length > connection.problemsTaken && !socket.writableEnded) {
    socket.end(answerBytes('400 Bad Request', ['content-length: 0', 'connection: close']))
  }
}

/** Moves what is new on a connection into the record. */
function collect(recorder: Recorder, connection: Connection): void {
  const { reader } = connection
  const pendingBytes = isProbeStart(reader.pending) ? 0 : reader.pending.length
  // What was pending before and is complete now is counted with its request; only growth of a still pending one is new.
  recorder.bytes += Math.max(0, pendingBytes - connection.pendingTaken)
  connection.pendingTaken = pendingBytes
  const fresh = reader.problems.slice(connection.problemsTaken)
  connection.problemsTaken = reader.problems.length
  recorder.problems.push(...fresh.map((problem) => `${recorder.name}: ${problem}`))
}

function isProbeStart(pending: Buffer): boolean {
  return pending.toString('latin1', 0, 12) === 'GET /health '
}

function take(recorder: Recorder): Taken {
  for (const connection of recorder.connections) collect(recorder, connection)
  const unfinished = [...recorder.connections]
    .filter(({ reader, tunnel }) => !tunnel && reader.pending.length > 0 && !isProbeStart(reader.pending))
    .map(({ reader }) => reader.pending.toString('latin1', 0, 200))
  const taken = { requests: recorder.requests, problems: recorder.problems, bytes: recorder.bytes, unfinished }
  recorder.requests = []
  recorder.problems = []
  recorder.bytes = 0
  return taken
}

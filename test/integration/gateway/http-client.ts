import { once } from 'node:events'
import { Agent, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { within } from './until.ts'

const ANSWER_MS = 30_000

export interface SendOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Buffer | Readable
  readonly signal?: AbortSignal
  readonly agent?: Agent
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** Code of a refusal, `''` without one. */
  readonly code: string
  // biome-ignore lint/suspicious/noExplicitAny: the shapes of answers are what the tests look at
  readonly json: any
  readonly servedBy: string | undefined
  readonly ms: number
}

/** One request on a connection of its own, unless an agent says otherwise. */
export async function send(origin: string, path: string, options: SendOptions = {}): Promise<Answer> {
  const startedMs = performance.now()
  const sent = open(origin, path, options)
  const response = await within(`an answer to ${options.method ?? 'GET'} ${path}`, sent.response, ANSWER_MS)
  const text = await within(`the body of ${path}`, readText(response), ANSWER_MS)
  return answerOf(response, text, performance.now() - startedMs)
}

function answerOf(response: IncomingMessage, text: string, ms: number): Answer {
  const json: unknown = /json/.test(response.headers['content-type'] ?? '') ? JSON.parse(text) : undefined
  const error = typeof json === 'object' && json !== null && 'error' in json ? (json.error as { code?: string }) : undefined
  const servedBy = response.headers['x-cellway-served-by']
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text,
    code: error?.code ?? '',
    json,
    servedBy: Array.isArray(servedBy) ? servedBy.join(',') : servedBy,
    ms
  }
}

export interface OpenRequest {
  readonly request: ClientRequest
  readonly response: Promise<IncomingMessage>
}

/** For tests that look at an answer while it comes. */
export function open(origin: string, path: string, { method = 'GET', headers = {}, body, signal, agent }: SendOptions = {}): OpenRequest {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const outgoing = request(`${origin}${path}`, {
    method,
    headers: headers as Record<string, string | string[]>,
    agent: agent ?? new Agent({ keepAlive: false }),
    ...(signal === undefined ? {} : { signal })
  })
  outgoing.on('response', resolve).on('error', reject)
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) outgoing.end(body)
  else body.pipe(outgoing)
  // A test that ends the request itself need not look at the response.
  promise.catch(() => undefined)
  return { request: outgoing, response: promise }
}

export async function readText(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** Bytes on a socket, for what no client library would send. */
export interface RawConnection {
  readonly socket: Socket
  /** Everything that has come so far. */
  received(): string
  /** Whether it ended by a reset. */
  wasReset(): boolean
  /** Everything until the other side closes. */
  ended(timeoutMs?: number): Promise<string>
}

export async function rawConnect(port: number, bytes = ''): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.setNoDelay(true)
  let text = ''
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  let isReset = false
  socket.on('error', (error: NodeJS.ErrnoException) => {
    isReset ||= error.code === 'ECONNRESET'
  })
  await once(socket, 'connect')
  if (bytes !== '') socket.write(bytes, 'latin1')
  return {
    socket,
    received: () => text,
    wasReset: () => isReset,
    ended: async (timeoutMs = ANSWER_MS) => {
      await within('the end of the connection', closed, timeoutMs)
      return text
    }
  }
}

/** The answer to raw bytes: its status, and the code if the gateway refused. */
export async function sendRaw(port: number, bytes: string): Promise<{ status: number; code: string; text: string }> {
  const connection = await rawConnect(port, bytes)
  const text = await connection.ended()
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), code: /"code":"([A-Z_]+)"/.exec(text)?.[1] ?? '', text }
}

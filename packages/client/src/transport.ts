import { randomUUID } from 'node:crypto'
import { CellwayError } from '@cellway/base'
import { Agent, type Dispatcher, request } from 'undici'
import { outcomeUnknown, responseInvalid, timedOut, unreachable } from './errors.ts'

export interface TransportOptions {
  readonly urls: readonly string[]
  readonly token: string
  readonly dispatcher: Dispatcher
  readonly timeoutMs: number
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** A change: it gets an idempotency key, so that sending it again after a lost answer is safe. */
  readonly command?: boolean
  readonly signal?: AbortSignal | undefined
}

export interface Transport {
  /** The body of a successful answer. @throws CLIENT_*, and whatever the server refuses with, under the server's code */
  send(call: Call): Promise<string>
}

/** Bytes of one answer: ten times the largest snapshot. */
const RESPONSE_BYTES_MAX = 64 * 1024 * 1024
/** Over all control processes; each gets the call at most twice. */
const ROUNDS_MAX = 2
const CONNECT_TIMEOUT_MS = 3000

export function createDispatcher(): Agent {
  return new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, pipelining: 1 })
}

export function createTransport({ urls, token, dispatcher, timeoutMs }: TransportOptions): Transport {
  let preferred = 0

  async function send(call: Call): Promise<string> {
    const key = randomUUID()
    const headers: Record<string, string> = {
      authorization: `Bearer ${token}`,
      ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(call.command === true ? { 'idempotency-key': key } : {}),
      ...call.headers
    }
    const bounded = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(call.signal === undefined ? [] : [call.signal])])
    let mayBeDone = false
    let last: unknown
    for (let attempt = 0; attempt < urls.length * ROUNDS_MAX; attempt += 1) {
      const at = (preferred + attempt) % urls.length
      try {
        const body = await sendOnce(`${urls[at]}${pathOf(call)}`, { call, headers, signal: bounded, dispatcher })
        preferred = at
        return body
      } catch (cause) {
        call.signal?.throwIfAborted()
        // Control has answered: another one would say the same. Only one that is just stopping or busy is passed over.
        if (cause instanceof CellwayError && !(cause.statusCode === 503 && cause.retry === 'later')) throw cause
        last = cause
        mayBeDone ||= !(cause instanceof CellwayError) && !isConnectFailure(cause)
        if (bounded.aborted) break
      }
    }
    if (last instanceof CellwayError && !mayBeDone) throw last
    if (call.command === true && mayBeDone) throw outcomeUnknown({ call: nameOf(call), idempotencyKey: key }, { cause: last })
    if (bounded.aborted) throw timedOut({ call: nameOf(call), timeoutMs }, { cause: last })
    throw unreachable({ urls }, { cause: last })
  }

  return { send }
}

interface Attempt {
  readonly call: Call
  readonly headers: Record<string, string>
  readonly signal: AbortSignal
  readonly dispatcher: Dispatcher
}

async function sendOnce(url: string, { call, headers, signal, dispatcher }: Attempt): Promise<string> {
  const response = await request(url, {
    method: call.method,
    headers,
    signal,
    dispatcher,
    body: call.body === undefined ? null : JSON.stringify(call.body)
  })
  const text = await readBody(response, call)
  if (response.statusCode >= 200 && response.statusCode < 300) return text
  throw parseServerError(text, response.statusCode, nameOf(call))
}

async function readBody(response: Dispatcher.ResponseData, call: Call): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > RESPONSE_BYTES_MAX)
      throw responseInvalid({ call: nameOf(call), status: response.statusCode, problem: `it is longer than ${RESPONSE_BYTES_MAX} bytes` })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What the server refused with, as if it had been thrown here. */
export function parseServerError(text: string, status: number, call: string): CellwayError {
  const error = readError(text)
  if (error === undefined) return responseInvalid({ call, status, problem: 'an error without a code' })
  return new CellwayError(
    { code: error.code, message: error.message, statusCode: status, origin: status < 500 ? 'client' : 'operator', retry: error.retry },
    error.details
  )
}

interface WireError {
  readonly code: string
  readonly message: string
  readonly retry: 'never' | 'later' | 'after-change'
  readonly details: Readonly<Record<string, unknown>>
}

function readError(text: string): WireError | undefined {
  const value = parseJson(text)
  if (!isObject(value) || !isObject(value.error)) return undefined
  const { code, message, retry, details } = value.error
  if (typeof code !== 'string' || typeof message !== 'string') return undefined
  return { code, message, retry: retry === 'later' || retry === 'after-change' ? retry : 'never', details: isObject(details) ? details : {} }
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const CONNECT_FAILURES = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']

/** Then not one byte of the call has left. */
function isConnectFailure(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' && CONNECT_FAILURES.includes(cause.code)
}

function pathOf({ path, query = {} }: Call): string {
  const pairs = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
}

function nameOf({ method, path }: Call): string {
  return `${method} ${path}`
}

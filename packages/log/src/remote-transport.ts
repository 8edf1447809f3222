import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'
import { logClosed, logLinkBroken, logRequestInvalid, logUnreachable } from './errors.ts'
import { codeOfCause, errorFromWire, isAway } from './remote-errors.ts'
import type { RemoteConnection, RemoteLogOptions, RemoteTuning } from './remote-log.ts'
import { FRAMES_CONTENT_TYPE } from './remote-wire.ts'

export interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly path: string
  readonly json?: unknown
  readonly signal?: AbortSignal | undefined
}

export interface StreamCall {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Frames that go up while others come down. */
  readonly body?: Readable
  readonly signal: AbortSignal
}

/** The way to the center: which url, whether it answers, and the errors it answers with. */
export interface Transport extends AsyncDisposable {
  readonly tuning: RemoteTuning
  /** Aborts when the log is closed. */
  readonly closing: AbortSignal
  readonly url: string
  connection(): RemoteConnection
  /** A small call, tried again as long as the center is away. @throws what the center refuses with, LOG_UNREACHABLE, LOG_CLOSED */
  call(call: Call): Promise<unknown>
  /** The frames that come down, once the center has agreed. @throws what it refuses with, and errors of the network */
  open(call: StreamCall): Promise<Readable>
  /** A stream brought something. */
  heard(): void
  /** A stream broke, or could not be opened: the next one goes to the next url. */
  failed(cause: unknown): void
  /** Waits before the next attempt; longer each time, and never the same for two clients. @throws the signal's reason */
  backOff(attempts: number, signal: AbortSignal): Promise<void>
}

const TUNING: RemoteTuning = {
  pendingBytesMax: 64 * 1024 * 1024,
  pendingAppendsMax: 4096,
  connectTimeoutMs: 3000,
  silenceMsMax: 5000,
  callTimeoutMs: 10_000,
  backoffMsMin: 20,
  backoffMsMax: 2000
}

/** An answer to a small call; a list of 256 streams with their readers is far below. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const KEEP_ALIVE_MS = 4000

export function createTransport(options: RemoteLogOptions): Transport {
  return new HttpTransport(options)
}

class HttpTransport implements Transport {
  readonly tuning: RemoteTuning
  readonly #urls: readonly string[]
  readonly #token: string
  readonly #agent: Agent
  readonly #closing = new AbortController()
  #at = 0
  #connection: RemoteConnection = { state: 'idle' }

  constructor({ url, urls, token, ca, tuning }: RemoteLogOptions) {
    this.#urls = checkUrls(url === undefined ? (urls ?? []) : [url, ...(urls ?? [])])
    this.#token = token
    this.tuning = { ...TUNING, ...tuning }
    const { connectTimeoutMs: timeout } = this.tuning
    this.#agent = new Agent({
      connect: { timeout, ...(ca === undefined ? {} : { ca }) },
      // Of streams, the silence is watched by who reads them: only he knows when it is he who does not listen.
      bodyTimeout: 0,
      headersTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS
    })
  }

  get closing(): AbortSignal {
    return this.#closing.signal
  }

  get url(): string {
    return this.#urls[this.#at % this.#urls.length] ?? ''
  }

  connection(): RemoteConnection {
    return this.#connection
  }

  async call(call: Call): Promise<unknown> {
    const { callTimeoutMs, silenceMsMax } = this.tuning
    const signals = [this.closing, AbortSignal.timeout(callTimeoutMs), ...(call.signal === undefined ? [] : [call.signal])]
    const signal = AbortSignal.any(signals)
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await this.#once(call, AbortSignal.any([signal, AbortSignal.timeout(silenceMsMax)]))
      } catch (cause) {
        this.#assertOpen()
        call.signal?.throwIfAborted()
        if (!isAway(cause)) throw cause
        this.failed(cause)
        await this.backOff(attempts, signal).catch(() => {})
        this.#assertOpen()
        call.signal?.throwIfAborted()
        if (signal.aborted) throw logUnreachable({ attempts, reason: codeOfCause(cause) }, { cause })
      }
    }
  }

  async open({ method, path, headers, body, signal }: StreamCall): Promise<Readable> {
    this.#assertOpen()
    const { connectTimeoutMs, silenceMsMax } = this.tuning
    const opening = new AbortController()
    // Undici's own timeout does not run while a body is being sent, and here that is always.
    const timer = setTimeout(() => opening.abort(logLinkBroken({ problem: 'no answer to the head of a link' })), connectTimeoutMs + silenceMsMax)
    try {
      const answer = await this.#agent.request({
        origin: this.url,
        method,
        path,
        headers: {
          ...this.#headers(),
          ...headers,
          accept: FRAMES_CONTENT_TYPE,
          ...(body === undefined ? {} : { 'content-type': FRAMES_CONTENT_TYPE })
        },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.any([signal, this.closing, opening.signal])
      })
      if (answer.statusCode !== 200) throw errorFromWire(await errorOf(answer.body), answer.statusCode)
      // Something else that listens there, or a proxy that answers for the center.
      if (answer.headers['content-type'] !== FRAMES_CONTENT_TYPE) {
        answer.body.destroy()
        throw logLinkBroken({ problem: `an answer of type ${String(answer.headers['content-type'])}` })
      }
      this.#connection = { state: 'connected' }
      return answer.body
    } finally {
      clearTimeout(timer)
    }
  }

  heard(): void {
    if (this.#connection.state !== 'connected') this.#connection = { state: 'connected' }
  }

  failed(cause: unknown): void {
    if (this.closing.aborted) return
    this.#at += 1
    const before = this.#connection
    const [attempts, sinceMs] = before.state === 'unreachable' ? [before.attempts + 1, before.sinceMs] : [1, Date.now()]
    this.#connection = { state: 'unreachable', code: codeOfCause(cause), attempts, sinceMs }
  }

  async backOff(attempts: number, signal: AbortSignal): Promise<void> {
    const { backoffMsMin, backoffMsMax } = this.tuning
    const most = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(attempts, 16))
    await sleep(most / 2 + (Math.random() * most) / 2, undefined, { signal })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closing.aborted) return
    this.#closing.abort(logClosed({ adapter: 'remote' }))
    await this.#agent.destroy()
  }

  async #once({ method, path, json }: Call, signal: AbortSignal): Promise<unknown> {
    this.#assertOpen()
    const { statusCode, body } = await this.#agent.request({
      origin: this.url,
      method,
      path,
      headers: { ...this.#headers(), ...(json === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      signal
    })
    if (statusCode >= 400) throw errorFromWire(await errorOf(body), statusCode)
    const answer = parseJson(await textOf(body))
    this.#connection = { state: 'connected' }
    return answer
  }

  #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#token}` }
  }

  #assertOpen(): void {
    if (this.closing.aborted) throw logClosed({ adapter: 'remote' })
  }
}

function checkUrls(urls: readonly string[]): readonly string[] {
  if (urls.length === 0) throw logRequestInvalid({ problem: 'the center has no url' })
  return urls.map((text) => {
    const url = URL.parse(text)
    if (url === null || !/^https?:$/.test(url.protocol)) throw logRequestInvalid({ problem: `"${text}" is not the URL of a center` })
    return url.origin
  })
}

async function errorOf(body: Readable): Promise<unknown> {
  const value = parseJson(await textOf(body))
  return typeof value === 'object' && value !== null && 'error' in value ? value.error : undefined
}

async function textOf(body: Readable): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > ANSWER_BYTES_MAX) throw logLinkBroken({ problem: `an answer of more than ${ANSWER_BYTES_MAX} bytes` })
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function parseJson(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw logLinkBroken({ problem: 'an answer that is no JSON' }, { cause })
  }
}

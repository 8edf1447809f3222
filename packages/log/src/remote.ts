import { randomUUID } from 'node:crypto'
import { checkBatch, checkMaxBytes, checkReader, checkSequence, checkStream } from './check.ts'
import { logClosed, logLinkBroken, logRequestInvalid } from './errors.ts'
import type { LogBatch, LogBounds, LogIdentity, LogPosition, ReadBatch, ReadOptions } from './log.ts'
import type { Appends, PendingBudget } from './remote-append.ts'
import { createAppends } from './remote-append.ts'
import type { CallOptions, ReaderReport, RemoteConnection, RemoteEvent, RemoteLog, RemoteLogOptions } from './remote-log.ts'
import { readRemote } from './remote-read.ts'
import type { Transport } from './remote-transport.ts'
import { createTransport } from './remote-transport.ts'

const adapter = 'remote'
/** Longer than any GTID set that a server prints in practice. */
const POSITION_CHARS_MAX = 32 * 1024

/** Connects when it is first used. @throws LOG_REQUEST_INVALID */
export function createRemoteLog(options: RemoteLogOptions): RemoteLog {
  return new CenterLog(options)
}

class CenterLog implements RemoteLog {
  readonly adapter = adapter
  readonly #transport: Transport
  readonly #onEvent: (event: RemoteEvent) => void
  readonly #writer = randomUUID()
  readonly #budget: PendingBudget = { appends: 0, bytes: 0 }
  readonly #appends = new Map<string, Appends>()

  constructor(options: RemoteLogOptions) {
    this.#transport = createTransport(options)
    this.#onEvent = options.onEvent ?? (() => {})
  }

  async append(stream: string, batch: LogBatch, { signal }: { readonly signal: AbortSignal }): Promise<LogPosition> {
    this.#assertOpen()
    signal.throwIfAborted()
    checkStream(stream)
    checkBatch(batch)
    let appends = this.#appends.get(stream)
    if (appends === undefined) {
      const [transport, writer, budget, onEvent] = [this.#transport, this.#writer, this.#budget, this.#onEvent]
      appends = createAppends({ stream, writer, transport, budget, onEvent })
      this.#appends.set(stream, appends)
    }
    return appends.append(batch, signal)
  }

  async *read(stream: string, from: LogPosition | 'oldest', options: ReadOptions): AsyncGenerator<ReadBatch, undefined> {
    this.#assertOpen()
    checkStream(stream)
    checkMaxBytes(options.maxBytes)
    if (from !== 'oldest') checkSequence(from)
    yield* readRemote(stream, from, { ...options, transport: this.#transport, onEvent: this.#onEvent })
    return undefined
  }

  async bounds(stream: string): Promise<LogBounds> {
    return parseBounds(await this.#call('GET', stream, { path: 'bounds' }))
  }

  async trim(stream: string, before: LogPosition): Promise<LogBounds> {
    checkSequence(before)
    return parseBounds(await this.#call('POST', stream, { path: 'trim', json: { before } }))
  }

  async identity(stream: string): Promise<LogIdentity> {
    const { logId, epoch } = objectOf(await this.#call('GET', stream, { path: 'identity' }))
    if (typeof logId !== 'string' || typeof epoch !== 'number') throw unreadable('identity')
    return { logId, epoch }
  }

  async streams(): Promise<readonly string[]> {
    const { streams } = objectOf(await this.#transport.call({ method: 'GET', path: '/v1/streams' }))
    if (!Array.isArray(streams)) throw unreadable('list of streams')
    return streams.map((one) => String(objectOf(one).stream))
  }

  async retain(stream: string, reader: string, from: LogPosition): Promise<void> {
    checkReader(reader)
    checkSequence(from)
    await this.#call('PUT', stream, { path: `retainers/${encodeURIComponent(reader)}`, json: { from } })
  }

  async release(stream: string, reader: string): Promise<void> {
    checkReader(reader)
    await this.#call('DELETE', stream, { path: `retainers/${encodeURIComponent(reader)}` })
  }

  async reportReader(stream: string, reader: string, position: string, { signal }: CallOptions = {}): Promise<void> {
    checkReader(reader)
    if (position.length > POSITION_CHARS_MAX) throw logRequestInvalid({ problem: `a position has at most ${POSITION_CHARS_MAX} characters` })
    await this.#call('PUT', stream, { path: `readers/${encodeURIComponent(reader)}`, json: { position, time: Date.now() }, signal })
  }

  async readers(stream: string, { signal }: CallOptions = {}): Promise<readonly ReaderReport[]> {
    const { readers } = objectOf(await this.#call('GET', stream, { path: 'readers', signal }))
    if (!Array.isArray(readers)) throw unreadable('list of readers')
    return readers.map(parseReport)
  }

  connection(): RemoteConnection {
    return this.#transport.connection()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]()
  }

  async #call(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    stream: string,
    { path, json, signal }: { readonly path: string; readonly json?: unknown; readonly signal?: AbortSignal | undefined }
  ): Promise<unknown> {
    this.#assertOpen()
    checkStream(stream)
    return this.#transport.call({ method, path: `/v1/streams/${stream}/${path}`, json, signal })
  }

  #assertOpen(): void {
    if (this.#transport.closing.aborted) throw logClosed({ adapter })
  }
}

function parseBounds(value: unknown): LogBounds {
  const { logId, first, next } = objectOf(value)
  if (typeof logId !== 'string' || typeof first !== 'number' || typeof next !== 'number') throw unreadable('bounds')
  return { logId, first, next }
}

function parseReport(value: unknown): ReaderReport {
  const { reader, position, time, ageMs } = objectOf(value)
  if (typeof reader !== 'string' || typeof position !== 'string' || typeof time !== 'number' || typeof ageMs !== 'number') throw unreadable('report')
  return { reader, position, timeMs: time, ageMs }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw unreadable('answer')
  return value as Readonly<Record<string, unknown>>
}

function unreadable(what: string): Error {
  return logLinkBroken({ problem: `the center's ${what} cannot be read` })
}

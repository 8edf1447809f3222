import { Readable } from 'node:stream'
import { logClosed, logLinkBroken, logNotDurable, logOverloaded } from './errors.ts'
import type { LogBatch, LogPosition } from './log.ts'
import { errorFromWire, isAway } from './remote-errors.ts'
import type { RemoteEvent } from './remote-log.ts'
import type { Transport } from './remote-transport.ts'
import type { Frame } from './remote-wire.ts'
import { BEAT_EVERY_MS, createFrameReader, encodeAppend, encodeBeat } from './remote-wire.ts'

export interface Appends {
  /** Durable in the center when it resolves. @throws LOG_NOT_DURABLE, LOG_OVERLOADED, LOG_CLOSED, and what the center refuses with */
  append(batch: LogBatch, signal: AbortSignal): Promise<LogPosition>
}

export interface AppendsOptions {
  readonly stream: string
  /** Of this client: a new link of it ends an older one that the center may still hold, so that nothing old comes in late. */
  readonly writer: string
  readonly transport: Transport
  readonly budget: PendingBudget
  readonly onEvent: (event: RemoteEvent) => void
}

/** What all appends of a client may hold until they are acknowledged. */
export interface PendingBudget {
  appends: number
  bytes: number
}

/** Bytes handed to the socket ahead of what it takes: enough to keep it busy. What is behind them has not left this process. */
const AHEAD_BYTES = 1024 * 1024
/** A link that nothing was appended on for so long is closed; the next append opens one. */
const IDLE_MS = 60_000

interface Pending {
  readonly batch: LogBatch
  settle(outcome: { readonly position: LogPosition } | { readonly error: unknown }): void
}

/** One stream of appends: many on their way at a time, over one link that is made when it is needed. */
export function createAppends(options: AppendsOptions): Appends {
  return new StreamAppends(options)
}

class StreamAppends implements Appends {
  readonly #options: AppendsOptions
  /** Not sent yet. */
  #waiting: Pending[] = []
  /** Sent, and not answered yet: whether they are durable, only the center knows. */
  #sent: Pending[] = []
  #running = false
  /** The numbers of the appends of a link begin at 1. */
  #sentCount = 0
  #ackCount = 0
  #body: Readable | undefined
  #open = false
  #lastAppendMs = 0

  constructor(options: AppendsOptions) {
    this.#options = options
  }

  append(batch: LogBatch, signal: AbortSignal): Promise<LogPosition> {
    const { transport, budget, stream } = this.#options
    const { pendingBytesMax, pendingAppendsMax } = transport.tuning
    const bytes = batch.payload.length
    if (budget.bytes + bytes > pendingBytesMax) throw logOverloaded({ stream, reason: 'pending', limit: pendingBytesMax })
    if (budget.appends >= pendingAppendsMax) throw logOverloaded({ stream, reason: 'pending', limit: pendingAppendsMax })
    return new Promise((resolve, reject) => {
      let unsettled = true
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== pending)
        pending.settle({ error: signal.reason })
      }
      const settle: Pending['settle'] = (outcome) => {
        if (!unsettled) return
        unsettled = false
        signal.removeEventListener('abort', onAbort)
        budget.bytes -= bytes
        budget.appends -= 1
        if ('error' in outcome) reject(outcome.error)
        else resolve(outcome.position)
      }
      const pending: Pending = { batch, settle }
      budget.bytes += bytes
      budget.appends += 1
      signal.addEventListener('abort', onAbort)
      this.#waiting.push(pending)
      this.#lastAppendMs = performance.now()
      if (this.#open) this.#pump()
      else if (!this.#running) void this.#run()
    })
  }

  /** Never rejects: what goes wrong is the outcome of the appends. */
  async #run(): Promise<void> {
    const { transport, stream, onEvent } = this.#options
    this.#running = true
    let attempts = 0
    while (this.#waiting.length > 0) {
      attempts += 1
      try {
        await this.#serveLink(() => {
          attempts = 0
        })
      } catch (cause) {
        if (transport.closing.aborted) this.#failAll(logClosed({ adapter: 'remote' }, { cause }))
        else if (isAway(cause)) {
          onEvent({ kind: 'disconnected', what: 'append', stream, url: transport.url, cause })
          transport.failed(cause)
          // Nobody knows of these, and those behind them must not pass them.
          if (this.#sent.length > 0) this.#failAll(logNotDurable({ stream }, { cause }))
          else await transport.backOff(attempts, transport.closing).catch(() => {})
        } else this.#failAll(cause)
      }
    }
    this.#running = false
  }

  /** Ends when the link was idle for long, or an append was refused. @throws why it ended otherwise */
  async #serveLink(onOpen: () => void): Promise<void> {
    const { transport, stream, writer, onEvent } = this.#options
    const link = new AbortController()
    const body = new Readable({ highWaterMark: AHEAD_BYTES, read: () => this.#pump() })
    // Why the link ended is known from its answers.
    body.on('error', () => {})
    // The head of the request goes out with the first piece.
    body.push(encodeBeat())
    this.#body = body
    this.#sentCount = 0
    this.#ackCount = 0
    let beats: NodeJS.Timeout | undefined
    try {
      const answer = await transport.open({
        method: 'POST',
        path: `/v1/streams/${stream}/records`,
        headers: { 'x-cellway-writer': writer },
        body,
        signal: link.signal
      })
      onOpen()
      onEvent({ kind: 'connected', what: 'append', stream, url: transport.url })
      const heard = { ms: performance.now() }
      beats = setInterval(() => this.#beat(link, heard), BEAT_EVERY_MS)
      this.#open = true
      this.#pump()
      await this.#takeAnswers(answer, heard)
    } catch (cause) {
      if (link.signal.reason !== IDLE) throw cause
    } finally {
      this.#open = false
      this.#body = undefined
      clearInterval(beats)
      link.abort(logLinkBroken({ problem: 'the link ended' }))
      body.destroy()
    }
  }

  async #takeAnswers(answer: Readable, heard: { ms: number }): Promise<void> {
    const reader = createFrameReader()
    let logId = ''
    for await (const piece of answer as AsyncIterable<Buffer>) {
      heard.ms = performance.now()
      this.#options.transport.heard()
      reader.push(piece)
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        if (frame.kind === 'stream') logId = frame.logId
        else if (this.#takeAnswer(frame, logId) === 'refused') return
      }
    }
    throw logLinkBroken({ problem: 'the center ended the link' })
  }

  #takeAnswer(frame: Frame, logId: string): 'refused' | undefined {
    if (frame.kind === 'beat') return undefined
    if (frame.kind === 'error') {
      const error = errorFromWire(frame.error, 500)
      // Else the link ends, and of what is on its way nobody knows.
      if (frame.number === 0) throw error
      // What is behind a refused append was not taken either. What is appended from now on goes over the next link.
      this.#open = false
      this.#failAll(error)
      return 'refused'
    }
    if (frame.kind !== 'ack' || frame.number !== this.#ackCount + 1) throw logLinkBroken({ problem: `a frame of kind ${frame.kind} out of turn` })
    this.#ackCount += 1
    this.#sent.shift()?.settle({ position: { logId, sequence: frame.sequence } })
    return undefined
  }

  /** Sends what waits, as long as the socket takes it. */
  #pump(): void {
    const body = this.#body
    if (!this.#open || body === undefined) return
    let room = true
    while (room) {
      const pending = this.#waiting.shift()
      if (pending === undefined) return
      this.#sent.push(pending)
      this.#sentCount += 1
      for (const piece of encodeAppend(this.#sentCount, pending.batch.epoch, pending.batch.payload)) room = body.push(piece)
    }
  }

  #beat(link: AbortController, heard: { readonly ms: number }): void {
    const { silenceMsMax } = this.#options.transport.tuning
    const nowMs = performance.now()
    if (nowMs - heard.ms > silenceMsMax) link.abort(logLinkBroken({ problem: `nothing came for ${silenceMsMax} ms` }))
    else if (this.#sent.length === 0 && this.#waiting.length === 0 && nowMs - this.#lastAppendMs > IDLE_MS) link.abort(IDLE)
    else if ((this.#body?.readableLength ?? 0) === 0) this.#body?.push(encodeBeat())
  }

  #failAll(error: unknown): void {
    const failed = [...this.#sent, ...this.#waiting]
    this.#sent = []
    this.#waiting = []
    for (const { settle } of failed) settle({ error })
  }
}

const IDLE = logLinkBroken({ problem: 'nothing was appended for long' })

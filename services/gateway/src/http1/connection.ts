import type { Socket } from 'node:net'
import { type CellwayError, isCellwayError } from '@cellway/base'
import { badRequest, internalError, requestTimeout } from '../errors.ts'
import { HeadParser, type HeadParserLimits, UNFINISHED } from './head-parser.ts'
import { Message } from './message.ts'

/** Bytes that wait for their turn: more pipelined requests, or a body that nobody takes yet. More => the socket is not read. */
const WAITING_BYTES_MAX = 16 * 1024

/** What the connections of one listener share. */
export interface ConnectionContext {
  readonly limits: ConnectionLimits
  readonly encrypted: boolean
  /** `Connection` and `Keep-Alive` of an answer that is not the last. */
  readonly keepAliveLines: string
  /** No connection waits for another request any more. */
  readonly closesIdle: boolean
  dateLine(): string
  /** When so much time will have passed, in the sweep's count; a little late, never early. */
  deadlineAfter(ms: number): number
  onRequest(message: Message): void
  /** A whole answer for what is no request. */
  refusal(error: CellwayError): string
  onClosed(connection: Connection): void
}

export interface ConnectionLimits extends HeadParserLimits {
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  /** How long a client may not read what is written for it. */
  readonly stalledTimeoutMs: number
  readonly requestsPerSocketMax: number
}

/** How long we read on, and throw away, what a client is still sending after our last byte. */
export const LINGER_MS = 2_000
/** The client hears of the keep-alive time, and counts from when it got the answer: it should give up first. */
const KEEP_ALIVE_GRACE_MS = 1_000

/**
 * `waiting`: for the first byte of a request; `head`: it has begun; `request`: it is with the phases until its answer is written;
 * `flushing`: the client is slow to read that; `lingering`: our last byte is written; `over`: gone, or given away.
 */
type State = 'waiting' | 'head' | 'request' | 'flushing' | 'lingering' | 'over'

/** One client connection: one request after the other, the next is not looked at before the answer of the one before is written. */
export class Connection {
  readonly socket: Socket
  readonly #context: ConnectionContext
  readonly #transport: Socket
  #state: State = 'waiting'
  /** When the sweep looks after it (`onDeadline`). */
  deadline: number
  #parser: HeadParser | undefined
  #message: Message | undefined
  #rest: Buffer | undefined
  #requests = 0
  #peer: string | undefined
  #unflushedBytes = 0
  /** Ours only: node's own stay when the socket is handed over. */
  readonly #listeners = {
    data: (chunk: Buffer): void => this.#onData(chunk),
    drain: (): void => this.#onDrain(),
    end: (): void => this.#onEnded(),
    error: (): void => undefined,
    close: (): void => this.#onClosed()
  }

  /** @param transport the TCP socket, if `socket` is TLS on top of it. */
  constructor(socket: Socket, context: ConnectionContext, transport: Socket = socket) {
    this.socket = socket
    this.#transport = transport
    this.#context = context
    this.deadline = context.deadlineAfter(context.limits.headersTimeoutMs)
    const { data, drain, end, error, close } = this.#listeners
    socket.on('data', data).on('drain', drain).on('end', end).on('error', error).on('close', close)
  }

  get peer(): string {
    this.#peer ??= this.socket.remoteAddress ?? ''
    return this.#peer
  }

  /** The request under way is the last that this connection may bring. */
  get isLast(): boolean {
    return this.#requests >= this.#context.limits.requestsPerSocketMax
  }

  #onData(chunk: Buffer): void {
    switch (this.#state) {
      case 'waiting':
      case 'head':
        this.#readHead(this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]))
        return
      case 'request':
      case 'flushing':
        this.#rest = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
        if (this.#message?.takesBody === true) this.feed()
        if (this.#rest !== undefined && this.#rest.length > WAITING_BYTES_MAX) this.socket.pause()
        return
      // What comes behind our last word is read so that the client gets to read that, and dropped.
      case 'lingering':
      case 'over':
    }
  }

  #readHead(bytes: Buffer): void {
    const { limits } = this.#context
    const parser = this.#parser ?? new HeadParser(limits)
    const text = bytes.toString('latin1', 0, Math.min(bytes.length, limits.headerBytesMax + 1))
    let end: number
    try {
      end = parser.push(text)
    } catch (error) {
      this.#refuse(isCellwayError(error) ? error : internalError({}, { cause: error }))
      return
    }
    if (end === UNFINISHED) {
      this.#waitForHead(parser, bytes, parser.isBlank(text))
      return
    }
    this.#parser = undefined
    this.#rest = end === bytes.length ? undefined : bytes.subarray(end)
    this.deadline = this.#context.deadlineAfter(limits.requestTimeoutMs)
    this.#state = 'request'
    this.#requests += 1
    this.#message = new Message(this, this.#context, parser)
    this.#context.onRequest(this.#message)
  }

  #waitForHead(parser: HeadParser, bytes: Buffer, blank: boolean): void {
    // Some old clients send an empty line behind a body: it is no sign that a request begins.
    this.#rest = blank ? undefined : bytes
    this.#parser = blank ? undefined : parser
    if (blank || this.#state === 'head') return
    this.#state = 'head'
    this.deadline = this.#context.deadlineAfter(this.#context.limits.headersTimeoutMs)
  }

  /** Hands waiting bytes to the body's reader. */
  feed(): void {
    const bytes = this.#rest
    const message = this.#message
    if (bytes !== undefined && message !== undefined) {
      this.#rest = undefined
      const behind = message.take(bytes)
      // Its reader may have ended all of it by now.
      if (this.#state === 'request') this.#rest = behind
      message.tellEnd()
    }
    this.#readOn()
  }

  /** Takes more from the socket, unless enough is waiting. */
  #readOn(): void {
    if (this.socket.isPaused() && (this.#rest === undefined || this.#state === 'head')) this.socket.resume()
  }

  /** The request has come whole: its answer has its own time limits. */
  onComplete(): void {
    this.deadline = Number.POSITIVE_INFINITY
  }

  onAnswered(closes: boolean): void {
    this.#message = undefined
    if (closes) this.#closeGently()
    else if (this.socket.writableNeedDrain) this.#waitForFlush()
    else this.#waitForRequest()
  }

  /** Another answer behind one that is not read yet would let a client fill our memory. */
  #waitForFlush(): void {
    this.#state = 'flushing'
    this.#waitForBytes()
  }

  #waitForBytes(): void {
    this.#unflushedBytes = this.socket.writableLength
    this.deadline = this.#context.deadlineAfter(this.#context.limits.stalledTimeoutMs)
  }

  #waitForRequest(): void {
    this.#state = 'waiting'
    this.deadline = this.#context.deadlineAfter(this.#context.limits.keepAliveTimeoutMs + KEEP_ALIVE_GRACE_MS)
    if (this.#rest !== undefined) queueMicrotask(() => this.#readWaiting())
    else if (this.#context.closesIdle) this.#closeGently()
  }

  /** A request that came before its turn. Not from within the one before: a thousand of them would be a thousand calls deep. */
  #readWaiting(): void {
    const bytes = this.#rest
    if (bytes === undefined || this.#state !== 'waiting') return
    this.#rest = undefined
    this.#readHead(bytes)
    this.#readOn()
  }

  /** What is no request gets one answer, and no trust after that. */
  #refuse(error: CellwayError): void {
    this.socket.write(this.#context.refusal(error), 'latin1')
    this.#closeGently()
  }

  /**
   * Ends our side and reads on for a moment. With bytes unread the kernel would send a reset, which can overtake the answer, so the
   * client would never learn why it was refused (RFC 9112 9.6).
   */
  #closeGently(): void {
    if (this.#state === 'over' || this.#state === 'lingering') return
    this.#state = 'lingering'
    this.#rest = undefined
    this.#parser = undefined
    this.#waitForBytes()
    this.socket.end(() => {
      this.#unflushedBytes = 0
      this.deadline = this.#context.deadlineAfter(LINGER_MS)
    })
    this.#readOn()
  }

  /** Nobody is served on it now, and nothing is on its way. */
  closeIfIdle(): void {
    if (this.#state === 'waiting' && this.#rest === undefined) this.#closeGently()
  }

  onDeadline(): void {
    switch (this.#state) {
      case 'waiting':
        if (this.socket.writableLength > 0) this.#waitForFlush()
        else if (this.#requests === 0) this.#refuse(requestTimeout({}))
        else this.#closeGently()
        return
      case 'head':
        this.#refuse(requestTimeout({}))
        return
      case 'request':
        // A body that nobody asks for yet is late by our own doing.
        if (this.#message?.fail(requestTimeout({})) !== true) this.deadline = this.#context.deadlineAfter(this.#context.limits.headersTimeoutMs)
        return
      case 'flushing':
      case 'lingering':
        if (this.socket.writableLength < this.#unflushedBytes) this.#waitForBytes()
        else this.socket.destroy()
        return
      case 'over':
    }
  }

  #onDrain(): void {
    if (this.#state === 'flushing') this.#waitForRequest()
    else this.#message?.drained()
  }

  /** The client will send nothing more, and nobody sends half a connection's end but to go. */
  #onEnded(): void {
    switch (this.#state) {
      case 'head':
        this.#refuse(badRequest({ rule: 'the head ended early' }))
        return
      case 'request':
        if (this.#message?.fail(badRequest({ rule: 'the body ended early' })) !== true) this.socket.destroy()
        return
      default:
        this.#closeGently()
    }
  }

  #onClosed(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    const message = this.#message
    this.#message = undefined
    this.#rest = undefined
    this.#context.onClosed(this)
    message?.leave()
  }

  abort({ reset }: { readonly reset: boolean }): void {
    // A handle that is reset while its own end is being sent is lost to node, with its descriptor.
    if (reset && !this.#transport.writableEnded) this.#transport.resetAndDestroy()
    else this.socket.destroy()
  }

  /** Gives the socket away, not reading. @returns it, and what the client has sent behind its request. */
  detach(): { readonly socket: Socket; readonly first: Buffer } {
    const { data, drain, end, error, close } = this.#listeners
    const first = this.#rest ?? Buffer.alloc(0)
    this.#state = 'over'
    this.#message = undefined
    this.#rest = undefined
    this.socket.pause()
    this.socket.off('data', data).off('drain', drain).off('end', end).off('error', error).off('close', close)
    this.#context.onClosed(this)
    return { socket: this.socket, first }
  }
}

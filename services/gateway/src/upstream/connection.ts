import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { UpstreamHead } from '../http/response-headers.ts'
import { AnswerParser, type AnswerSink } from './answer-parser.ts'

/** What an instance is to be sent. */
export interface Sending {
  readonly method: string
  /** Request line and headers, latin1, without the empty line. */
  readonly head: string
  /** `null`: no body. A stream with `contentLength` undefined is sent in chunks. */
  readonly body: Buffer | Readable | null
  readonly contentLength: number | undefined
  /** From the moment it is handed over until the head of the answer. */
  readonly answerTimeoutMs: number
  /** Longest silence inside the answer; 0: as long as it likes. */
  readonly bodyIdleTimeoutMs: number
  readonly expectsUpgrade: boolean
}

/** What becomes of it. `onWhole`, or `onHead` … `onEnd`, or `onUpgrade`, or `onError` at any time; nothing after the last. */
export interface SendingHandler {
  /** From here on the instance may have seen it. */
  onSent(): void
  onWhole(head: UpstreamHead, body: Buffer): void
  onHead(head: UpstreamHead): void
  onData(chunk: Buffer): void
  onEnd(): void
  onUpgrade(head: UpstreamHead, socket: Socket, first: Buffer): void
  onError(error: Error): void
}

/**
 * All plain connections read into this one, because each read is handled before the next: without it node allocates 64 KiB per
 * read and takes every answer through a stream's buffer.
 */
const READ_BUFFER = Buffer.alloc(64 * 1024)

/** Why a sending failed, as a code to match on. */
export class SendingError extends Error {
  readonly code: string
  constructor(code: string, cause?: unknown) {
    super(`upstream connection: ${code}`, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

export interface ConnectionOptions {
  readonly host: string
  readonly port: number
  /** Server name for TLS; undefined: plain TCP. */
  readonly tlsName: string | undefined
  readonly cell: string
  readonly headerBytesMax: number
  readonly connectTimeoutMs: number
  /** Ready for the next request, or gone: told once each time. */
  readonly onIdle: (connection: Connection) => void
  readonly onClosed: (connection: Connection) => void
}

interface Job {
  readonly sending: Sending
  readonly handler: SendingHandler
  readonly parser: AnswerParser
  sentWhole: boolean
}

/** One connection to an instance; carries one request at a time, so an answer can only belong to that one. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  #job: Job | undefined
  /** Ours only: node's own stay when the socket is handed over. */
  readonly #listeners = {
    data: (chunk: Buffer): void => this.#onData(chunk),
    end: (): void => this.#onEnded(),
    error: (error: Error): void => this.fail(new SendingError('code' in error ? String(error.code) : 'SOCKET', error)),
    close: (): void => this.fail(new SendingError('CLOSED_EARLY'))
  }
  #connected = false
  #closed = false
  #detached = false
  /** When the pool's sweep ends what waits too long; Infinity: never. In monotonic milliseconds. */
  deadlineMs = Number.POSITIVE_INFINITY
  #phase: 'connect' | 'answer' | 'body' | 'idle' = 'connect'
  #idleMsMax = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { host, port, tlsName } = options
    const onread = { buffer: READ_BUFFER, callback: (bytes: number): boolean => this.#onRead(bytes) }
    const socket =
      tlsName === undefined
        ? connect({ host, port, noDelay: true, onread })
        : connectTls({ host, port, servername: tlsName, ALPNProtocols: ['http/1.1'] })
    this.#socket = socket
    socket.once(tlsName === undefined ? 'connect' : 'secureConnect', () => this.#onConnected())
    socket.on('data', this.#listeners.data).on('end', this.#listeners.end).on('error', this.#listeners.error).on('close', this.#listeners.close)
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Only on a new or an idle connection. */
  send(sending: Sending, handler: SendingHandler, nowMs: number): void {
    const { cell, headerBytesMax, connectTimeoutMs } = this.#options
    const parser = new AnswerParser({ method: sending.method, cell, headerBytesMax, expectsUpgrade: sending.expectsUpgrade }, this.#sink(handler))
    this.#job = { sending, handler, parser, sentWhole: false }
    this.#phase = this.#connected ? 'answer' : 'connect'
    this.deadlineMs = nowMs + (this.#connected ? sending.answerTimeoutMs : connectTimeoutMs)
    if (this.#connected) this.#write(this.#job)
  }

  #onConnected(): void {
    this.#connected = true
    if (this.#options.tlsName === undefined) this.#socket.setNoDelay(true)
    const job = this.#job
    if (job === undefined) return
    this.#phase = 'answer'
    this.deadlineMs = performance.now() + job.sending.answerTimeoutMs
    this.#write(job)
  }

  #write(job: Job): void {
    const { head, body, contentLength } = job.sending
    job.handler.onSent()
    if (this.#closed) return
    if (body === null) {
      this.#socket.write(`${head}\r\n`, 'latin1')
      job.sentWhole = true
    } else if (Buffer.isBuffer(body)) {
      this.#socket.cork()
      this.#socket.write(`${head}\r\n`, 'latin1')
      this.#socket.write(body)
      this.#socket.uncork()
      job.sentWhole = true
    } else {
      const chunked = contentLength === undefined
      this.#socket.write(chunked ? `${head}transfer-encoding: chunked\r\n\r\n` : `${head}\r\n`, 'latin1')
      this.#stream(job, body, chunked)
    }
  }

  #stream(job: Job, body: Readable, chunked: boolean): void {
    const socket = this.#socket
    const onDrain = (): void => {
      body.resume()
    }
    const onSocketClosed = (): void => {
      stop()
      body.destroy()
    }
    const stop = (): void => {
      // The connection lives on and carries other requests: nothing of this one may stay on it.
      socket.off('drain', onDrain).off('close', onSocketClosed)
      body.off('data', onData).off('end', onEnd)
    }
    const onData = (chunk: Buffer): void => {
      if (chunked) socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
      const goesOn = socket.write(chunk)
      if (chunked) socket.write('\r\n', 'latin1')
      if (!goesOn) body.pause()
      // A body that is still flowing is no silence.
      if (this.#phase === 'answer') this.deadlineMs = performance.now() + job.sending.answerTimeoutMs
    }
    const onEnd = (): void => {
      stop()
      if (chunked) socket.write('0\r\n\r\n', 'latin1')
      job.sentWhole = true
    }
    body.on('data', onData).on('end', onEnd)
    body.once('error', (error) => this.fail(error))
    body.once('close', stop)
    socket.on('drain', onDrain).once('close', onSocketClosed)
  }

  #sink(handler: SendingHandler): AnswerSink {
    return {
      onWhole: (head, body) => handler.onWhole(head, body),
      onHead: (head) => {
        this.#phase = 'body'
        handler.onHead(head)
      },
      onData: (chunk) => handler.onData(chunk),
      onEnd: () => handler.onEnd(),
      onUpgrade: (head, first) => {
        this.#detach()
        handler.onUpgrade(head, this.#socket, first)
      }
    }
  }

  /** @returns whether to read on */
  #onRead(bytes: number): boolean {
    const chunk = Buffer.from(READ_BUFFER.subarray(0, bytes))
    // Handed over, it is a stream like any other, for which somebody else holds the listeners.
    if (this.#detached) return this.#socket.push(chunk)
    this.#onData(chunk)
    return true
  }

  #onData(chunk: Buffer): void {
    const job = this.#job
    if (job === undefined) {
      // Bytes that nobody asked for: whatever they are, they must not be there when the next request is.
      this.destroy()
      return
    }
    try {
      const behind = job.parser.push(chunk)
      if (this.#job !== job) return
      if (job.parser.done) this.#release(job, behind.length)
      else if (this.#phase === 'body') this.#extend(job)
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #extend({ sending }: Job): void {
    this.deadlineMs = sending.bodyIdleTimeoutMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + sending.bodyIdleTimeoutMs
  }

  /** The answer is whole: the connection is free, or done for if one of both sides is not where the other thinks. */
  #release(job: Job, bytesBehind: number): void {
    this.#job = undefined
    if (bytesBehind > 0 || !job.sentWhole || !job.parser.reusable) {
      this.destroy()
      return
    }
    this.#idleMsMax = job.parser.idleMsMax
    this.#phase = 'idle'
    this.deadlineMs = Number.POSITIVE_INFINITY
    this.#options.onIdle(this)
  }

  /** How long the server keeps an idle connection, as far as it said so; a second less, because it counts from its side. */
  idleMs(ownMsMax: number): number {
    return this.#idleMsMax === 0 ? ownMsMax : Math.max(0, Math.min(ownMsMax, this.#idleMsMax - 1_000))
  }

  #onEnded(): void {
    if (this.#job?.parser.end() === true) this.abort(this.#job.handler)
    else this.fail(new SendingError('CLOSED_EARLY'))
  }

  /** The sweep found that the deadline has passed. */
  onDeadline(): void {
    const code = this.#phase === 'connect' ? 'CONNECT_TIMEOUT' : this.#phase === 'answer' ? 'ANSWER_TIMEOUT' : 'BODY_TIMEOUT'
    if (this.#phase === 'idle') this.destroy()
    else this.fail(new SendingError(code))
  }

  /** Ends the connection; whoever waits on it hears why. */
  fail(error: Error): void {
    const job = this.#job
    this.#job = undefined
    this.destroy()
    job?.handler.onError(error)
  }

  /** Gives up the request of this handler without a word to it; nothing if it is not under way any more. */
  abort(handler: SendingHandler): void {
    if (this.#job?.handler !== handler) return
    this.#job = undefined
    this.destroy()
  }

  pause(handler: SendingHandler): void {
    if (this.#job?.handler !== handler) return
    this.deadlineMs = Number.POSITIVE_INFINITY
    this.#socket.pause()
  }

  resume(handler: SendingHandler): void {
    if (this.#job?.handler !== handler) return
    this.#extend(this.#job)
    this.#socket.resume()
  }

  #detach(): void {
    this.#job = undefined
    this.#closed = true
    this.#detached = true
    const { data, end, error, close } = this.#listeners
    this.#socket.off('data', data).off('end', end).off('error', error).off('close', close)
    this.#options.onClosed(this)
  }

  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.destroy()
    this.#options.onClosed(this)
  }
}

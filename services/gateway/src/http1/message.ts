import { badRequest } from '../errors.ts'
import type { AnswerOptions, BodyReader, ClientRequest, ClientResponse, RequestFraming } from '../http/client.ts'
import { answerLines, hasNoBody } from './answer-head.ts'
import { BodyDecoder } from './body-decoder.ts'
import type { Connection, ConnectionContext } from './connection.ts'
import type { HeadParser } from './head-parser.ts'

/** Beyond this a second buffer is cheaper than copying the body into a string. */
const SINGLE_WRITE_BYTES_MAX = 16 * 1024

/** One request of a connection and the answer to it; the connection has no other until `onAnswered`. */
export class Message implements ClientRequest, ClientResponse {
  readonly method: string
  readonly target: string
  readonly version: string
  readonly rawHeaders: readonly string[]
  readonly bodyFollows = false
  readonly #connection: Connection
  readonly #context: ConnectionContext
  /** Has come whole. Not known, so not true, before the head was accepted. */
  complete = false
  #persistent = false
  #decoder: BodyDecoder | undefined
  #reader: BodyReader | undefined
  #paused = false
  begun = false
  #ended = false
  gone = false
  /** Of an answer that streams: the head waits for the first bytes of the body. */
  #head = ''
  #chunked = false
  #closes = false
  #onGone: (() => void) | undefined
  #onDrain: (() => void) | undefined

  constructor(connection: Connection, context: ConnectionContext, { method, target, version, rawHeaders }: HeadParser) {
    this.#connection = connection
    this.#context = context
    this.method = method
    this.target = target
    this.version = version
    this.rawHeaders = rawHeaders
  }

  get peer(): string {
    return this.#connection.peer
  }

  get encrypted(): boolean {
    return this.#context.encrypted
  }

  accept({ bodyKind, bodyBytes, persistent }: RequestFraming): void {
    this.#persistent = persistent
    if (bodyKind === 'none' || (bodyKind === 'length' && bodyBytes === 0)) {
      this.complete = true
      this.#connection.onComplete()
    } else this.#decoder = new BodyDecoder(bodyKind === 'chunked' ? undefined : bodyBytes, this.#context.limits)
  }

  readBody(reader: BodyReader): void {
    if (this.complete) {
      reader.onEnd(this.#decoder?.trailers ?? [])
      return
    }
    this.#reader = reader
    this.resumeBody()
  }

  pauseBody(): void {
    this.#paused = true
  }

  resumeBody(): void {
    this.#paused = false
    if (this.takesBody) this.#connection.feed()
  }

  leaveBody(): void {
    this.#reader = undefined
  }

  get takesBody(): boolean {
    return this.#reader !== undefined && !this.#paused && !this.complete
  }

  /** Hands on what of the body is in these bytes. @returns what stands behind it; `tellEnd` comes next */
  take(bytes: Buffer): Buffer | undefined {
    const decoder = this.#decoder
    if (decoder === undefined) return bytes
    try {
      // Whoever has seen enough gives the rest of this piece up: the answer that follows ends the connection.
      const behind = decoder.push(bytes, (part) => this.#reader?.onData(part))
      return behind.length === 0 ? undefined : behind
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
      return undefined
    }
  }

  tellEnd(): void {
    if (this.complete || this.#decoder?.done !== true) return
    this.complete = true
    this.#connection.onComplete()
    const reader = this.#reader
    this.#reader = undefined
    reader?.onEnd(this.#decoder.trailers)
  }

  /** The rest of the body cannot come. @returns whether somebody was waiting for it, and will answer. */
  fail(error: Error): boolean {
    const reader = this.#reader
    this.#reader = undefined
    reader?.onError(error)
    return reader !== undefined
  }

  onGone(listener: () => void): void {
    this.#onGone = listener
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener
  }

  drained(): void {
    const listener = this.#onDrain
    this.#onDrain = undefined
    listener?.()
  }

  /** The connection has ended, or changes hands. */
  leave(): void {
    if (this.gone) return
    this.gone = true
    const listener = this.#onGone
    this.#onGone = undefined
    this.#onDrain = undefined
    if (this.#ended) return
    listener?.()
    this.fail(badRequest({ rule: 'the body ended early' }))
  }

  sendContinue(): void {
    if (!this.gone && !this.begun) this.#connection.socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1')
  }

  send(statusCode: number, headers: string[], body: Buffer | string, options: AnswerOptions): void {
    if (this.gone || this.begun) return
    const { socket } = this.#connection
    const head = this.#headText(statusCode, headers, options)
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    if (bytes.length === 0 || hasNoBody(this.method, statusCode)) socket.write(`${head}\r\n`, 'latin1')
    // As one latin1 string it goes to the socket in one call, and latin1 keeps every byte as it is.
    else if (bytes.length <= SINGLE_WRITE_BYTES_MAX) socket.write(`${head}\r\n${bytes.toString('latin1')}`, 'latin1')
    else {
      socket.cork()
      socket.write(`${head}\r\n`, 'latin1')
      socket.write(bytes)
      socket.uncork()
    }
    this.#finish()
  }

  begin(statusCode: number, headers: string[], options: AnswerOptions): void {
    if (this.gone || this.begun) return
    const head = this.#headText(statusCode, headers, options)
    this.#head = this.#chunked ? `${head}Transfer-Encoding: chunked\r\n\r\n` : `${head}\r\n`
  }

  /** Everything but the framing's own line and the empty line; decides how the body ends and whether the connection does. */
  #headText(statusCode: number, headers: string[], { closing }: AnswerOptions): string {
    this.begun = true
    const { text, hasDate, hasLength } = answerLines(statusCode, headers)
    const framed = hasLength || hasNoBody(this.method, statusCode)
    this.#chunked = !framed && this.version === '1.1'
    // Bytes of the body that nobody reads would be taken for the next request.
    this.#closes = closing || !this.complete || !this.#persistent || (!framed && !this.#chunked) || this.#connection.isLast
    return text + (hasDate ? '' : this.#context.dateLine()) + (this.#closes ? 'Connection: close\r\n' : this.#context.keepAliveLines)
  }

  flush(): void {
    if (this.gone || this.#head === '') return
    this.#connection.socket.write(this.#head, 'latin1')
    this.#head = ''
  }

  write(chunk: Buffer): boolean {
    if (this.gone || this.#ended || chunk.length === 0) return true
    const { socket } = this.#connection
    const before = this.#chunked ? `${this.#head}${chunk.length.toString(16)}\r\n` : this.#head
    const behind = this.#chunked ? '\r\n' : ''
    this.#head = ''
    if (before === '' && behind === '') return socket.write(chunk)
    if (chunk.length <= SINGLE_WRITE_BYTES_MAX) return socket.write(before + chunk.toString('latin1') + behind, 'latin1')
    socket.cork()
    if (before !== '') socket.write(before, 'latin1')
    const goesOn = socket.write(chunk)
    if (behind !== '') socket.write(behind, 'latin1')
    socket.uncork()
    return goesOn
  }

  end(): void {
    if (this.gone || this.#ended) return
    const last = this.#chunked ? `${this.#head}0\r\n\r\n` : this.#head
    this.#head = ''
    if (last !== '') this.#connection.socket.write(last, 'latin1')
    this.#finish()
  }

  #finish(): void {
    this.#ended = true
    this.#reader = undefined
    this.#connection.onAnswered(this.#closes)
  }

  /** Where the end of the connection is the end of the body (HTTP/1.0), only a reset tells that something is missing. */
  abort(): void {
    // Behind its end the connection may carry another request already.
    if (!this.gone && !this.#ended) this.#connection.abort({ reset: this.version === '1.0' })
  }

  handOver(): ReturnType<Connection['detach']> {
    this.gone = true
    return this.#connection.detach()
  }
}

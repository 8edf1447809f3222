import { upstreamInvalid } from '../errors.ts'
import { type AnswerContext, readAnswerHead, type UpstreamHead } from '../http/response-headers.ts'

/** 1xx answers an instance may send before the real one; more is a flood. */
const INFORMATIONAL_MAX = 8
/** Hex digits of a chunk size: 2^32 - 1 at most, so that no reader can take it for another number. */
const CHUNK_SIZE_LINE = /^[0-9a-fA-F]{1,8}(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/
/** Bytes of a chunk's size line with its extensions, and of all trailers together. */
const CHUNK_LINE_BYTES_MAX = 1_024
const TRAILER_BYTES_MAX = 16 * 1_024
const EMPTY = Buffer.alloc(0)

export interface AnswerSink {
  /** The whole answer came in one piece. */
  onWhole(head: UpstreamHead, body: Buffer): void
  onHead(head: UpstreamHead): void
  onData(chunk: Buffer): void
  onEnd(): void
  /** 101 to a request that asked for it: the rest of the connection belongs to the new protocol. */
  onUpgrade(head: UpstreamHead, first: Buffer): void
}

export interface AnswerLimits extends AnswerContext {
  readonly headerBytesMax: number
  readonly expectsUpgrade: boolean
}

type State = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'until-close' | 'done'

/** Reads one answer from the bytes of a connection, however they are cut. Pure: what it finds goes to the sink at once. */
export class AnswerParser {
  readonly #limits: AnswerLimits
  readonly #sink: AnswerSink
  #state: State = 'head'
  /** Bytes of an unfinished head or line. */
  #rest: Buffer = EMPTY
  #left = 0
  #informational = 0
  /** A 100 that we never asked for: the server has another idea of this connection than we have. */
  #unasked = false
  #trailerBytes = 0
  #head: UpstreamHead | undefined
  /** While the head's own read is being parsed: body bytes seen so far, for an answer in one piece. */
  #gathered: Buffer[] | undefined

  constructor(limits: AnswerLimits, sink: AnswerSink) {
    this.#limits = limits
    this.#sink = sink
  }

  get done(): boolean {
    return this.#state === 'done'
  }

  /** Whether any byte of an answer has come. */
  get begun(): boolean {
    return this.#head !== undefined || this.#rest.length > 0
  }

  get reusable(): boolean {
    return this.#state === 'done' && this.#head?.reusable === true && !this.#unasked
  }

  get idleMsMax(): number {
    return this.#head?.idleMsMax ?? 0
  }

  /** @returns bytes behind the answer: nobody asked for them. @throws GW_UPSTREAM_INVALID */
  push(chunk: Buffer): Buffer {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    this.#rest = EMPTY
    const isFirst = this.#state === 'head'
    while (bytes.length > 0 && this.#state !== 'done') {
      const left = this.#step(bytes)
      if (left === undefined) {
        this.#rest = bytes
        bytes = EMPTY
      } else bytes = left
    }
    if (isFirst) this.#afterFirst()
    return bytes
  }

  /** The connection ended. @returns whether the answer is whole. */
  end(): boolean {
    if (this.#state === 'until-close') this.#complete()
    return this.#state === 'done'
  }

  /** @returns what is left after one step, undefined if it needs more bytes. */
  #step(bytes: Buffer): Buffer | undefined {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes)
      case 'length':
      case 'chunk-data':
        return this.#readBody(bytes)
      case 'until-close':
        this.#emit(bytes)
        return EMPTY
      case 'chunk-size':
        return this.#readChunkSize(bytes)
      case 'chunk-end':
        return this.#readChunkEnd(bytes)
      case 'trailers':
        return this.#readTrailer(bytes)
      case 'done':
        return bytes
    }
  }

  #readHead(bytes: Buffer): Buffer | undefined {
    const { headerBytesMax, expectsUpgrade, cell } = this.#limits
    const end = bytes.indexOf('\r\n\r\n', 0, 'latin1')
    if (end === -1 ? bytes.length > headerBytesMax : end > headerBytesMax) throw this.#invalid('the head is larger than the limit')
    if (end === -1) {
      // Whatever is not HTTP is found out at its first bytes, not when the limit is reached.
      if (!'HTTP/1.'.startsWith(bytes.toString('latin1', 0, Math.min(7, bytes.length)))) throw this.#invalid('the status line is malformed')
      return undefined
    }
    const head = readAnswerHead(bytes.toString('latin1', 0, end), this.#limits)
    const left = bytes.subarray(end + 4)
    if (head.statusCode === 101) {
      if (!expectsUpgrade) throw this.#invalid('status 101 was not asked for')
      this.#state = 'done'
      this.#sink.onUpgrade(head, left)
      return EMPTY
    }
    if (head.statusCode < 200) {
      this.#informational += 1
      this.#unasked ||= head.statusCode === 100
      if (this.#informational > INFORMATIONAL_MAX) throw upstreamInvalid({ cell, rule: 'a flood of 1xx answers' })
      return left
    }
    this.#head = head
    this.#gathered = []
    this.#begin(head)
    return left
  }

  #begin({ framing }: UpstreamHead): void {
    if (framing.kind === 'none' || (framing.kind === 'length' && framing.bytes === 0)) this.#state = 'done'
    else if (framing.kind === 'length') {
      this.#left = framing.bytes
      this.#state = 'length'
    } else this.#state = framing.kind === 'chunked' ? 'chunk-size' : 'until-close'
  }

  #readBody(bytes: Buffer): Buffer {
    const part = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes
    this.#left -= part.length
    this.#emit(part)
    if (this.#left === 0) {
      if (this.#state === 'length') this.#complete()
      else this.#state = 'chunk-end'
    }
    return bytes.subarray(part.length)
  }

  #readChunkSize(bytes: Buffer): Buffer | undefined {
    const line = this.#line(bytes, CHUNK_LINE_BYTES_MAX)
    if (line === undefined) return undefined
    if (!CHUNK_SIZE_LINE.test(line)) throw this.#invalid('a chunk size is malformed')
    this.#left = Number.parseInt(line, 16)
    this.#state = this.#left === 0 ? 'trailers' : 'chunk-data'
    return bytes.subarray(line.length + 2)
  }

  #readChunkEnd(bytes: Buffer): Buffer | undefined {
    if (bytes[0] !== 0x0d || (bytes.length > 1 && bytes[1] !== 0x0a)) throw this.#invalid('a chunk is longer than its size')
    if (bytes.length < 2) return undefined
    this.#state = 'chunk-size'
    return bytes.subarray(2)
  }

  /** Trailers are read and dropped. */
  #readTrailer(bytes: Buffer): Buffer | undefined {
    const line = this.#line(bytes, TRAILER_BYTES_MAX)
    if (line === undefined) return undefined
    this.#trailerBytes += line.length
    if (this.#trailerBytes > TRAILER_BYTES_MAX) throw this.#invalid('the trailers are larger than the limit')
    if (line === '') this.#complete()
    else if (line.indexOf(':') < 1) throw this.#invalid('a trailer is malformed')
    return bytes.subarray(line.length + 2)
  }

  #line(bytes: Buffer, bytesMax: number): string | undefined {
    const end = bytes.indexOf(0x0a)
    if (end === -1) {
      if (bytes.length > bytesMax) throw this.#invalid('a line is longer than the limit')
      return undefined
    }
    if (end > bytesMax || end === 0 || bytes[end - 1] !== 0x0d) throw this.#invalid('a line does not end in CR LF')
    return bytes.toString('latin1', 0, end - 1)
  }

  #emit(part: Buffer): void {
    if (this.#gathered === undefined) this.#sink.onData(part)
    else this.#gathered.push(part)
  }

  #complete(): void {
    this.#state = 'done'
    if (this.#gathered === undefined) this.#sink.onEnd()
  }

  /** Behind the read that held the head: either it held everything, or the answer streams from here on. */
  #afterFirst(): void {
    const head = this.#head
    const gathered = this.#gathered
    if (head === undefined || gathered === undefined) return
    this.#gathered = undefined
    if (this.#state === 'done') {
      this.#sink.onWhole(head, gathered.length === 1 ? (gathered[0] ?? EMPTY) : Buffer.concat(gathered))
      return
    }
    this.#sink.onHead(head)
    for (const part of gathered) this.#sink.onData(part)
  }

  #invalid(rule: string): Error {
    return upstreamInvalid({ cell: this.#limits.cell, rule })
  }
}

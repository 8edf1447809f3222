import { badRequest, headersTooLarge } from '../errors.ts'
import { CR, LF } from '../http/characters.ts'
import { HeadParser, type HeadParserLimits, UNFINISHED } from './head-parser.ts'

/** Hex digits of a chunk size: 2^32 - 1 at most, so that no reader can take it for another number; then extensions as RFC 9112 7.1.1 has them. */
const CHUNK_SIZE_LINE = /^([0-9a-fA-F]{1,8})((?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[^"\\]|\\.)*"))?)*)$/
/** Bytes of a chunk's size line with its extensions. */
const CHUNK_LINE_BYTES_MAX = 1_024
/** Extensions of a whole body: nobody uses them, and a byte of data must not cost a kilobyte of them for ever. */
const EXTENSION_BYTES_MAX = 16 * 1_024
/** In front of the trailers, so that they can be read as a head is. */
const TRAILERS_AS_HEAD = 'X / HTTP/1.1\r\n'
const EMPTY = Buffer.alloc(0)

type State = 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'done'

/** Finds the body in the bytes behind a head, however they are cut. Pure: what it finds is emitted at once. */
export class BodyDecoder {
  readonly #limits: HeadParserLimits
  #state: State
  #left: number
  /** Bytes of an unfinished line. */
  #rest: Buffer = EMPTY
  #extensionBytes = 0
  #trailerParser: HeadParser | undefined
  /** Name, value, …; complete when `done`. */
  trailers: readonly string[] = []

  /** @param bytes the body's length; undefined: chunked. */
  constructor(bytes: number | undefined, limits: HeadParserLimits) {
    this.#limits = limits
    this.#state = bytes === undefined ? 'chunk-size' : bytes === 0 ? 'done' : 'length'
    this.#left = bytes ?? 0
  }

  get done(): boolean {
    return this.#state === 'done'
  }

  /** @returns bytes behind the body. @throws GW_BAD_REQUEST, GW_HEADERS_TOO_LARGE (trailers) */
  push(chunk: Buffer, emit: (part: Buffer) => void): Buffer {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    this.#rest = EMPTY
    while (bytes.length > 0 && this.#state !== 'done') {
      const left = this.#step(bytes, emit)
      if (left === undefined) {
        this.#rest = bytes
        return EMPTY
      }
      bytes = left
    }
    return bytes
  }

  /** @returns what is left after one step, undefined if it needs more bytes. */
  #step(bytes: Buffer, emit: (part: Buffer) => void): Buffer | undefined {
    switch (this.#state) {
      case 'length':
      case 'chunk-data':
        return this.#readData(bytes, emit)
      case 'chunk-size':
        return this.#readChunkSize(bytes)
      case 'chunk-end':
        return this.#readChunkEnd(bytes)
      case 'trailers':
        return this.#readTrailers(bytes)
      case 'done':
        return bytes
    }
  }

  #readData(bytes: Buffer, emit: (part: Buffer) => void): Buffer {
    const part = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes
    this.#left -= part.length
    if (this.#left === 0) this.#state = this.#state === 'length' ? 'done' : 'chunk-end'
    emit(part)
    return bytes.subarray(part.length)
  }

  #readChunkSize(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf(LF)
    if (end === -1 ? bytes.length > CHUNK_LINE_BYTES_MAX : end > CHUNK_LINE_BYTES_MAX) throw badRequest({ rule: 'a chunk size line is too long' })
    if (end === -1) return undefined
    const [, size, extensions = ''] = (bytes[end - 1] === CR ? CHUNK_SIZE_LINE.exec(bytes.toString('latin1', 0, end - 1)) : null) ?? []
    if (size === undefined || !isText(extensions)) throw badRequest({ rule: 'a chunk size is malformed' })
    this.#extensionBytes += extensions.length
    if (this.#extensionBytes > EXTENSION_BYTES_MAX) throw badRequest({ rule: 'the chunks have too many extensions' })
    this.#left = Number.parseInt(size, 16)
    this.#state = this.#left === 0 ? 'trailers' : 'chunk-data'
    return bytes.subarray(end + 1)
  }

  #readChunkEnd(bytes: Buffer): Buffer | undefined {
    if (bytes[0] !== CR || (bytes.length > 1 && bytes[1] !== LF)) throw badRequest({ rule: 'a chunk is longer than its size' })
    if (bytes.length < 2) return undefined
    this.#state = 'chunk-size'
    return bytes.subarray(2)
  }

  /** Trailers are headers by their form. */
  #readTrailers(bytes: Buffer): Buffer | undefined {
    const { headersMax, headerBytesMax } = this.#limits
    this.#trailerParser ??= new HeadParser(this.#limits)
    const parser = this.#trailerParser
    const end = parser.push(TRAILERS_AS_HEAD + bytes.toString('latin1', 0, headerBytesMax + 1))
    if (parser.rawHeaders.length > headersMax * 2) throw headersTooLarge({ headersMax, bytesMax: headerBytesMax })
    if (end === UNFINISHED) return undefined
    this.trailers = parser.rawHeaders
    this.#state = 'done'
    return bytes.subarray(end - TRAILERS_AS_HEAD.length)
  }
}

function isText(extensions: string): boolean {
  return extensions === '' || /^[\t\x20-\x7e\x80-\xff]*$/.test(extensions)
}

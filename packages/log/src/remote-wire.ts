import { crc32 } from 'node:zlib'
import { logLinkBroken, logRecordTooLarge } from './errors.ts'
import { RECORD_BYTES_MAX } from './limits.ts'
import type { LogRecord, ReadBatch } from './log.ts'

/*
 * What goes over a link between a cell and the center, in both directions: frames behind one another.
 *
 * Frame, 12 bytes:  kind u8, 3 spare, body bytes u32, CRC-32 u32 of the 8 bytes before it and of the body; body
 *
 * stream  the log id as text; empty as long as the stream was never appended to
 * beat    nothing; each second, so that a link that died without a word is noticed
 * append  number u64 (1, 2, … on this link), epoch u64, payload
 * ack     number u64, sequence u64; in the order of the numbers
 * record  sequence u64, epoch u64, appended ms u64, payload
 * batch   next u64, durable next u64; the records since the last one are a batch
 * taken   next u64; the reader is done with everything before it
 * error   number u64 (of the append that is refused; 0: the link ends), an error as JSON; nothing comes behind it
 */
export type Frame =
  | { readonly kind: 'stream'; readonly logId: string }
  | { readonly kind: 'beat' }
  | { readonly kind: 'append'; readonly number: number; readonly epoch: number; readonly payload: Buffer }
  | { readonly kind: 'ack'; readonly number: number; readonly sequence: number }
  | { readonly kind: 'record'; readonly record: LogRecord }
  | { readonly kind: 'batch'; readonly next: number; readonly durableNext: number }
  | { readonly kind: 'taken'; readonly next: number }
  | { readonly kind: 'error'; readonly number: number; readonly error: unknown }

/** Of requests and answers that are made of frames. */
export const FRAMES_CONTENT_TYPE = 'application/vnd.cellway.frames'
export const BEAT_EVERY_MS = 1000

const KIND = { stream: 1, beat: 2, append: 3, ack: 4, record: 5, batch: 6, error: 7, taken: 8 } as const
const HEADER_BYTES = 12
const CHECKSUM_AT = 8
const NUMBER_BYTES = 8
const RECORD_HEAD_BYTES = 3 * NUMBER_BYTES
const BODY_BYTES_MAX = RECORD_HEAD_BYTES + RECORD_BYTES_MAX
const APPEND_BYTES = HEADER_BYTES + 2 * NUMBER_BYTES
const RECORD_BYTES = HEADER_BYTES + RECORD_HEAD_BYTES
const MARK_BYTES = HEADER_BYTES + 2 * NUMBER_BYTES
/** A copy costs less than a piece of its own up to here. */
const COPY_BYTES_MAX = 16 * 1024
const NONE = new Uint8Array(0)
const U32 = 0x1_0000_0000

const beat = encodeFrame(KIND.beat, 0, () => {})

export function encodeBeat(): Buffer {
  return beat
}

export function encodeStream(logId: string): Buffer {
  return encodeFrame(KIND.stream, logId.length, (bytes, at) => bytes.write(logId, at, 'latin1'))
}

/** In pieces, so that a large payload is not copied: it must not change until it is sent. */
export function encodeAppend(number: number, epoch: number, payload: Uint8Array): Buffer[] {
  const large = payload.length > COPY_BYTES_MAX
  const head = Buffer.allocUnsafe(APPEND_BYTES + (large ? 0 : payload.length))
  putNumber(head, number, HEADER_BYTES)
  putNumber(head, epoch, HEADER_BYTES + NUMBER_BYTES)
  if (!large) head.set(payload, APPEND_BYTES)
  finishFrame(head, 0, { kind: KIND.append, end: head.length, payload: large ? payload : NONE })
  return large ? [head, bufferOf(payload)] : [head]
}

export function encodeAck(number: number, sequence: number): Buffer {
  return encodeFrame(KIND.ack, 2 * NUMBER_BYTES, (bytes, at) => {
    putNumber(bytes, number, at)
    putNumber(bytes, sequence, at + NUMBER_BYTES)
  })
}

export function encodeTaken(next: number): Buffer {
  return encodeFrame(KIND.taken, NUMBER_BYTES, (bytes, at) => putNumber(bytes, next, at))
}

export function encodeError(number: number, error: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(error))
  return encodeFrame(KIND.error, NUMBER_BYTES + text.length, (bytes, at) => {
    putNumber(bytes, number, at)
    bytes.set(text, at + NUMBER_BYTES)
  })
}

/** The records of a batch and its mark, in as few pieces as there are without a copy of large payloads. */
export function encodeBatch({ records, next, durableNext }: ReadBatch): Buffer[] {
  const copied = records.reduce((sum, { payload }) => sum + RECORD_BYTES + (payload.length > COPY_BYTES_MAX ? 0 : payload.length), 0)
  const bytes = Buffer.allocUnsafe(copied + MARK_BYTES)
  const pieces: Buffer[] = []
  let [at, sent] = [0, 0]
  for (const { sequence, epoch, appendedMs, payload } of records) {
    const large = payload.length > COPY_BYTES_MAX
    const body = at + HEADER_BYTES
    putNumber(bytes, sequence, body)
    putNumber(bytes, epoch, body + NUMBER_BYTES)
    putNumber(bytes, appendedMs, body + 2 * NUMBER_BYTES)
    if (!large) bytes.set(payload, body + RECORD_HEAD_BYTES)
    const end = at + RECORD_BYTES + (large ? 0 : payload.length)
    at = finishFrame(bytes, at, { kind: KIND.record, end, payload: large ? payload : NONE })
    if (!large) continue
    pieces.push(bytes.subarray(sent, at), payload)
    sent = at
  }
  putNumber(bytes, next.sequence, at + HEADER_BYTES)
  putNumber(bytes, durableNext, at + HEADER_BYTES + NUMBER_BYTES)
  finishFrame(bytes, at, { kind: KIND.batch, end: bytes.length, payload: NONE })
  return [...pieces, bytes.subarray(sent)]
}

function bufferOf(payload: Uint8Array): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
}

function encodeFrame(kind: number, bodyBytes: number, fill: (bytes: Buffer, at: number) => void): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + bodyBytes)
  fill(bytes, HEADER_BYTES)
  finishFrame(bytes, 0, { kind, end: bytes.length, payload: NONE })
  return bytes
}

interface FrameEnd {
  readonly kind: number
  /** Of what of the frame lies in the buffer. */
  readonly end: number
  /** The rest of it, when that is sent from where it is. */
  readonly payload: Uint8Array
}

function finishFrame(bytes: Buffer, at: number, { kind, end, payload }: FrameEnd): number {
  bytes.writeUInt32LE(kind, at)
  bytes.writeUInt32LE(end - at - HEADER_BYTES + payload.length, at + 4)
  const checksum = crc32(bytes.subarray(at + HEADER_BYTES, end), crc32(bytes.subarray(at, at + CHECKSUM_AT)))
  bytes.writeUInt32LE(payload.length === 0 ? checksum : crc32(payload, checksum), at + CHECKSUM_AT)
  return end
}

/** Takes pieces of a link as they come, gives frames. Holds at most one frame that is not whole. */
export interface FrameReader {
  /** Only when `next` has given everything of the piece before. The piece must not change afterwards: payloads are views into it. */
  push(piece: Buffer): void
  /** The size of the next frame's body as soon as it is known, and before room is made for it. @throws LOG_LINK_BROKEN, LOG_RECORD_TOO_LARGE */
  announced(): number | undefined
  /** @throws LOG_LINK_BROKEN, LOG_RECORD_TOO_LARGE */
  next(): Frame | undefined
}

export function createFrameReader(): FrameReader {
  return new PieceReader()
}

class PieceReader implements FrameReader {
  #piece: Buffer = Buffer.alloc(0)
  #at = 0
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerBytes = 0
  /** Of a frame that does not lie within one piece. */
  #body: Buffer | undefined
  #bodyBytes = 0

  push(piece: Buffer): void {
    if (this.#at !== this.#piece.length) throw new TypeError('the piece before was not read to its end')
    this.#piece = piece
    this.#at = 0
  }

  announced(): number | undefined {
    if (this.#headerBytes < HEADER_BYTES) {
      const taken = this.#piece.copy(this.#header, this.#headerBytes, this.#at, this.#at + HEADER_BYTES - this.#headerBytes)
      this.#headerBytes += taken
      this.#at += taken
      if (this.#headerBytes < HEADER_BYTES) return undefined
    }
    const bytes = this.#header.readUInt32LE(4)
    const payloadBytes = bytes - 2 * NUMBER_BYTES
    if (payloadBytes > RECORD_BYTES_MAX && this.#header.readUInt32LE(0) === KIND.append) {
      throw logRecordTooLarge({ bytes: payloadBytes, bytesMax: RECORD_BYTES_MAX })
    }
    if (bytes <= BODY_BYTES_MAX) return bytes
    throw logLinkBroken({ problem: `a frame of ${bytes} bytes` })
  }

  next(): Frame | undefined {
    const size = this.announced()
    if (size === undefined) return undefined
    const body = this.#takeBody(size)
    if (body === undefined) return undefined
    this.#headerBytes = 0
    const checksum = crc32(body, crc32(this.#header.subarray(0, CHECKSUM_AT)))
    if (checksum !== this.#header.readUInt32LE(CHECKSUM_AT)) throw logLinkBroken({ problem: 'a checksum that does not match' })
    return decodeBody(this.#header.readUInt32LE(0), body)
  }

  #takeBody(size: number): Buffer | undefined {
    const left = this.#piece.length - this.#at
    if (this.#body === undefined && left >= size) {
      this.#at += size
      return this.#piece.subarray(this.#at - size, this.#at)
    }
    // Not from the pool: it lives as long as its reader likes.
    this.#body ??= Buffer.allocUnsafeSlow(size)
    const taken = this.#piece.copy(this.#body, this.#bodyBytes, this.#at)
    this.#at += taken
    this.#bodyBytes += taken
    if (this.#bodyBytes < size) return undefined
    const body = this.#body
    this.#body = undefined
    this.#bodyBytes = 0
    return body
  }
}

/** The least that a body of each kind has. */
const BODY_BYTES_MIN: Readonly<Record<number, number>> = {
  [KIND.stream]: 0,
  [KIND.beat]: 0,
  [KIND.append]: 2 * NUMBER_BYTES,
  [KIND.ack]: 2 * NUMBER_BYTES,
  [KIND.record]: RECORD_HEAD_BYTES,
  [KIND.batch]: 2 * NUMBER_BYTES,
  [KIND.error]: NUMBER_BYTES,
  [KIND.taken]: NUMBER_BYTES
}

function decodeBody(kind: number, body: Buffer): Frame {
  const least = BODY_BYTES_MIN[kind]
  if (least === undefined) throw logLinkBroken({ problem: `a frame of the unknown kind ${kind}` })
  if (body.length < least) throw logLinkBroken({ problem: `a frame of kind ${kind} with ${body.length} bytes` })
  switch (kind) {
    case KIND.stream:
      return { kind: 'stream', logId: body.toString('latin1') }
    case KIND.append:
      return { kind: 'append', number: takeNumber(body, 0), epoch: takeNumber(body, NUMBER_BYTES), payload: body.subarray(2 * NUMBER_BYTES) }
    case KIND.ack:
      return { kind: 'ack', number: takeNumber(body, 0), sequence: takeNumber(body, NUMBER_BYTES) }
    case KIND.record:
      return { kind: 'record', record: decodeRecord(body) }
    case KIND.batch:
      return { kind: 'batch', next: takeNumber(body, 0), durableNext: takeNumber(body, NUMBER_BYTES) }
    case KIND.taken:
      return { kind: 'taken', next: takeNumber(body, 0) }
    case KIND.error:
      return { kind: 'error', number: takeNumber(body, 0), error: parseJson(body.toString('utf8', NUMBER_BYTES)) }
    default:
      return { kind: 'beat' }
  }
}

function decodeRecord(body: Buffer): LogRecord {
  return {
    sequence: takeNumber(body, 0),
    epoch: takeNumber(body, NUMBER_BYTES),
    appendedMs: takeNumber(body, 2 * NUMBER_BYTES),
    payload: body.subarray(RECORD_HEAD_BYTES)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw logLinkBroken({ problem: 'an error that is no JSON' }, { cause })
  }
}

/** 53 bits in 8 bytes: no bigint in the path of every record. */
function putNumber(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % U32, at)
  bytes.writeUInt32LE(Math.floor(value / U32), at + 4)
}

function takeNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * U32
}

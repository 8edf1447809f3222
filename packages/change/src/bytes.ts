import { isUtf8 } from 'node:buffer'
import { changeCorrupt, changeInvalid, changeTooLarge, changeTruncated } from './errors.ts'

/** Bytes being written; grows. A plain object and free functions: this is the hot path of every capture. */
export interface ByteWriter {
  bytes: Buffer
  at: number
}

/** Bytes being read, from `at` to `end`. Every read checks the bound before it touches a byte. */
export interface ByteCursor {
  readonly bytes: Buffer
  at: number
  readonly end: number
}

/** Cheaper than Buffer's own write of a bigint, which divides. */
const scratchBytes = new Uint8Array(8)
const scratch64 = new DataView(scratchBytes.buffer)

const VARINT_BYTES_MAX = 8
/** Beyond this a writer grows by steps and not by doubling: a row of 64 MiB shall not take 128. */
const DOUBLING_BYTES_MAX = 16 * 1024 * 1024
/** Below this a loop over ASCII beats the call into native code. */
const LOOP_CHARACTERS_MAX = 24

export function createWriter(initialBytes = 4096): ByteWriter {
  return { bytes: Buffer.allocUnsafe(initialBytes), at: 0 }
}

export function createCursor(bytes: Buffer, at: number, end: number): ByteCursor {
  return { bytes, at, end }
}

/** Makes room for `count` more bytes; every `put` calls it for its own. */
export function reserve(writer: ByteWriter, count: number): void {
  const wanted = writer.at + count
  if (wanted <= writer.bytes.length) return
  const grown = writer.bytes.length + Math.min(writer.bytes.length, DOUBLING_BYTES_MAX)
  const bytes = Buffer.allocUnsafe(Math.max(wanted, grown))
  writer.bytes.copy(bytes, 0, 0, writer.at)
  writer.bytes = bytes
}

export function putByte(writer: ByteWriter, value: number): void {
  reserve(writer, 1)
  writer.bytes[writer.at++] = value
}

export function putU32(writer: ByteWriter, value: number): void {
  reserve(writer, 4)
  writer.at = writer.bytes.writeUInt32LE(value, writer.at)
}

/** @throws CHANGE_INVALID outside of 64 bits */
export function putU64(writer: ByteWriter, value: bigint): void {
  scratch64.setBigUint64(0, value, true)
  if (scratch64.getBigUint64(0, true) !== value) throw changeInvalid({ problem: `${value} does not fit 64 bits` })
  reserve(writer, 8)
  const { bytes, at } = writer
  for (let index = 0; index < 8; index += 1) bytes[at + index] = scratchBytes[index] ?? 0
  writer.at = at + 8
}

/** 7 bits per byte, lowest first, up to 53 bits. @throws CHANGE_INVALID */
export function putVarint(writer: ByteWriter, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw changeInvalid({ problem: `${value} is not a count` })
  reserve(writer, VARINT_BYTES_MAX)
  const bytes = writer.bytes
  let rest = value
  while (rest > 0x7fff_ffff) {
    bytes[writer.at++] = (rest & 0x7f) | 0x80
    rest = Math.floor(rest / 128)
  }
  while (rest > 0x7f) {
    bytes[writer.at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[writer.at++] = rest
}

export function putRaw(writer: ByteWriter, value: Uint8Array): void {
  reserve(writer, value.length)
  writer.bytes.set(value, writer.at)
  writer.at += value.length
}

/** UTF-8 without its length. @throws CHANGE_INVALID for text that UTF-8 cannot hold (a lone surrogate) */
export function putText(writer: ByteWriter, value: string): void {
  const { length } = value
  reserve(writer, length * 3)
  if (length <= LOOP_CHARACTERS_MAX && putAscii(writer, value)) return
  if (!value.isWellFormed()) throw changeInvalid({ problem: 'the text has a lone surrogate' })
  writer.at += writer.bytes.write(value, writer.at, 'utf8')
}

function putAscii(writer: ByteWriter, value: string): boolean {
  const { bytes, at } = writer
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index)
    if (code > 0x7f) return false
    bytes[at + index] = code
  }
  writer.at += value.length
  return true
}

/** Length, then UTF-8. */
export function putString(writer: ByteWriter, value: string, bytesMax: number): void {
  const length = Buffer.byteLength(value)
  if (length > bytesMax) throw changeTooLarge({ bytes: length, bytesMax })
  putVarint(writer, length)
  putText(writer, value)
}

export function putBlock(writer: ByteWriter, value: Uint8Array): void {
  putVarint(writer, value.length)
  putRaw(writer, value)
}

/** @throws CHANGE_TRUNCATED unless `count` more bytes are there */
export function need(cursor: ByteCursor, count: number): void {
  if (count > cursor.end - cursor.at) throw changeTruncated({ offset: cursor.at, wantedBytes: count, foundBytes: cursor.end - cursor.at })
}

export function takeByte(cursor: ByteCursor): number {
  need(cursor, 1)
  return cursor.bytes[cursor.at++] ?? 0
}

export function takeU32(cursor: ByteCursor): number {
  need(cursor, 4)
  cursor.at += 4
  return cursor.bytes.readUInt32LE(cursor.at - 4)
}

export function takeU64(cursor: ByteCursor): bigint {
  need(cursor, 8)
  cursor.at += 8
  return cursor.bytes.readBigUInt64LE(cursor.at - 8)
}

/** @throws CHANGE_TRUNCATED, CHANGE_CORRUPT beyond 53 bits */
export function takeVarint(cursor: ByteCursor): number {
  const start = cursor.at
  let value = 0
  let scale = 1
  for (let count = 0; count < VARINT_BYTES_MAX; count += 1) {
    const byte = takeByte(cursor)
    value += (byte & 0x7f) * scale
    if (byte < 0x80) {
      if (value > Number.MAX_SAFE_INTEGER) break
      return value
    }
    scale *= 128
  }
  throw changeCorrupt({ offset: start, finding: 'a number has more than 53 bits' })
}

/** Moves on by `count` bytes and gives the offset at which they began. */
export function skip(cursor: ByteCursor, count: number): number {
  need(cursor, count)
  cursor.at += count
  return cursor.at - count
}

/** A view, not a copy. */
export function takeBlock(cursor: ByteCursor): Buffer {
  const length = takeVarint(cursor)
  const at = skip(cursor, length)
  return cursor.bytes.subarray(at, at + length)
}

/** @throws CHANGE_CORRUPT for a text that is too long or not UTF-8 */
export function takeString(cursor: ByteCursor, bytesMax: number): string {
  const length = takeVarint(cursor)
  if (length > bytesMax) throw changeCorrupt({ offset: cursor.at, finding: `a text of ${length} bytes where at most ${bytesMax} are allowed` })
  return takeText(cursor, length)
}

export function takeText(cursor: ByteCursor, length: number): string {
  const at = skip(cursor, length)
  const { bytes } = cursor
  const text = length <= LOOP_CHARACTERS_MAX ? shortText(bytes, at, length) : bytes.toString('utf8', at, at + length)
  // Only a replaced byte, or the replacement character itself, makes it worth asking.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(at, at + length))) throw changeCorrupt({ offset: at, finding: 'a text is not UTF-8' })
  return text
}

function shortText(bytes: Buffer, at: number, length: number): string {
  for (let index = at; index < at + length; index += 1) {
    if ((bytes[index] ?? 0) > 0x7f) return bytes.toString('utf8', at, at + length)
  }
  return bytes.toString('latin1', at, at + length)
}

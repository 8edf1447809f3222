import type { ByteCursor, ByteWriter } from './bytes.ts'
import { createCursor, putByte, putRaw, putText, putU64, putVarint, reserve, skip, takeByte, takeText, takeU64, takeVarint } from './bytes.ts'
import { changeCorrupt, changeFeatureUnknown, changeInvalid } from './errors.ts'
import type { CellValue, Row } from './model.ts'

/**
 * One byte says what follows. The upper three quarters of its range hold the common small values at once:
 * texts and bytes shorter than 64 (the length) and whole numbers from 0 to 63 (the value).
 */
const TAG = {
  absent: 0,
  null: 1,
  /** Whole, from 0 up; and below 0, as -1 - value. */
  integer: 2,
  negativeInteger: 3,
  /** The same for bigint, while 53 bits hold it; else all 64 bits. */
  bigint: 4,
  negativeBigint: 5,
  unsigned64: 6,
  signed64: 7,
  float64: 8,
  float32: 9,
  text: 10,
  bytes: 11,
  /** Only in an after-image: as in the before-image. */
  same: 12,
  shortText: 0x40,
  smallInteger: 0x80,
  shortBytes: 0xc0
} as const

const SHORT_MAX = 0x3f
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER)

/** @throws CHANGE_INVALID for a value that cannot be written exactly */
export function putRow(writer: ByteWriter, row: Row): void {
  for (let index = 0; index < row.length; index += 1) putCell(writer, row[index])
}

/** An after-image, with one byte for each value that did not change. */
export function putRowAfter(writer: ByteWriter, after: Row, before: Row): void {
  for (let index = 0; index < after.length; index += 1) {
    const value = after[index]
    if (value !== undefined && value !== null && isSameCell(value, before[index])) putByte(writer, TAG.same)
    else putCell(writer, value)
  }
}

/** Equal as a value of a row: 1 and 1n are not, 0 and -0 are not, two byte arrays of equal bytes are. */
export function isSameCell(left: CellValue, right: CellValue): boolean {
  if (Object.is(left, right)) return true
  return left instanceof Uint8Array && right instanceof Uint8Array && left.length === right.length && Buffer.compare(left, right) === 0
}

function putCell(writer: ByteWriter, value: CellValue): void {
  switch (typeof value) {
    case 'string':
      putTextCell(writer, value)
      return
    case 'number':
      putNumber(writer, value)
      return
    case 'bigint':
      putBigint(writer, value)
      return
    case 'undefined':
      putByte(writer, TAG.absent)
      return
    default:
      if (value === null) putByte(writer, TAG.null)
      else if (value instanceof Uint8Array) putBytesCell(writer, value)
      else throw changeInvalid({ problem: `a value of type ${typeof value}` })
  }
}

/** The length is in bytes and comes first, so the text is written behind one byte of head and moved when it needs more. */
function putTextCell(writer: ByteWriter, value: string): void {
  if (value.length > SHORT_MAX) {
    putByte(writer, TAG.text)
    putVarint(writer, Buffer.byteLength(value))
    putText(writer, value)
    return
  }
  putByte(writer, 0)
  const start = writer.at
  putText(writer, value)
  const length = writer.at - start
  if (length <= SHORT_MAX) {
    writer.bytes[start - 1] = TAG.shortText | length
    return
  }
  writer.at = start - 1
  putByte(writer, TAG.text)
  putVarint(writer, length)
  putText(writer, value)
}

function putBytesCell(writer: ByteWriter, value: Uint8Array): void {
  if (value.length <= SHORT_MAX) putByte(writer, TAG.shortBytes | value.length)
  else {
    putByte(writer, TAG.bytes)
    putVarint(writer, value.length)
  }
  putRaw(writer, value)
}

function putNumber(writer: ByteWriter, value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    if (value >= 0 && value <= SHORT_MAX) putByte(writer, TAG.smallInteger | value)
    else {
      putByte(writer, value >= 0 ? TAG.integer : TAG.negativeInteger)
      putVarint(writer, value >= 0 ? value : -1 - value)
    }
    return
  }
  reserve(writer, 9)
  const short = Object.is(Math.fround(value), value)
  putByte(writer, short ? TAG.float32 : TAG.float64)
  writer.at = short ? writer.bytes.writeFloatLE(value, writer.at) : writer.bytes.writeDoubleLE(value, writer.at)
}

function putBigint(writer: ByteWriter, value: bigint): void {
  if (value >= -SAFE_MAX && value <= SAFE_MAX) {
    const small = Number(value)
    putByte(writer, small >= 0 ? TAG.bigint : TAG.negativeBigint)
    putVarint(writer, small >= 0 ? small : -1 - small)
    return
  }
  if (value < -0x8000_0000_0000_0000n) throw changeInvalid({ problem: `${value} does not fit 64 bits` })
  putByte(writer, value > 0n ? TAG.unsigned64 : TAG.signed64)
  putU64(writer, value > 0n ? value : BigInt.asUintN(64, value))
}

/** Moves over one value and checks its bounds, without making it. @throws CHANGE_TRUNCATED, CHANGE_FEATURE_UNKNOWN, CHANGE_CORRUPT */
export function skipCell(cursor: ByteCursor): number {
  const tag = takeByte(cursor)
  if (tag >= TAG.shortText) {
    if ((tag & TAG.shortBytes) !== TAG.smallInteger) skip(cursor, tag & SHORT_MAX)
    return tag
  }
  switch (tag) {
    case TAG.absent:
    case TAG.null:
    case TAG.same:
      return tag
    case TAG.integer:
    case TAG.negativeInteger:
    case TAG.bigint:
    case TAG.negativeBigint:
      takeVarint(cursor)
      return tag
    case TAG.unsigned64:
    case TAG.signed64:
    case TAG.float64:
      skip(cursor, 8)
      return tag
    case TAG.float32:
      skip(cursor, 4)
      return tag
    case TAG.text:
    case TAG.bytes:
      skip(cursor, takeVarint(cursor))
      return tag
    default:
      throw changeFeatureUnknown({ offset: cursor.at - 1, feature: 'cell tag', value: tag })
  }
}

/** Moves over a row of `columns` values. In an after-image a value may be as before. */
export function skipRow(cursor: ByteCursor, columns: number, { sameAllowed }: { readonly sameAllowed: boolean }): void {
  for (let index = 0; index < columns; index += 1) {
    const at = cursor.at
    if (skipCell(cursor) === TAG.same && !sameAllowed) throw changeCorrupt({ offset: at, finding: 'a value as before, with nothing before it' })
  }
}

export function takeRow(bytes: Buffer, span: RowSpan): CellValue[] {
  const cursor = createCursor(bytes, span.at, span.end)
  const row: CellValue[] = []
  for (let index = 0; index < span.columns; index += 1) row.push(takeCell(cursor))
  return row
}

/** Where an image stands in its record; already walked once, so it is known to end where it should. */
export interface RowSpan {
  readonly at: number
  readonly end: number
  readonly columns: number
}

/** What is as before is looked up there; no other value of the before-image is made. */
export function takeRowAfter(bytes: Buffer, after: RowSpan, before: RowSpan): CellValue[] {
  const cursor = createCursor(bytes, after.at, after.end)
  const old = createCursor(bytes, before.at, before.end)
  const row: CellValue[] = []
  for (let index = 0; index < after.columns; index += 1) {
    if (cursor.at < cursor.end && bytes[cursor.at] === TAG.same) {
      cursor.at += 1
      row.push(takeCell(old))
    } else {
      row.push(takeCell(cursor))
      skipCell(old)
    }
  }
  return row
}

function takeCell(cursor: ByteCursor): CellValue {
  const tag = takeByte(cursor)
  if (tag >= TAG.shortBytes) return takeView(cursor, tag & SHORT_MAX)
  if (tag >= TAG.smallInteger) return tag & SHORT_MAX
  if (tag >= TAG.shortText) return takeText(cursor, tag & SHORT_MAX)
  switch (tag) {
    case TAG.absent:
      return undefined
    case TAG.null:
      return null
    case TAG.integer:
      return takeVarint(cursor)
    case TAG.negativeInteger:
      return -1 - takeVarint(cursor)
    case TAG.bigint:
      return BigInt(takeVarint(cursor))
    case TAG.negativeBigint:
      return BigInt(-1 - takeVarint(cursor))
    case TAG.unsigned64:
      return takeU64(cursor)
    case TAG.signed64:
      return BigInt.asIntN(64, takeU64(cursor))
    case TAG.float64:
      return cursor.bytes.readDoubleLE(skip(cursor, 8))
    case TAG.float32:
      return cursor.bytes.readFloatLE(skip(cursor, 4))
    case TAG.text:
      return takeText(cursor, takeVarint(cursor))
    case TAG.bytes:
      return takeView(cursor, takeVarint(cursor))
    default:
      throw changeFeatureUnknown({ offset: cursor.at - 1, feature: 'cell tag', value: tag })
  }
}

function takeView(cursor: ByteCursor, length: number): Buffer {
  const at = skip(cursor, length)
  return cursor.bytes.subarray(at, at + length)
}

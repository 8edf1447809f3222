import { malformed, truncated } from './errors.ts'

/** What an error says about the event that a cursor reads. */
export interface EventContext {
  readonly typeCode: number
  readonly endPosition: number
}

/**
 * Reads little-endian (or `BE`) fields of one event's bytes. Each read checks the bounds first, so hostile lengths end in
 * BINLOG_TRUNCATED and never allocate. `end` lies before the checksum.
 */
export class ByteCursor {
  readonly bytes: Buffer
  readonly context: EventContext
  at: number
  readonly end: number

  constructor(bytes: Buffer, at: number, end: number, context: EventContext) {
    this.bytes = bytes
    this.at = at
    this.end = end
    this.context = context
  }

  get left(): number {
    return this.end - this.at
  }

  place(): { offset: number; eventType: number; position: number } {
    return { offset: this.at, eventType: this.context.typeCode, position: this.context.endPosition }
  }

  /** Claims `size` bytes and returns where they begin. @throws BINLOG_TRUNCATED */
  take(size: number): number {
    const at = this.at
    // Written as a subtraction, so that no size, however large, overflows the comparison.
    if (size > this.end - at) throw truncated({ ...this.place(), wanted: size, left: this.end - at })
    this.at = at + size
    return at
  }

  skip(size: number): void {
    this.take(size)
  }

  u8(): number {
    const at = this.at
    if (at >= this.end) throw truncated({ ...this.place(), wanted: 1, left: 0 })
    this.at = at + 1
    return this.bytes[at] as number
  }

  u16(): number {
    const at = this.take(2)
    const { bytes } = this
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
  }

  u24(): number {
    const at = this.take(3)
    const { bytes } = this
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
  }

  i32(): number {
    const at = this.take(4)
    const { bytes } = this
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
  }

  u32(): number {
    return this.i32() >>> 0
  }

  /** Table ids: 48 bits fit a number. */
  u48(): number {
    const low = this.u32()
    return low + this.u16() * 0x1_0000_0000
  }

  u64(): bigint {
    const low = this.i32()
    return unsigned64(low, this.i32())
  }

  i64(): bigint {
    const low = this.i32()
    return signed64(low, this.i32())
  }

  u16be(): number {
    const at = this.take(2)
    const { bytes } = this
    return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  }

  u24be(): number {
    const at = this.take(3)
    const { bytes } = this
    return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)
  }

  u32be(): number {
    const at = this.take(4)
    const { bytes } = this
    const value = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
    return value >>> 0
  }

  /** Little-endian number of 1 to 6 bytes. */
  uint(size: number): number {
    const at = this.take(size)
    return size === 1 ? (this.bytes[at] as number) : this.bytes.readUIntLE(at, size)
  }

  /** Big-endian number of 1 to 6 bytes. */
  uintBe(size: number): number {
    return this.bytes.readUIntBE(this.take(size), size)
  }

  /** MySQL's length-coded integer; NULL and values over 2^53 are no length of anything. @throws BINLOG_MALFORMED */
  lengthCoded(): number {
    const first = this.u8()
    if (first < 0xfb) return first
    if (first === 0xfc) return this.u16()
    if (first === 0xfd) return this.u24()
    if (first === 0xfe) {
      const value = this.u64()
      if (value <= Number.MAX_SAFE_INTEGER) return Number(value)
    }
    throw malformed({ ...this.place(), reason: 'a length that is none' })
  }

  /** A view, not a copy: it lives as long as the packet's memory and keeps that memory alive. */
  view(size: number): Buffer {
    const at = this.take(size)
    return this.bytes.subarray(at, at + size)
  }

  text(size: number, encoding: 'utf8' | 'latin1' = 'utf8'): string {
    const at = this.take(size)
    return this.bytes.toString(encoding, at, at + size)
  }

  rest(): Buffer {
    return this.view(this.end - this.at)
  }
}

/** Shared scratch: one write of two words and one read is the cheapest way to a bigint in V8. Nothing runs in between. */
const words = new Int32Array(2)
const signed = new BigInt64Array(words.buffer)
const unsigned = new BigUint64Array(words.buffer)

export function signed64(low: number, high: number): bigint {
  words[0] = low
  words[1] = high
  return signed[0] as bigint
}

export function unsigned64(low: number, high: number): bigint {
  words[0] = low
  words[1] = high
  return unsigned[0] as bigint
}

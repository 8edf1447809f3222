import type { ByteCursor } from './byte-cursor.ts'
import { valueInvalid } from './errors.ts'
import { clockText, dateText, durationText, fractionBytes, fractionText, utcText } from './temporal-text.ts'

/** Readers of temporal columns: one is made per column, none per cell. All give text, because no Date holds these values. */

type ReadText = (cursor: ByteCursor) => string

const ZERO_DATETIME = '0000-00-00 00:00:00'

export function readYear(cursor: ByteCursor): number {
  const year = cursor.u8()
  return year === 0 ? 0 : 1900 + year
}

export function readDate(cursor: ByteCursor): string {
  const packed = cursor.u24()
  return dateText(packed >> 9, (packed >> 5) & 15, packed & 31) ?? invalid(cursor, 'date', packed)
}

/** DATETIME since 5.6: 40 bits big-endian (sign, year * 13 + month, day, hour, minute, second), then the fraction. */
export function datetimeReader(decimals: number): ReadText {
  const fraction = fractionReader(decimals)
  return (cursor) => {
    const high = cursor.u24be()
    const low = cursor.u16be()
    const yearMonth = (high >> 6) & 0x1ffff
    const date = dateText(Math.floor(yearMonth / 13), yearMonth % 13, (high >> 1) & 31)
    const clock = clockText(((high & 1) << 4) | (low >> 12), (low >> 6) & 63, low & 63)
    if (high < 0x800000 || date === undefined || clock === undefined) return invalid(cursor, 'datetime', high * 0x10000 + low)
    return decimals === 0 ? date + clock : date + clock + fraction(cursor)
  }
}

/** TIMESTAMP since 5.6: seconds since 1970 big-endian, then the fraction. Text in UTC. */
export function timestampReader(decimals: number): ReadText {
  const fraction = fractionReader(decimals)
  const zero = fractionText(0, decimals) ?? ''
  return (cursor) => {
    const seconds = cursor.u32be()
    const tail = fraction(cursor)
    if (seconds === 0 && tail === zero) return ZERO_DATETIME + zero
    return utcText(seconds) + tail
  }
}

/** TIME since 5.6: 24 bits big-endian around 0x800000, then the fraction, negative as one number of both parts. */
export function timeReader(decimals: number): ReadText {
  const scale = 256 ** fractionBytes(decimals)
  const bytes = fractionBytes(decimals)
  return (cursor) => {
    const whole = cursor.u24be() - 0x800000
    const total = whole * scale + (bytes === 0 ? 0 : cursor.uintBe(bytes))
    const size = Math.abs(total)
    const packed = Math.floor(size / scale)
    const text = durationText(total < 0, packed >> 12, { minute: (packed >> 6) & 63, second: packed & 63 })
    const tail = fractionText(size % scale, decimals)
    if (text === undefined || tail === undefined) return invalid(cursor, 'time', total)
    return text + tail
  }
}

/** `.123`, or '' without reading. */
function fractionReader(decimals: number): ReadText {
  const bytes = fractionBytes(decimals)
  if (bytes === 0) return () => ''
  return (cursor) => {
    const stored = cursor.uintBe(bytes)
    return fractionText(stored, decimals) ?? invalid(cursor, 'fraction', stored)
  }
}

/** TIME before 5.6: ±hhmmss as a decimal number of 3 bytes. */
export function readOldTime(cursor: ByteCursor): string {
  const value = (cursor.u24() << 8) >> 8
  const size = Math.abs(value)
  const clock = { minute: Math.floor(size / 100) % 100, second: size % 100 }
  return durationText(value < 0, Math.floor(size / 10_000), clock) ?? invalid(cursor, 'time', value)
}

/** DATETIME before 5.6: yyyymmddhhmmss as a decimal number of 8 bytes. */
export function readOldDatetime(cursor: ByteCursor): string {
  const value = cursor.u64()
  const day = Number(value / 1_000_000n)
  const time = Number(value % 1_000_000n)
  const date = dateText(Math.floor(day / 10_000), Math.floor(day / 100) % 100, day % 100)
  const clock = clockText(Math.floor(time / 10_000), Math.floor(time / 100) % 100, time % 100)
  if (date === undefined || clock === undefined) return invalid(cursor, 'datetime', value)
  return date + clock
}

/** TIMESTAMP before 5.6: seconds, little-endian. */
export function readOldTimestamp(cursor: ByteCursor): string {
  const seconds = cursor.u32()
  return seconds === 0 ? ZERO_DATETIME : utcText(seconds)
}

/**
 * MariaDB's own format of before 10.1 (`mysql56_temporal_format=OFF`) with a fraction: fixed-point numbers, big-endian. The binlog
 * does not tell them from the ones above, so the caller has to say the digits (`DecoderOptions.oldTemporalDecimals`).
 */
export function hiresReader(type: 'old-time' | 'old-datetime' | 'old-timestamp', decimals: number): ReadText {
  if (type === 'old-timestamp') return hiresTimestampReader(decimals)
  const unit = 10n ** BigInt(decimals)
  return type === 'old-time' ? hiresTimeReader(decimals, unit) : hiresDatetimeReader(decimals, unit)
}

/** Bytes by digits. */
const HIRES_TIME_BYTES = [3, 4, 4, 5, 5, 5, 6]
const HIRES_DATETIME_BYTES = [5, 6, 6, 7, 7, 7, 8]
const HIRES_FRACTION_BYTES = [0, 1, 1, 2, 2, 3, 3]
/** One second more than the longest TIME: stored values are moved by it, so that they sort as bytes. */
const HIRES_TIME_ZERO = 3_020_400n

function hiresTimeReader(decimals: number, unit: bigint): ReadText {
  const bytes = HIRES_TIME_BYTES[decimals] ?? 6
  return (cursor) => {
    const value = bigEndian(cursor.view(bytes)) - HIRES_TIME_ZERO * unit
    const size = value < 0n ? -value : value
    const seconds = Number(size / unit)
    const clock = { minute: Math.floor(seconds / 60) % 60, second: seconds % 60 }
    const text = durationText(value < 0n, Math.floor(seconds / 3600), clock)
    return text === undefined ? invalid(cursor, 'time', value) : text + digits(size % unit, decimals)
  }
}

function hiresDatetimeReader(decimals: number, unit: bigint): ReadText {
  const bytes = HIRES_DATETIME_BYTES[decimals] ?? 8
  return (cursor) => {
    const value = bigEndian(cursor.view(bytes))
    const seconds = Number(value / unit)
    const hours = Math.floor(seconds / 3600)
    const days = Math.floor(hours / 24)
    const months = Math.floor(days / 32)
    const date = dateText(Math.floor(months / 13), months % 13, days % 32)
    const clock = clockText(hours % 24, Math.floor(seconds / 60) % 60, seconds % 60)
    if (date === undefined || clock === undefined) return invalid(cursor, 'datetime', value)
    return date + clock + digits(value % unit, decimals)
  }
}

function hiresTimestampReader(decimals: number): ReadText {
  const bytes = HIRES_FRACTION_BYTES[decimals] ?? 3
  return (cursor) => {
    const seconds = cursor.u32be()
    const fraction = bigEndian(cursor.view(bytes))
    if (fraction >= 10n ** BigInt(decimals)) return invalid(cursor, 'timestamp', fraction)
    return (seconds === 0 && fraction === 0n ? ZERO_DATETIME : utcText(seconds)) + digits(fraction, decimals)
  }
}

function digits(fraction: bigint, decimals: number): string {
  return decimals === 0 ? '' : `.${String(fraction).padStart(decimals, '0')}`
}

function bigEndian(bytes: Buffer): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

function invalid(cursor: ByteCursor, type: string, value: number | bigint): never {
  throw valueInvalid({ ...cursor.place(), type, reason: `${value}` })
}

import type { ByteCursor } from './byte-cursor.ts'
import { TYPE } from './columns.ts'
import { malformed } from './errors.ts'
import { decimalReader } from './read-decimal.ts'
import { clockText, dateText, durationText } from './temporal-text.ts'

/** JSON text of a value of a type that JSON has not, as the server prints it. The text loses the type: it is a number or a string. */
export function opaqueText(cursor: ByteCursor, typeCode: number): string {
  switch (typeCode) {
    case TYPE.newDecimal:
      return decimalText(cursor)
    case TYPE.date:
    case TYPE.newDate:
      return `"${unpackDatetime(cursor).date}"`
    case TYPE.datetime:
    case TYPE.timestamp: {
      const { date, time } = unpackDatetime(cursor)
      return `"${date}${time}"`
    }
    case TYPE.time:
      return `"${unpackTime(cursor)}"`
    default:
      return `"base64:type${typeCode}:${cursor.rest().toString('base64')}"`
  }
}

/** The digits come first, so a hostile precision is found before anything is read. */
function decimalText(cursor: ByteCursor): string {
  const precision = cursor.u8()
  const decimals = cursor.u8()
  if (precision < 1 || precision > 81 || decimals > precision) broken(cursor, `DECIMAL(${precision},${decimals})`)
  return decimalReader(precision, decimals)(cursor)
}

/** 64 bits: year * 13 + month, 5 bits day, 5 hour, 6 minute, 6 second, 24 microseconds. */
function unpackDatetime(cursor: ByteCursor): { date: string; time: string } {
  const packed = cursor.i64()
  const whole = Number(packed >> 24n)
  const days = Math.floor(whole / 0x20000)
  const months = Math.floor(days / 32)
  const date = packed < 0n ? undefined : dateText(Math.floor(months / 13), months % 13, days % 32)
  const time = clockText((whole >> 12) & 31, (whole >> 6) & 63, whole & 63)
  if (date === undefined || time === undefined) broken(cursor, `datetime ${packed}`)
  return { date, time: time + micros(packed, cursor) }
}

function unpackTime(cursor: ByteCursor): string {
  const packed = cursor.i64()
  const size = packed < 0n ? -packed : packed
  const whole = Number((size >> 24n) & 0x3fffffn)
  const text = durationText(packed < 0n, whole >> 12, { minute: (whole >> 6) & 63, second: whole & 63 })
  return text === undefined ? broken(cursor, `time ${packed}`) : text + micros(size, cursor)
}

function micros(packed: bigint, cursor: ByteCursor): string {
  const value = Number(packed & 0xffffffn)
  if (value > 999_999) broken(cursor, `microseconds ${value}`)
  return `.${String(value).padStart(6, '0')}`
}

function broken(cursor: ByteCursor, reason: string): never {
  throw malformed({ ...cursor.place(), reason: `JSON: ${reason}` })
}

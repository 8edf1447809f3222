import type { ByteCursor } from './byte-cursor.ts'
import { valueInvalid } from './errors.ts'

/** Bytes of 0 to 9 digits. Full groups of nine are 4 bytes; what is left over is packed tighter. */
const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]
const GROUP_DIGITS = 9

/** Texts of numbers below 10,000, which larger ones are put together from: a third of the time that String() takes. */
const QUAD = 10_000
const PLAIN = Array.from({ length: QUAD }, (_, value) => String(value))
const QUADS = PLAIN.map((text) => text.padStart(4, '0'))
const POINT_PAIRS = Array.from({ length: 100 }, (_, value) => `.${String(value).padStart(2, '0')}`)

interface Group {
  readonly bytes: number
  readonly digits: number
  /** One more than the largest value. */
  readonly end: number
}

/**
 * DECIMAL as exact text. The wire has groups of digits, big-endian, the odd group outermost on both sides; the top bit of the
 * value is set for positive values, and all bits are inverted for negative ones.
 */
export function decimalReader(precision: number, decimals: number): (cursor: ByteCursor) => string {
  const whole = groupsOf(precision - decimals).toReversed()
  const groups = [...whole, ...groupsOf(decimals)]
  const point = whole.length
  const size = groups.reduce((sum, { bytes }) => sum + bytes, 0)
  const signBit = 0x80 << (8 * ((groups[0]?.bytes ?? 1) - 1))
  return (cursor) => {
    const { bytes } = cursor
    let at = cursor.take(size)
    const mask = (bytes[at] as number) & 0x80 ? 0 : 0xff
    let text = ''
    for (let index = 0; index < groups.length; index++) {
      const group = groups[index] as Group
      let value = 0
      for (const end = at + group.bytes; at < end; at++) value = (value << 8) | ((bytes[at] as number) ^ mask)
      // The top bit is set here for both signs: negative values had it inverted.
      if (index === 0) value ^= signBit
      if (value < 0 || value >= group.end) throw valueInvalid({ ...cursor.place(), type: 'decimal', reason: `group of digits ${value}` })
      if (index === point && text === '') text = '0'
      if (index === point) text += group.digits === 2 ? (POINT_PAIRS[value] as string) : `.${padded(value, group.digits)}`
      else if (text !== '') text += padded(value, group.digits)
      else if (value > 0) text = plain(value)
    }
    if (text === '') text = '0'
    return mask === 0 ? text : `-${text}`
  }
}

function plain(value: number): string {
  if (value < QUAD) return PLAIN[value] as string
  const high = Math.floor(value / QUAD)
  return plain(high) + (QUADS[value - high * QUAD] as string)
}

function padded(value: number, digits: number): string {
  if (digits === 4) return QUADS[value] as string
  return plain(value).padStart(digits, '0')
}

/** From the point outwards: full groups, then the odd one. */
function groupsOf(digits: number): Group[] {
  const full = Array.from({ length: Math.floor(digits / GROUP_DIGITS) }, () => ({ bytes: 4, digits: GROUP_DIGITS, end: 1e9 }))
  const odd = digits % GROUP_DIGITS
  return odd === 0 ? full : [...full, { bytes: DIGIT_BYTES[odd] as number, digits: odd, end: 10 ** odd }]
}

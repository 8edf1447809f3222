/** Text of dates and times. Tables of short strings make a DATETIME of three concatenations. */

const PAD2 = Array.from({ length: 100 }, (_, value) => String(value).padStart(2, '0'))
const COLON_PAD2 = PAD2.map((text) => `:${text}`)
const DASH_PAD2 = PAD2.map((text) => `-${text}`)
/** `HH:MM` by hour * 60 + minute. */
const CLOCK = Array.from({ length: 24 * 60 }, (_, minute) => `${PAD2[Math.floor(minute / 60)]}:${PAD2[minute % 60]}`)
const SPACE_CLOCK = CLOCK.map((text) => ` ${text}`)
/** `-MM-DD` by month * 32 + day; zero months and days are legal. */
const MONTH_DAY = Array.from({ length: 13 * 32 }, (_, at) => `${DASH_PAD2[at >> 5]}${DASH_PAD2[at & 31]}`)
const YEAR = Array.from({ length: 10_000 }, (_, year) => String(year).padStart(4, '0'))

export function pad(value: number, digits: number): string {
  return digits === 2 && value < 100 ? (PAD2[value] as string) : String(value).padStart(digits, '0')
}

/** Undefined for what is no date, so that the caller names the column's place. Zero and impossible days (`2024-02-30`) are legal. */
export function dateText(year: number, month: number, day: number): string | undefined {
  if (year > 9999 || month > 12 || day > 31) return undefined
  return (YEAR[year] as string) + (MONTH_DAY[(month << 5) | day] as string)
}

/** ` HH:MM:SS`, to be put behind a date. */
export function clockText(hour: number, minute: number, second: number): string | undefined {
  if (hour > 23 || minute > 59 || second > 59) return undefined
  return (SPACE_CLOCK[hour * 60 + minute] as string) + (COLON_PAD2[second] as string)
}

/** TIME: up to 838 hours, negative too. */
export function durationText(negative: boolean, hour: number, clock: { minute: number; second: number }): string | undefined {
  if (hour > 838 || clock.minute > 59 || clock.second > 59) return undefined
  return `${negative ? '-' : ''}${pad(hour, 2)}${COLON_PAD2[clock.minute]}${COLON_PAD2[clock.second]}`
}

/** Bytes of a fraction of `decimals` digits in the format of MySQL 5.6 and later. */
export function fractionBytes(decimals: number): number {
  return (decimals + 1) >> 1
}

/** `.123` of a fraction that is stored with an even count of digits; '' for columns without one. Undefined if it is too large. */
export function fractionText(stored: number, decimals: number): string | undefined {
  if (decimals === 0) return ''
  const storedDigits = fractionBytes(decimals) * 2
  if (stored >= 10 ** storedDigits) return undefined
  const text = String(stored).padStart(storedDigits, '0')
  // An odd digit count leaves the last stored digit 0; anything else is not a value of the column.
  if (decimals < storedDigits && !text.endsWith('0')) return undefined
  return `.${text.slice(0, decimals)}`
}

const DAY_SECONDS = 86_400

/** UTC text of seconds since 1970, without the fraction. Works on the calendar's own arithmetic, so no time zone can slip in. */
export function utcText(seconds: number): string {
  const days = Math.floor(seconds / DAY_SECONDS)
  const rest = seconds - days * DAY_SECONDS
  // Civil from days, in eras of 400 years that begin in March.
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365)
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthIndex = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthIndex + 2) / 5) + 1
  const month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  const minutes = Math.floor(rest / 60)
  // 32 bits of seconds end in 2106, so every index below is inside its table.
  return (
    (YEAR[year] as string) +
    (MONTH_DAY[(month << 5) | day] as string) +
    (SPACE_CLOCK[minutes] as string) +
    (COLON_PAD2[rest - minutes * 60] as string)
  )
}

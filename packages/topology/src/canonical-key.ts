import type { KeyType } from './config.ts'
import { keyInvalid } from './errors.ts'

/** A routing key is an id or a name; longer ones are a mistake or an attack. UTF-8 bytes. */
export const KEY_BYTES_MAX = 4096

export interface KeyRules {
  readonly fold: 'none' | 'lower'
  readonly keyType: KeyType
}

const UINT64_MAX = 18_446_744_073_709_551_615n
const UINT64_DIGITS_MAX = 20

const SPACE = 0x20
const DELETE = 0x7f

/**
 * The one spelling of a routing key. A value with another spelling is refused, not repaired: gateway, guards and SQL
 * must agree on the bucket to the bit, and whoever repairs differently would write in another cell.
 * @throws TOPO_KEY_INVALID
 */
export function canonicalKey(raw: string, rules: KeyRules): string {
  return asciiKey(raw, rules) ?? unicodeKey(raw, rules)
}

/** The same for a value from a header, whose bytes node hands over as Latin-1 code points. @throws TOPO_KEY_INVALID */
export function canonicalHeaderKey(raw: string, rules: KeyRules): string {
  return asciiKey(raw, rules) ?? unicodeKey(decodeHeaderValue(raw), rules)
}

/** One pass over the common case; undefined if there is anything else than ASCII. */
function asciiKey(raw: string, rules: KeyRules): string | undefined {
  const length = raw.length
  if (length === 0) throw keyInvalid({ reason: 'it is empty' })
  if (length > KEY_BYTES_MAX) throw keyInvalid({ reason: `it is longer than ${KEY_BYTES_MAX} bytes` })
  let digits = 0
  let upper = false
  for (let at = 0; at < length; at++) {
    const code = raw.charCodeAt(at)
    if (code > DELETE) return undefined
    if (code < SPACE || code === DELETE) throw keyInvalid({ reason: 'it contains a control character' })
    if (code >= 0x30 && code <= 0x39) digits++
    else if (code >= 0x41 && code <= 0x5a) upper = true
  }
  if (raw.charCodeAt(0) === SPACE || raw.charCodeAt(length - 1) === SPACE) throw keyInvalid({ reason: 'it starts or ends with white space' })
  if (digits > 0 || rules.keyType === 'integer') checkNumber(raw, digits, rules.keyType)
  return upper && rules.fold === 'lower' ? raw.toLowerCase() : raw
}

function checkNumber(raw: string, digits: number, keyType: KeyType): void {
  if (keyType === 'text') return
  const isDecimal = digits === raw.length
  if (isDecimal && raw.length > 1 && raw.charCodeAt(0) === 0x30) throw keyInvalid({ reason: 'it is a number with leading zeros' })
  if (keyType === 'integer') {
    if (!isDecimal) throw keyInvalid({ reason: 'it is not an unsigned decimal integer' })
    if (raw.length > UINT64_DIGITS_MAX || (raw.length === UINT64_DIGITS_MAX && BigInt(raw) > UINT64_MAX)) {
      throw keyInvalid({ reason: 'it is not below 2^64' })
    }
    return
  }
  if (!isDecimal && looksLikeNumber(raw)) throw keyInvalid({ reason: 'it is a number with a sign, a point or an exponent' })
}

/** One pass, no regular expression: `[+-] digits [. digits] [e [+-] digits]` with at least one digit before the exponent. */
function looksLikeNumber(text: string): boolean {
  let at = 0
  if (isSign(text.charCodeAt(at))) at++
  const afterSign = at
  at = skipDigits(text, at)
  let mantissaDigits = at - afterSign
  if (text.charCodeAt(at) === 0x2e) {
    const afterPoint = at + 1
    at = skipDigits(text, afterPoint)
    mantissaDigits += at - afterPoint
  }
  if (mantissaDigits === 0) return false
  if (at < text.length && (text.charCodeAt(at) | 0x20) === 0x65) {
    at++
    if (isSign(text.charCodeAt(at))) at++
    const afterExponent = at
    at = skipDigits(text, at)
    if (at === afterExponent) return false
  }
  return at === text.length
}

function isSign(code: number): boolean {
  return code === 0x2b || code === 0x2d
}

function skipDigits(text: string, from: number): number {
  let at = from
  while (at < text.length && text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at++
  return at
}

const CONTROL = /\p{Cc}/u
/** What some languages read as a number although it is not written in ASCII digits (`１２`, `٣`, `−5`). */
const FOREIGN_NUMBER = /^[+\-\u2212\uff0b\uff0d]?\p{Nd}[\p{Nd}.,]*$/u

function unicodeKey(raw: string, rules: KeyRules): string {
  if (!raw.isWellFormed()) throw keyInvalid({ reason: 'it is not valid Unicode' })
  if (Buffer.byteLength(raw) > KEY_BYTES_MAX) throw keyInvalid({ reason: `it is longer than ${KEY_BYTES_MAX} bytes` })
  if (CONTROL.test(raw)) throw keyInvalid({ reason: 'it contains a control character' })
  if (raw.trim() !== raw) throw keyInvalid({ reason: 'it starts or ends with white space' })
  if (raw.normalize('NFC') !== raw) throw keyInvalid({ reason: 'it is not in Unicode normalization form C' })
  if (rules.keyType === 'integer') throw keyInvalid({ reason: 'it is not an unsigned decimal integer' })
  if (rules.keyType === 'auto' && FOREIGN_NUMBER.test(raw)) throw keyInvalid({ reason: 'it is a number in digits other than 0 to 9' })
  if (rules.fold === 'none') return raw
  const folded = raw.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
  // Languages and SQL collations lower `İ`, `Σ` or `ẞ` in different ways, so only A to Z are folded.
  if (folded.toLowerCase() !== folded) throw keyInvalid({ reason: 'it has an upper-case letter outside A to Z, which cannot be folded safely' })
  return folded
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Node hands header bytes over as Latin-1 code points; what they mean is UTF-8. @throws TOPO_KEY_INVALID */
export function decodeHeaderValue(value: string): string {
  for (let at = 0; at < value.length; at++) if (value.charCodeAt(at) > DELETE) return decodeLatin1AsUtf8(value)
  return value
}

function decodeLatin1AsUtf8(value: string): string {
  for (let at = 0; at < value.length; at++) if (value.charCodeAt(at) > 0xff) throw keyInvalid({ reason: 'it is not a byte string' })
  return decodeUtf8(Buffer.from(value, 'latin1'))
}

/** @throws TOPO_KEY_INVALID */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch (cause) {
    throw keyInvalid({ reason: 'it is not valid UTF-8' }, { cause })
  }
}

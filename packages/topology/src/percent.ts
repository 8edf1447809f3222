import { decodeUtf8 } from './canonical-key.ts'
import { keyInvalid } from './errors.ts'

const PERCENT = 0x25
const PLUS = 0x2b

/** Decodes `%XX` once. @throws TOPO_KEY_INVALID on a broken escape or invalid UTF-8 */
export function decodePercent(raw: string): string {
  return raw.includes('%') || hasHighCode(raw) ? decodeBytes(raw, false) : raw
}

/** As HTML forms write queries: `%XX`, and `+` for a space. @throws TOPO_KEY_INVALID */
export function decodeFormPercent(raw: string): string {
  return raw.includes('%') || raw.includes('+') || hasHighCode(raw) ? decodeBytes(raw, true) : raw
}

function hasHighCode(raw: string): boolean {
  for (let at = 0; at < raw.length; at++) if (raw.charCodeAt(at) > 0x7f) return true
  return false
}

function decodeBytes(raw: string, plusIsSpace: boolean): string {
  const bytes = new Uint8Array(raw.length)
  let length = 0
  for (let at = 0; at < raw.length; at++) {
    let code = raw.charCodeAt(at)
    if (code > 0xff) throw keyInvalid({ reason: 'it is not a byte string' })
    if (code === PERCENT) {
      code = (hexDigit(raw.charCodeAt(at + 1)) << 4) | hexDigit(raw.charCodeAt(at + 2))
      if (code < 0) throw keyInvalid({ reason: 'it has a broken percent escape' })
      at += 2
    } else if (plusIsSpace && code === PLUS) code = 0x20
    bytes[length++] = code
  }
  return decodeUtf8(bytes.subarray(0, length))
}

/** 0 to 15, or -1, which keeps its sign through shift and or. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

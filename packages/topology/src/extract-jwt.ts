import { decodeUtf8 } from './canonical-key.ts'
import { keyAmbiguous, keyInvalid } from './errors.ts'
import { headerValue } from './extract-fields.ts'

/** Tokens are in one header, so they are bounded by its limit too; this bounds the work for one claim. */
const PAYLOAD_CHARS_MAX = 16_384

/**
 * A claim of the bearer token. Not verified: it decides where the request goes, the app decides what it may do. Another
 * scheme or an opaque token has no claim; a token with a broken payload is refused.
 * @throws TOPO_KEY_AMBIGUOUS, TOPO_KEY_INVALID
 */
export function jwtClaim(headers: readonly string[], claim: string): string | undefined {
  const authorization = headerValue(headers, 'authorization')
  if (authorization === undefined || authorization.slice(0, 7).toLowerCase() !== 'bearer ') return undefined
  const parts = authorization.slice(7).trim().split('.', 4)
  if (parts.length !== 3) return undefined
  const source = `jwt ${claim}`
  const text = payloadText(parts[1] ?? '', source)
  const token = claimToken(text, claim, source)
  return token === undefined ? undefined : claimText(token, source)
}

const BASE64URL = /^[A-Za-z0-9_-]+$/

function payloadText(payload: string, source: string): string {
  if (payload.length > PAYLOAD_CHARS_MAX) throw keyInvalid({ source, reason: "the token's payload is too long" })
  if (!BASE64URL.test(payload)) throw keyInvalid({ source, reason: "the token's payload is not base64url" })
  const text = decodeUtf8(Buffer.from(payload, 'base64url'))
  try {
    JSON.parse(text)
  } catch (cause) {
    throw keyInvalid({ source, reason: "the token's payload is not JSON" }, { cause })
  }
  return text
}

/** String or integer; an integer keeps the digits it was written with, because a double would change those beyond 2^53. */
function claimText(token: string, source: string): string {
  if (token.startsWith('"')) return JSON.parse(token) as string
  if (/^(?:0|[1-9][0-9]*)$/.test(token)) return token
  throw keyInvalid({ source, reason: 'the claim is neither a string nor an unsigned integer' })
}

/** The source text of a member's value in a JSON object that is known to be valid. */
function claimToken(json: string, claim: string, source: string): string | undefined {
  let at = skipBlank(json, 0)
  if (json[at] !== '{') throw keyInvalid({ source, reason: "the token's payload is not an object" })
  let found: string | undefined
  at = skipBlank(json, at + 1)
  while (json[at] === '"') {
    const nameEnd = skipValue(json, at)
    const name = JSON.parse(json.slice(at, nameEnd)) as string
    const valueStart = skipBlank(json, skipBlank(json, nameEnd) + 1)
    const valueEnd = skipValue(json, valueStart)
    if (name === claim) {
      if (found !== undefined) throw keyAmbiguous({ source, reason: 'the token has the claim more than once' })
      found = json.slice(valueStart, valueEnd)
    }
    at = skipBlank(json, skipBlank(json, valueEnd) + 1)
  }
  return found
}

function skipBlank(json: string, from: number): number {
  let at = from
  while (at < json.length && ' \t\r\n'.includes(json.charAt(at))) at++
  return at
}

/** Where the value that starts here ends. */
function skipValue(json: string, from: number): number {
  let depth = 0
  let at = from
  do {
    const char = json.charAt(at)
    if (char === '"') at = skipString(json, at)
    else {
      if (char === '{' || char === '[') depth++
      else if (char === '}' || char === ']') depth--
      at++
      if (depth === 0 && char !== '}' && char !== ']') {
        while (at < json.length && !',]} \t\r\n'.includes(json.charAt(at))) at++
      }
    }
  } while (depth > 0)
  return at
}

function skipString(json: string, from: number): number {
  let at = from + 1
  while (json.charAt(at) !== '"') at += json.charAt(at) === '\\' ? 2 : 1
  return at + 1
}

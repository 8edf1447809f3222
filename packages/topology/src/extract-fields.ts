import { decodeHeaderValue } from './canonical-key.ts'
import { keyAmbiguous, keyInvalid } from './errors.ts'
import { decodeFormPercent, decodePercent } from './percent.ts'

const UNDERSCORE = 0x5f
const HYPHEN = 0x2d

/**
 * The one value of a header, as node hands it over. Names are compared without case and with `_` as `-`, because servers behind
 * us may do so; two of them are ambiguous even if their values agree.
 * @throws TOPO_KEY_AMBIGUOUS
 */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const candidate = headers[at]
    if (candidate === undefined || candidate.length !== name.length || !isSameHeader(candidate, name)) continue
    if (found !== undefined) throw keyAmbiguous({ source: `header ${name}`, reason: 'the header is there more than once' })
    found = headers[at + 1]
  }
  return found
}

/** Both have the same length; `name` is lower case. */
function isSameHeader(candidate: string, name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const want = name.charCodeAt(at)
    let code = candidate.charCodeAt(at)
    if (code === want) continue
    if (code >= 0x41 && code <= 0x5a) code |= 0x20
    if (code !== want && !((code === UNDERSCORE || code === HYPHEN) && (want === HYPHEN || want === UNDERSCORE))) return false
  }
  return true
}

/** Over all `Cookie` headers; percent-decoded once, as the usual cookie parsers do. @throws TOPO_KEY_AMBIGUOUS, TOPO_KEY_INVALID */
export function cookieValue(headers: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const candidate = headers[at]
    const cookies = headers[at + 1]
    if (candidate?.length !== 6 || cookies === undefined || !isSameHeader(candidate, 'cookie')) continue
    for (let from = 0; from <= cookies.length; ) {
      const semicolon = cookies.indexOf(';', from)
      const end = semicolon === -1 ? cookies.length : semicolon
      const value = pairValue(cookies, from, end, name)
      if (value !== undefined) {
        if (found !== undefined) throw keyAmbiguous({ source: `cookie ${name}`, reason: 'the cookie is there more than once' })
        found = value
      }
      from = end + 1
    }
  }
  if (found === undefined) return undefined
  // Some parsers strip the quotes and some keep them, so a quoted value has two spellings.
  if (found.startsWith('"')) throw keyInvalid({ source: `cookie ${name}`, reason: 'it is in quotes' })
  return found.includes('%') ? decodePercent(found) : decodeHeaderValue(found)
}

function pairValue(cookies: string, from: number, end: number, name: string): string | undefined {
  let start = from
  while (start < end && isBlank(cookies.charCodeAt(start))) start++
  if (!cookies.startsWith(name, start)) return undefined
  let equals = start + name.length
  while (equals < end && isBlank(cookies.charCodeAt(equals))) equals++
  if (equals >= end || cookies.charCodeAt(equals) !== 0x3d) return undefined
  return cookies.slice(equals + 1, end).trim()
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Names and values are percent-decoded once, `+` is a space. @throws TOPO_KEY_AMBIGUOUS, TOPO_KEY_INVALID */
export function queryValue(query: string, name: string): string | undefined {
  if (query === '') return undefined
  let found: string | undefined
  for (let from = 0; from <= query.length; ) {
    const ampersand = query.indexOf('&', from)
    const end = ampersand === -1 ? query.length : ampersand
    const equals = query.indexOf('=', from)
    const nameEnd = equals === -1 || equals > end ? end : equals
    if (isQueryName(query, from, nameEnd, name)) {
      if (found !== undefined) throw keyAmbiguous({ source: `query ${name}`, reason: 'the parameter is there more than once' })
      found = nameEnd === end ? '' : query.slice(nameEnd + 1, end)
    }
    from = end + 1
  }
  return found === undefined ? undefined : decodeFormPercent(found)
}

function isQueryName(query: string, from: number, end: number, name: string): boolean {
  if (end - from === name.length && query.startsWith(name, from)) return true
  // An escaped or non-ASCII name is longer than what it stands for.
  return end - from > name.length && decodeFormPercent(query.slice(from, end)) === name
}

import { badRequest, bodyTooLarge, expectationFailed, headerForbidden, headersTooLarge, methodNotAllowed, versionNotSupported } from '../errors.ts'
import { type Authority, parseAuthority } from './authority.ts'
import { parseConnection, withoutNamed } from './connection-header.ts'
import { dashedName, type HeaderName, headerKind, headerName, isProtectedFromConnection } from './names.ts'
import { parseTarget } from './target.ts'

/** A request's head as the parser gave it. */
export interface RawHead {
  readonly method: string
  readonly target: string
  /** `1.0`, `1.1`, `2.0`, and on h1 whatever else has the form of a version. */
  readonly version: string
  /** What was really spoken; a version of 2.0 on the HTTP/1 wire is a trick. */
  readonly wire: 'h1' | 'h2'
  /** Name, value, …; with the pseudo headers on h2. */
  readonly rawHeaders: readonly string[]
  /** h2 only: the head did not end the stream, so a body follows even without a length. */
  readonly bodyFollows?: boolean
}

export interface HeadLimits {
  readonly headersMax: number
  readonly headerBytesMax: number
  readonly urlBytesMax: number
}

export type BodyKind = 'none' | 'length' | 'chunked'

/** A head in which nothing is ambiguous; the only form that later phases see. */
export interface ValidHead {
  readonly method: string
  readonly path: string
  readonly query: string
  /** Lower case, with port if there was one. */
  readonly authority: string
  /** Lower case, without port. */
  readonly host: string
  /** What goes on: name, value, …, without hop-by-hop, framing, rebuilt and internal headers, in order. */
  readonly headers: readonly string[]
  /** The client's copies of internal headers by dashed lower-case name; `null` when one came twice. Only a verified hop may use them. */
  readonly internal: ReadonlyMap<string, string | null> | undefined
  /** The client's copies of the headers that we rebuild, by lower-case name; repeated ones joined by comma. */
  readonly rebuilt: ReadonlyMap<string, string> | undefined
  readonly bodyKind: BodyKind
  /** Only with `length`. */
  readonly bodyBytes: number
  readonly expectContinue: boolean
  /** HTTP/1: the client may send another request over this connection. */
  readonly persistent: boolean
  /** The token asked for with `Upgrade`, lower case, if `Connection` says so as well. */
  readonly upgrade: string | undefined
  /** `Accept` names an event stream, which may be silent for as long as it likes. */
  readonly wantsEvents: boolean
}

const METHODS = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PROPFIND',
  'REPORT',
  'QUERY',
  'MKCOL',
  'COPY',
  'MOVE',
  'LOCK',
  'UNLOCK'
])

/** Numbers up to 2^53, spelled in one way only. */
const LENGTH_PATTERN = /^(?:0|[1-9][0-9]{0,15})$/

/** Collected while walking the headers once. */
interface Collected {
  readonly headers: string[]
  /** `:authority`, only on h2. */
  authority: string | undefined
  host: string | undefined
  length: string | undefined
  coding: string | undefined
  expect: string | undefined
  connection: string | undefined
  upgrade: string | undefined
  internal: Map<string, string | null> | undefined
  rebuilt: Map<string, string> | undefined
  wantsEvents: boolean
  /** Where the value of the one `cookie` header stands; -1 before there is one. */
  cookieAt: number
}

/**
 * Our own strict rules on top of the parsers (`http1/`, nghttp2), which only know what is HTTP and not what is safe.
 * @throws GW_BAD_REQUEST, GW_HEADER_FORBIDDEN, GW_HEADERS_TOO_LARGE, GW_URL_TOO_LONG, GW_METHOD_REFUSED, GW_EXPECTATION_FAILED, GW_VERSION_REFUSED
 */
export function validateHead(head: RawHead, limits: HeadLimits): ValidHead {
  if (head.wire === 'h1' && head.version !== '1.1' && head.version !== '1.0') throw versionNotSupported({ version: head.version })
  if (!METHODS.has(head.method)) throw methodNotAllowed({ method: head.method.slice(0, 32) })
  if (head.rawHeaders.length > limits.headersMax * 2) throw headersTooLarge({ headersMax: limits.headersMax, bytesMax: limits.headerBytesMax })
  // On h1 our parser counts the bytes; nghttp2's own limit is per frame list and larger.
  if (head.wire === 'h2' && bytesOf(head.rawHeaders) > limits.headerBytesMax)
    throw headersTooLarge({ headersMax: limits.headersMax, bytesMax: limits.headerBytesMax })
  const seen = collect(head)
  const authority = checkAuthority(seen)
  const { path, query } = parseTarget(head.target, authority.text, limits.urlBytesMax)
  const connection = seen.connection === undefined ? undefined : parseConnection(seen.connection)
  const { bodyKind, bodyBytes } = checkFraming(head, seen)
  return {
    method: head.method,
    path,
    query,
    authority: authority.text,
    host: authority.host,
    headers: connection === undefined ? seen.headers : withoutNamed(seen.headers, connection.named),
    internal: seen.internal,
    rebuilt: seen.rebuilt,
    bodyKind,
    bodyBytes,
    persistent: connection === undefined ? head.version === '1.1' : !connection.close && (head.version === '1.1' || connection.keepAlive),
    expectContinue: checkExpect(seen.expect, head.version),
    upgrade: connection?.upgrade === true ? seen.upgrade?.toLowerCase() : undefined,
    wantsEvents: seen.wantsEvents
  }
}

/** @throws GW_BODY_TOO_LARGE */
export function checkBodyLength(head: ValidHead, bytesMax: number): void {
  if (head.bodyBytes > bytesMax) throw bodyTooLarge({ bytesMax })
}

/** Trailers are never forwarded, but one that imitates framing, identity or our headers ends the request. @throws GW_HEADER_FORBIDDEN */
export function checkTrailers(rawTrailers: readonly string[]): void {
  for (let at = 0; at < rawTrailers.length; at += 2) {
    const name = dashedName((rawTrailers[at] ?? '').toLowerCase())
    if (headerKind(name) !== 'plain' || isProtectedFromConnection(name))
      throw headerForbidden({ rule: 'not allowed in trailers', header: name.slice(0, 64) })
  }
}

function collect(head: RawHead): Collected {
  const { rawHeaders } = head
  const seen: Collected = {
    headers: [],
    authority: undefined,
    host: undefined,
    length: undefined,
    coding: undefined,
    expect: undefined,
    connection: undefined,
    upgrade: undefined,
    internal: undefined,
    rebuilt: undefined,
    wantsEvents: false,
    cookieAt: -1
  }
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const value = rawHeaders[at + 1] ?? ''
    const known = headerName(name)
    if (known.passes) {
      seen.headers.push(name, value)
      continue
    }
    const { lower, kind } = known
    if (kind === 'plain') collectPlain(seen, name, known, value, head)
    else if (kind === 'hop') collectHop(seen, lower, value, head.wire)
    else if (kind === 'framing') collectFraming(seen, lower, value)
    else if (kind === 'rebuilt') collectRebuilt(seen, lower, value)
    else collectInternal(seen, lower, value)
  }
  return seen
}

function collectPlain(seen: Collected, name: string, { lower, dashed, dashedKind }: HeaderName, value: string, head: RawHead): void {
  if (head.wire === 'h2' && lower.charCodeAt(0) === 0x3a) {
    if (lower === ':authority') seen.authority = once(seen.authority, value, lower)
    return
  }
  if (dashedKind === 'internal') {
    collectInternal(seen, dashed, value)
    return
  }
  if (dashedKind !== 'plain')
    throw headerForbidden({ rule: 'another spelling of a header that decides framing or identity', header: lower.slice(0, 64) })
  if (lower === 'accept' && value.includes('text/event-stream')) seen.wantsEvents = true
  if (head.wire === 'h2' && lower === 'cookie') joinCookie(seen, value)
  else seen.headers.push(name, value)
}

/** Browsers send one `cookie` field per pair over h2; the HTTP/1.1 server behind us must get one header (RFC 9113 8.2.3). */
function joinCookie(seen: Collected, value: string): void {
  if (seen.cookieAt === -1) {
    seen.headers.push('cookie', value)
    seen.cookieAt = seen.headers.length - 1
  } else seen.headers[seen.cookieAt] += `; ${value}`
}

function bytesOf(rawHeaders: readonly string[]): number {
  let bytes = 0
  for (const text of rawHeaders) bytes += text.length
  return bytes
}

function collectHop(seen: Collected, lower: string, value: string, wire: 'h1' | 'h2'): void {
  if (wire === 'h2' && (lower !== 'te' || value !== 'trailers'))
    throw headerForbidden({ rule: 'connection headers do not exist in HTTP/2', header: lower })
  if (lower === 'connection') seen.connection = seen.connection === undefined ? value : `${seen.connection},${value}`
  else if (lower === 'transfer-encoding') seen.coding = once(seen.coding, value, lower)
  else if (lower === 'upgrade') seen.upgrade = seen.upgrade === undefined ? value : `${seen.upgrade},${value}`
}

function collectFraming(seen: Collected, lower: string, value: string): void {
  if (lower === 'host') seen.host = once(seen.host, value, lower)
  else if (lower === 'content-length') seen.length = once(seen.length, value, lower)
  else seen.expect = once(seen.expect, value, lower)
}

function collectRebuilt(seen: Collected, lower: string, value: string): void {
  seen.rebuilt ??= new Map()
  const before = seen.rebuilt.get(lower)
  seen.rebuilt.set(lower, before === undefined ? value : `${before}, ${value}`)
}

function collectInternal(seen: Collected, dashed: string, value: string): void {
  seen.internal ??= new Map()
  seen.internal.set(dashed, seen.internal.has(dashed) ? null : value)
}

function once(before: string | undefined, value: string, name: string): string {
  if (before !== undefined) throw badRequest({ rule: `${name} is given twice` })
  return value
}

function checkAuthority({ authority, host }: Collected): Authority {
  const given = authority ?? host
  if (given === undefined) throw badRequest({ rule: 'Host is missing' })
  // RFC 9113 8.3.1: a `host` beside `:authority` must say the same.
  if (authority !== undefined && host !== undefined && host.toLowerCase() !== authority.toLowerCase())
    throw badRequest({ rule: 'Host and :authority differ' })
  return parseAuthority(given)
}

function checkFraming(head: RawHead, seen: Collected): { bodyKind: BodyKind; bodyBytes: number } {
  if (seen.coding !== undefined) {
    if (seen.length !== undefined) throw badRequest({ rule: 'Content-Length and Transfer-Encoding exclude each other' })
    if (head.version !== '1.1') throw badRequest({ rule: 'Transfer-Encoding needs HTTP/1.1' })
    if (seen.coding.toLowerCase() !== 'chunked') throw badRequest({ rule: 'the only transfer coding is chunked' })
    refuseUnexpectedBody(head.method)
    return { bodyKind: 'chunked', bodyBytes: 0 }
  }
  if (seen.length === undefined) {
    if (head.bodyFollows !== true) return { bodyKind: 'none', bodyBytes: 0 }
    refuseUnexpectedBody(head.method)
    return { bodyKind: 'chunked', bodyBytes: 0 }
  }
  if (!LENGTH_PATTERN.test(seen.length)) throw badRequest({ rule: 'Content-Length is not one plain decimal number' })
  const bodyBytes = Number(seen.length)
  if (bodyBytes > 0) refuseUnexpectedBody(head.method)
  return { bodyKind: bodyBytes > 0 || expectsLength(head.method) ? 'length' : 'none', bodyBytes }
}

/** `Content-Length: 0` is forwarded where a server may ask for one. */
function expectsLength(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}

function refuseUnexpectedBody(method: string): void {
  if (method === 'GET' || method === 'HEAD') throw badRequest({ rule: `a body on ${method} has no meaning, and servers disagree whether to read it` })
}

function checkExpect(expect: string | undefined, version: string): boolean {
  if (expect === undefined) return false
  if (expect.toLowerCase() !== '100-continue' || version === '1.0') throw expectationFailed({})
  return true
}

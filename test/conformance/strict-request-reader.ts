import { allValues, canonicalName, HEAD_BYTES_MAX, type Head, type HeaderField, readHead, TOKEN } from './http1-head.ts'

export interface ReadRequest {
  readonly method: string
  readonly target: string
  readonly headers: readonly HeaderField[]
  readonly trailers: readonly HeaderField[]
  readonly body: Buffer
  readonly framing: 'none' | 'length' | 'chunked'
  /** Wire bytes of the whole request. */
  readonly bytes: number
}

export interface RequestReader {
  /** Requests that these bytes completed. */
  push(bytes: Buffer): readonly ReadRequest[]
  /** Bytes of a request that has begun and is not complete. */
  readonly pending: Buffer
  readonly problems: readonly string[]
}

/** Names that decide where a message ends or where it goes; a second spelling of them is an attack. */
const DECIDING_NAMES = new Set(['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'expect', 'trailer'])

/**
 * What may come from a gateway and nothing else: HTTP/1.1, origin form, one Host, one framing, no chunk extensions, one request at a time.
 * Whatever else comes is written down as a problem; reading goes on where it can, stops where the end of the message is unknown.
 */
export function createRequestReader(): RequestReader {
  const problems: string[] = []
  let pending: Buffer = Buffer.alloc(0)
  let lost = false
  return {
    problems,
    get pending() {
      return pending
    },
    push(bytes) {
      pending = Buffer.concat([pending, bytes])
      const done: ReadRequest[] = []
      while (!lost && pending.length > 0) {
        const result = readRequest(pending)
        if (result.kind === 'more') break
        problems.push(...result.problems)
        if (result.kind === 'lost') lost = true
        else {
          done.push(result.request)
          pending = pending.subarray(result.request.bytes)
        }
      }
      // The gateway has not seen an answer to the last request yet, so nothing may follow it.
      if (done.length > 1 || (done.length === 1 && pending.length > 0)) problems.push('bytes after the last request')
      return done
    }
  }
}

type Result =
  | { readonly kind: 'more' }
  | { readonly kind: 'lost'; readonly problems: readonly string[] }
  | { readonly kind: 'request'; readonly request: ReadRequest; readonly problems: readonly string[] }

function readRequest(buffer: Buffer): Result {
  const head = readHead(buffer, 0)
  if (!head) return buffer.length > HEAD_BYTES_MAX ? { kind: 'lost', problems: ['endless header block'] } : { kind: 'more' }
  const problems = [...head.problems]
  const parts = /^(\S+) (\S+) HTTP\/1\.1$/.exec(head.startLine)
  if (!parts) return { kind: 'lost', problems: [...problems, `odd request line ${JSON.stringify(head.startLine.slice(0, 200))}`] }
  const [, method = '', target = ''] = parts
  problems.push(...lineProblems(method, target), ...headerProblems(head))
  const common = { method, target, headers: head.headers }
  const codings = allValues(head.headers, 'transfer-encoding')
  if (codings.length > 0) {
    const chunked = readChunked(buffer, head.bytes)
    if (chunked.kind === 'more') return chunked
    problems.push(...chunked.problems)
    if (chunked.kind === 'lost') return { kind: 'lost', problems }
    const { body, trailers, end } = chunked
    return { kind: 'request', problems, request: { ...common, body, trailers, framing: 'chunked', bytes: end } }
  }
  const [length] = allValues(head.headers, 'content-length')
  const bodyBytes = length === undefined ? 0 : Number(length)
  if (!Number.isSafeInteger(bodyBytes) || bodyBytes < 0) return { kind: 'lost', problems }
  const bytes = head.bytes + bodyBytes
  if (buffer.length < bytes) return { kind: 'more' }
  const body = Buffer.from(buffer.subarray(head.bytes, bytes))
  return { kind: 'request', problems, request: { ...common, body, trailers: [], framing: length === undefined ? 'none' : 'length', bytes } }
}

function lineProblems(method: string, target: string): readonly string[] {
  const problems: string[] = []
  if (!TOKEN.test(method)) problems.push('method is no token')
  if (!/^\/[\x21-\x7e]*$/.test(target) && !(method === 'OPTIONS' && target === '*')) problems.push('target is not in origin form')
  if (/[#\\]/.test(target)) problems.push('fragment or backslash in target')
  return problems
}

function headerProblems({ headers }: Head): readonly string[] {
  const problems: string[] = []
  const hosts = allValues(headers, 'host')
  const lengths = allValues(headers, 'content-length')
  const codings = allValues(headers, 'transfer-encoding')
  if (hosts.length !== 1) problems.push(`${hosts.length} Host headers`)
  if (hosts.some((host) => !/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~!$&'()*+;=-]+)(:[0-9]{1,5})?$/.test(host)))
    problems.push(`odd Host ${JSON.stringify(hosts)}`)
  if (lengths.length > 1) problems.push('duplicate Content-Length')
  if (lengths.some((length) => !/^(0|[1-9][0-9]{0,15})$/.test(length))) problems.push(`odd Content-Length ${JSON.stringify(lengths)}`)
  if (codings.length > 1) problems.push('duplicate Transfer-Encoding')
  if (codings.some((coding) => coding !== 'chunked')) problems.push(`odd Transfer-Encoding ${JSON.stringify(codings)}`)
  if (codings.length > 0 && lengths.length > 0) problems.push('both Content-Length and Transfer-Encoding')
  for (const [name] of headers) {
    const canonical = canonicalName(name)
    if (canonical !== name.toLowerCase() && DECIDING_NAMES.has(canonical)) problems.push(`alias of ${canonical}: ${name}`)
  }
  return problems
}

type Chunked =
  | { readonly kind: 'more' }
  | { readonly kind: 'lost'; readonly problems: readonly string[] }
  | {
      readonly kind: 'body'
      readonly body: Buffer
      readonly trailers: readonly HeaderField[]
      readonly end: number
      readonly problems: readonly string[]
    }

function readChunked(buffer: Buffer, from: number): Chunked {
  const pieces: Buffer[] = []
  let at = from
  for (;;) {
    const end = buffer.indexOf('\r\n', at, 'latin1')
    if (end === -1) return { kind: 'more' }
    const line = buffer.toString('latin1', at, end)
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) return { kind: 'lost', problems: [`odd chunk size line ${JSON.stringify(line.slice(0, 100))}`] }
    const size = Number.parseInt(line, 16)
    at = end + 2
    if (size === 0) return readTrailers(buffer, at, Buffer.concat(pieces))
    if (buffer.length < at + size + 2) return { kind: 'more' }
    pieces.push(buffer.subarray(at, at + size))
    at += size + 2
    if (buffer.toString('latin1', at - 2, at) !== '\r\n') return { kind: 'lost', problems: ['chunk without its CRLF'] }
  }
}

function readTrailers(buffer: Buffer, from: number, body: Buffer): Chunked {
  // A last chunk without trailers has no start line; a stand-in line lets the header reader do both.
  const standIn = Buffer.from('trailers\r\n')
  const head = readHead(Buffer.concat([standIn, buffer.subarray(from)]), 0)
  if (!head) return { kind: 'more' }
  return { kind: 'body', body, trailers: head.headers, end: from + head.bytes - standIn.length, problems: head.problems }
}

import { upstreamInvalid } from '../errors.ts'
import { COLON, CR, LF, SPACE, TAB, TEXT, TOKEN } from './characters.ts'
import { dashedName, headerKind } from './names.ts'
import { ownText } from './own-text.ts'
import { remember } from './remember.ts'

/** How the end of an answer's body is found. */
export type AnswerFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  /** The connection's end is the body's end. */
  | { readonly kind: 'until-close' }

export interface UpstreamHead {
  readonly statusCode: number
  /** Name, value, … without hop-by-hop and internal headers. */
  readonly headers: string[]
  readonly framing: AnswerFraming
  /** The connection may carry another request afterwards, and for how long it may wait for one (0: the server did not say). */
  readonly reusable: boolean
  readonly idleMsMax: number
  /** 421 with the promise that nothing was done. */
  readonly notExecuted: boolean
  readonly eventStream: boolean
}

export interface AnswerContext {
  /** Of the request. */
  readonly method: string
  readonly cell: string
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/
const LENGTH_PATTERN = /^(?:0|[1-9][0-9]{0,15})$/

type NameUse = 'plain' | 'dropped' | 'internal' | 'length' | 'coding' | 'connection' | 'keep-alive' | 'type'

/** Servers use few names; each is looked at once. Full => looked at each time. */
const NAMES_MAX = 1_000
const nameUses = new Map<string, NameUse>()

interface Seen {
  readonly headers: string[]
  length: string | undefined
  chunked: boolean
  connection: string | undefined
  notExecuted: boolean
  eventStream: boolean
  idleMsMax: number
}

interface StatusLine {
  /** 0: malformed. */
  readonly statusCode: number
  readonly is11: boolean
}

const parseStatusLine: (line: string) => StatusLine = remember(
  (line) => {
    const [, minor, status = '0'] = STATUS_LINE.exec(line) ?? []
    return { statusCode: Number(status), is11: minor === '1' }
  },
  { entriesMax: 100, charsMax: 64 }
)

/**
 * Reads the head of an answer, from the status line up to the empty line (without it), and scrubs it. Nothing is repaired: an
 * answer that could be framed in two ways would let an instance put bytes of its own into somebody else's.
 * @throws GW_UPSTREAM_INVALID
 */
export function readAnswerHead(text: string, context: AnswerContext): UpstreamHead {
  const firstEnd = text.indexOf('\r\n')
  const { statusCode, is11 } = parseStatusLine(firstEnd === -1 ? text : text.slice(0, firstEnd))
  if (statusCode === 0) throw invalid(context, 'the status line is malformed')
  const seen: Seen = { headers: [], length: undefined, chunked: false, connection: undefined, notExecuted: false, eventStream: false, idleMsMax: 0 }
  let at = firstEnd === -1 ? text.length + 1 : firstEnd + 2
  while (at <= text.length) at = readLine(text, at, seen, context)
  const named = seen.connection?.toLowerCase()
  const framing = framingOf(statusCode, is11, seen, context)
  return {
    statusCode,
    headers: named === undefined || isOrdinary(named) ? seen.headers : withoutNamed(seen.headers, named),
    framing,
    reusable: is11 && framing.kind !== 'until-close' && (named === undefined || !named.includes('close')),
    idleMsMax: seen.idleMsMax,
    notExecuted: seen.notExecuted && statusCode === 421,
    eventStream: seen.eventStream
  }
}

/** Obs-text is allowed (RFC 9110 5.5); control characters would let an upstream write headers of its own. @returns where the next line begins */
function readLine(text: string, lineAt: number, seen: Seen, context: AnswerContext): number {
  let at = lineAt
  while (TOKEN[text.charCodeAt(at)] === 1) at += 1
  if (at === lineAt || text.charCodeAt(at) !== COLON) throw invalid(context, 'a header line is malformed')
  const name = text.slice(lineAt, at)
  at += 1
  while (isBlank(text.charCodeAt(at))) at += 1
  const valueAt = at
  while (TEXT[text.charCodeAt(at)] === 1) at += 1
  if (at < text.length && (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF)) throw invalid(context, 'a header line is malformed')
  let valueEnd = at
  while (valueEnd > valueAt && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd -= 1
  takeHeader(name, text.slice(valueAt, valueEnd), seen, context)
  return at + 2
}

function takeHeader(name: string, value: string, seen: Seen, context: AnswerContext): void {
  switch (nameUses.get(name) ?? useOf(name)) {
    case 'plain':
      seen.headers.push(name, value)
      return
    case 'type':
      seen.eventStream = value.startsWith('text/event-stream')
      seen.headers.push(name, value)
      return
    case 'length':
      if (seen.length !== undefined || !LENGTH_PATTERN.test(value)) throw invalid(context, 'Content-Length is not one plain decimal number')
      seen.length = value
      seen.headers.push(name, value)
      return
    case 'coding':
      if (seen.chunked || value.toLowerCase() !== 'chunked') throw invalid(context, 'an unknown transfer coding')
      seen.chunked = true
      return
    case 'connection':
      seen.connection = seen.connection === undefined ? value : `${seen.connection},${value}`
      return
    case 'keep-alive':
      seen.idleMsMax = Number(/timeout=([0-9]{1,6})/i.exec(value)?.[1] ?? 0) * 1000
      return
    case 'internal':
      if (name.toLowerCase() === 'x-cellway-not-executed' && value === '1') seen.notExecuted = true
      return
    case 'dropped':
      return
  }
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

function useOf(name: string): NameUse {
  const lower = name.toLowerCase()
  const kind = headerKind(dashedName(lower))
  const use: NameUse =
    kind === 'internal'
      ? 'internal'
      : lower === 'transfer-encoding'
        ? 'coding'
        : lower === 'connection' || lower === 'keep-alive'
          ? lower
          : kind === 'hop'
            ? 'dropped'
            : lower === 'content-length'
              ? 'length'
              : lower === 'content-type'
                ? 'type'
                : 'plain'
  if (nameUses.size < NAMES_MAX) nameUses.set(ownText(name), use)
  return use
}

function framingOf(statusCode: number, is11: boolean, seen: Seen, context: AnswerContext): AnswerFraming {
  if (seen.chunked && (seen.length !== undefined || !is11)) throw invalid(context, 'Content-Length and Transfer-Encoding exclude each other')
  if (context.method === 'HEAD' || statusCode < 200 || statusCode === 204 || statusCode === 304) {
    if (statusCode < 200 && (seen.chunked || seen.length !== undefined)) throw invalid(context, 'a 1xx answer has no body')
    return { kind: 'none' }
  }
  if (seen.chunked) return { kind: 'chunked' }
  return seen.length === undefined ? { kind: 'until-close' } : { kind: 'length', bytes: Number(seen.length) }
}

function isOrdinary(named: string): boolean {
  return named === 'keep-alive' || named === 'close' || named === 'upgrade'
}

/** Never drops what frames or protects the answer, whatever the upstream names in `Connection`. */
const KEPT = new Set(['content-length', 'content-type', 'content-encoding', 'set-cookie', 'cache-control', 'date'])

function withoutNamed(headers: readonly string[], named: string): string[] {
  const tokens = named.split(',').map((token) => token.trim())
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const lower = (headers[at] ?? '').toLowerCase()
    if (KEPT.has(lower) || !tokens.includes(lower)) kept.push(headers[at] ?? '', headers[at + 1] ?? '')
  }
  return kept
}

function invalid({ cell }: AnswerContext, rule: string): Error {
  return upstreamInvalid({ cell, rule })
}

import { upstreamInvalid } from '../errors.ts'
import { dashedName, headerKind } from './names.ts'

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
const NAME_PATTERN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** obs-text is allowed (RFC 9110 5.5); control characters would let an upstream write headers of its own. */
const LINE_PATTERN = /^[\t\x20-\x7e\x80-\xff]*$/
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

/**
 * Reads the head of an answer, from the status line up to the empty line (without it), and scrubs it. Nothing is repaired: an
 * answer that could be framed in two ways would let an instance put bytes of its own into somebody else's.
 * @throws GW_UPSTREAM_INVALID
 */
export function readAnswerHead(text: string, context: AnswerContext): UpstreamHead {
  const lines = text.split('\r\n')
  const [, minor, status] = STATUS_LINE.exec(lines[0] ?? '') ?? []
  if (status === undefined) throw invalid(context, 'the status line is malformed')
  const statusCode = Number(status)
  const seen: Seen = { headers: [], length: undefined, chunked: false, connection: undefined, notExecuted: false, eventStream: false, idleMsMax: 0 }
  for (let at = 1; at < lines.length; at++) readLine(lines[at] ?? '', seen, context)
  const named = seen.connection?.toLowerCase()
  const framing = framingOf(statusCode, minor === '1', seen, context)
  return {
    statusCode,
    headers: named === undefined || isOrdinary(named) ? seen.headers : withoutNamed(seen.headers, named),
    framing,
    reusable: minor === '1' && framing.kind !== 'until-close' && (named === undefined || !named.includes('close')),
    idleMsMax: seen.idleMsMax,
    notExecuted: seen.notExecuted && statusCode === 421,
    eventStream: seen.eventStream
  }
}

function readLine(line: string, seen: Seen, context: AnswerContext): void {
  const colon = line.indexOf(':')
  const name = line.slice(0, colon)
  if (colon < 1 || !LINE_PATTERN.test(line)) throw invalid(context, 'a header line is malformed')
  const value = line.slice(colon + 1).trim()
  switch (nameUses.get(name) ?? useOf(name, context)) {
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

function useOf(name: string, context: AnswerContext): NameUse {
  if (!NAME_PATTERN.test(name)) throw invalid(context, 'a header name is malformed')
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
  if (nameUses.size < NAMES_MAX) nameUses.set(name, use)
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

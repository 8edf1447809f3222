/** One raw request of the corpus; `bytes` is exactly what the client writes. */
export interface CorpusRow {
  readonly id: string
  readonly why: string
  readonly bytes: Buffer
  readonly expect: Expectation
  /** The client ends its side after the bytes: for requests that are cut off, so that nobody has to wait for a timer. */
  readonly thenEnd: boolean
}

export type Expectation =
  /** One refusal with one of these statuses, the connection closed, not one byte at any upstream. */
  | { readonly kind: 'refused'; readonly statuses: readonly number[]; readonly silent: boolean }
  /** Sound HTTP that routing refuses: this status, not one byte at any upstream; the connection may go on. */
  | { readonly kind: 'declined'; readonly statuses: readonly number[] }
  /** Exactly these requests at the upstream, and as many answers. */
  | { readonly kind: 'clean'; readonly see: readonly Seen[] }
  | { readonly kind: 'refused-or-clean'; readonly statuses: readonly number[]; readonly see: Seen }
  /** The first answer arrives whole, then the refusal, then the end; only the first request reaches the upstream. */
  | { readonly kind: 'first-then-refused'; readonly statuses: readonly number[]; readonly see: Seen }
  /** The upstream may have seen its beginning, but never a complete request, and the client no success. */
  | { readonly kind: 'never-complete'; readonly statuses: readonly number[] }

/** What the upstream must have received. The rules for internal headers and framing hold for every row besides this. */
export interface Seen {
  readonly upstream?: 'beijing' | 'shanghai'
  readonly method?: string
  readonly target?: string
  /** `undefined` = must not be there; names in lower case. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: string | Buffer
}

export const HOST = 'Host: shop.example\r\n'

/** What a smuggled request would ask for; a request for it at any upstream is a failure in every row. */
export const SMUGGLED_TARGET = '/open/smuggled'
export const SMUGGLED = `GET ${SMUGGLED_TARGET} HTTP/1.1\r\n${HOST}\r\n`

/** Value of every forged internal header. */
export const FORGED = 'forged-by-client'

export function row(id: string, why: string, bytes: string | Buffer, expect: Expectation, options?: { readonly thenEnd: boolean }): CorpusRow {
  return { id, why, bytes: typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, expect, thenEnd: options?.thenEnd ?? false }
}

/** The row's client ends its side after the bytes. */
export const CUT_OFF = { thenEnd: true } as const

export function refused(...statuses: readonly number[]): Expectation {
  return { kind: 'refused', statuses: statuses.length === 0 ? [400] : statuses, silent: false }
}

/** For bytes that are no HTTP at all: closing without a word is fine, too. */
export function refusedOrClosed(...statuses: readonly number[]): Expectation {
  return { kind: 'refused', statuses: statuses.length === 0 ? [400] : statuses, silent: true }
}

export function declined(...statuses: readonly number[]): Expectation {
  return { kind: 'declined', statuses: statuses.length === 0 ? [400] : statuses }
}

export function clean(...see: readonly Seen[]): Expectation {
  return { kind: 'clean', see: see.length === 0 ? [{}] : see }
}

export function refusedOrClean(see: Seen = {}, statuses: readonly number[] = [400]): Expectation {
  return { kind: 'refused-or-clean', statuses, see }
}

export function firstThenRefused(see: Seen, ...statuses: readonly number[]): Expectation {
  return { kind: 'first-then-refused', statuses: statuses.length === 0 ? [400] : statuses, see }
}

export function neverComplete(...statuses: readonly number[]): Expectation {
  return { kind: 'never-complete', statuses: statuses.length === 0 ? [400, 408] : statuses }
}

/** `lines` are whole header lines with their line ends. */
export function get(lines = '', target = '/open/a'): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}${lines}\r\n`
}

export function post(lines: string, body: string, target = '/open/a'): string {
  return `POST ${target} HTTP/1.1\r\n${HOST}${lines}\r\n${body}`
}

export function chunked(body: string, lines = ''): string {
  return post(`Transfer-Encoding: chunked\r\n${lines}`, body)
}

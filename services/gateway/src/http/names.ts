import { remember } from './remember.ts'

/** Header names by what the gateway does with them; all lower case. */

export const INTERNAL_PREFIX = 'x-cellway-'

/** Of one connection only (RFC 9110 7.6.1): never forwarded, in either direction. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings'
]

/** Rebuilt by us from what we know; a client's copy is only read when it comes from a trusted proxy. */
const REBUILT = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-real-ip', 'forwarded', 'x-request-id']

/** Decide framing or the target, so that a second spelling of them is an attack or a bug. */
const FRAMING = ['host', 'content-length', 'expect']

export type HeaderKind = 'plain' | 'hop' | 'rebuilt' | 'framing' | 'internal'

const KINDS = new Map<string, HeaderKind>([
  ...HOP_BY_HOP.map((name) => [name, 'hop'] as const),
  ...REBUILT.map((name) => [name, 'rebuilt'] as const),
  ...FRAMING.map((name) => [name, 'framing'] as const)
])

/** What one spelling of a header name means. */
export interface HeaderName {
  readonly lower: string
  readonly kind: HeaderKind
  /** `lower` as servers behind us may read it. */
  readonly dashed: string
  readonly dashedKind: HeaderKind
  /** Plain in both readings, and none of those that a request is asked about: it only has to be passed on. */
  readonly passes: boolean
}

/** Plain headers of a request at which `head.ts` looks; the pseudo headers of HTTP/2 are known by their colon. */
const LOOKED_AT = new Set(['accept', 'cookie'])

/**
 * The same few dozen names come with almost every request, so each is judged once. Longer names than a standard one, and whatever
 * comes after a thousand others, are judged anew: 1000 names of 64 characters are about 200 KiB.
 */
export const headerName: (raw: string) => HeaderName = remember(judgeName, { entriesMax: 1_000, charsMax: 64 })

function judgeName(raw: string): HeaderName {
  const lower = raw.toLowerCase()
  const dashed = dashedName(lower)
  const kind = headerKind(lower)
  const dashedKind = headerKind(dashed)
  const passes = kind === 'plain' && dashedKind === 'plain' && !LOOKED_AT.has(lower) && !lower.startsWith(':')
  return { lower, kind, dashed, dashedKind, passes }
}

/** @param lowerName a header name in lower case. */
export function headerKind(lowerName: string): HeaderKind {
  if (lowerName.startsWith(INTERNAL_PREFIX)) return 'internal'
  return KINDS.get(lowerName) ?? 'plain'
}

/** Servers behind us may read `_` and `.` as `-` (CGI, WSGI, PHP), so these spellings count as the name itself. */
export function dashedName(lowerName: string): string {
  return /[_. ]/.test(lowerName) ? lowerName.replace(/[_. ]/g, '-') : lowerName
}

/** What a client may not name in `Connection`, because stripping it would change the meaning of the request. */
export function isProtectedFromConnection(lowerName: string): boolean {
  const name = dashedName(lowerName)
  return (
    name.startsWith(INTERNAL_PREFIX) ||
    name === 'host' ||
    name.startsWith('content-') ||
    name === 'cookie' ||
    name === 'authorization' ||
    KINDS.get(name) === 'rebuilt' ||
    name === 'expect'
  )
}

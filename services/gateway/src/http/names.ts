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

import type { ValidHead } from './head.ts'

export interface ForwardedFacts {
  readonly clientIp: string
  readonly protocol: 'http' | 'https'
  readonly requestId: string
}

/**
 * The header block for the upstream: ours first (a server that drops headers past its limit must not drop these),
 * then what the client sent and may keep. Never the client's framing: undici writes that from the body it gets.
 * @param context the `x-cellway-*` headers, flat.
 */
export function upstreamHeaders(head: ValidHead, context: readonly string[], facts: ForwardedFacts, contentLength: number | undefined): string[] {
  const headers = ['host', head.authority, ...context, 'x-request-id', facts.requestId, 'x-forwarded-for', facts.clientIp]
  headers.push('x-forwarded-proto', facts.protocol, 'x-forwarded-host', head.authority)
  if (contentLength !== undefined) headers.push('content-length', String(contentLength))
  for (const item of head.headers) headers.push(item)
  return headers
}

const REQUEST_ID_PATTERN = /^[A-Za-z0-9._-]{8,64}$/

/** Keeps the caller's request id when it is harmless, so that one id leads through all logs. */
export function usableRequestId(value: string | undefined): string | undefined {
  return value !== undefined && REQUEST_ID_PATTERN.test(value) ? value : undefined
}

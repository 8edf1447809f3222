import type { ValidHead } from './head.ts'

export interface ForwardedFacts {
  readonly clientIp: string
  readonly protocol: 'http' | 'https'
  readonly requestId: string
}

/**
 * The head for the upstream, without the empty line: ours first (a server that drops headers past its limit must not drop these),
 * then what the client sent and may keep. The framing is always written anew. Every part was checked for control characters when
 * it came in (`head.ts`, `http1/`, nghttp2) or was made by us.
 * @param context the `x-cellway-*` headers as lines.
 * @param protocol what stands between host and our headers: `connection` and `upgrade` for a WebSocket.
 */
export function upstreamHead(head: ValidHead, context: string, facts: ForwardedFacts, contentLength: number | undefined, protocol = ''): string {
  const { authority, path, query, headers } = head
  let text = `${head.method} ${query === '' ? path : `${path}?${query}`} HTTP/1.1\r\nhost: ${authority}\r\n${protocol}${context}`
  text += `x-request-id: ${facts.requestId}\r\nx-forwarded-for: ${facts.clientIp}\r\nx-forwarded-proto: ${facts.protocol}\r\nx-forwarded-host: ${authority}\r\n`
  if (contentLength !== undefined) text += `content-length: ${contentLength}\r\n`
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`
  return text
}

const REQUEST_ID_PATTERN = /^[A-Za-z0-9._-]{8,64}$/

/** Keeps the caller's request id when it is harmless, so that one id leads through all logs. */
export function usableRequestId(value: string | undefined): string | undefined {
  return value !== undefined && REQUEST_ID_PATTERN.test(value) ? value : undefined
}

import type { RoutingRequest } from './request.ts'

/** A request as somebody who asks about it writes it down, in JSON or on a command line. */
export interface RoutingQuestion {
  /** Default `GET`. */
  readonly method?: string
  /** A path with query, or a whole URL. */
  readonly url: string
  readonly headers?: readonly (readonly string[])[] | Readonly<Record<string, string>>
  readonly clientIp?: string
}

const URL_PATTERN = /^(?:https?:\/\/([^/?#]*))?(\/[^?#]*)?(?:\?([^#]*))?/i

/** The request as the gateway would see it: path and query raw, headers as the bytes of their UTF-8 (node gives those as latin1). */
export function routingRequestOf({ method = 'GET', url, headers = [], clientIp = '' }: RoutingQuestion): RoutingRequest {
  const [, authority, path = '/', query = ''] = URL_PATTERN.exec(url) ?? []
  const pairs: readonly (readonly string[])[] = Array.isArray(headers) ? headers : Object.entries(headers)
  const hostHeader = pairs.find(([name = '']) => name.toLowerCase() === 'host')?.[1]
  const asSent = pairs.flat().map((text) => Buffer.from(text, 'utf8').toString('latin1'))
  return { method: method.toUpperCase(), host: hostOf(authority ?? hostHeader ?? ''), path, query, headers: asSent, clientIp }
}

function hostOf(authority: string): string {
  const withoutUser = authority.slice(authority.lastIndexOf('@') + 1)
  return withoutUser.replace(/:\d*$/, '').toLowerCase()
}

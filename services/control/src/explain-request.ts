import type { RoutingRequest } from '@cellway/topology'

export interface ExplainBody {
  readonly method: string
  /** A path with query, or a whole URL. */
  readonly url: string
  readonly headers?: readonly (readonly string[])[] | Readonly<Record<string, string>>
  readonly clientIp?: string
  readonly cell?: string
}

const URL_PATTERN = /^(?:https?:\/\/([^/?#]*))?(\/[^?#]*)?(?:\?([^#]*))?/i

/** The request as the gateway would see it: path and query raw, as they were written. */
export function toRoutingRequest({ method, url, headers = [], clientIp = '' }: ExplainBody): RoutingRequest {
  const [, authority, path = '/', query = ''] = URL_PATTERN.exec(url) ?? []
  const pairs: readonly (readonly string[])[] = Array.isArray(headers) ? headers : Object.entries(headers)
  const hostHeader = pairs.find(([name = '']) => name.toLowerCase() === 'host')?.[1]
  return { method: method.toUpperCase(), host: hostOf(authority ?? hostHeader ?? ''), path, query, headers: pairs.flat(), clientIp }
}

function hostOf(authority: string): string {
  const withoutUser = authority.slice(authority.lastIndexOf('@') + 1)
  return withoutUser.replace(/:\d*$/, '').toLowerCase()
}

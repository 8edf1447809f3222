import type { RoutingRequest } from '@cellway/topology'

export interface ExplainBody {
  readonly method?: string
  /** Absolute, or a path with query; without a host only routes without one can match. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>> | readonly (readonly [string, string])[]
  readonly clientIp?: string
}

export const explainBodySchema = {
  type: 'object',
  required: ['url'],
  additionalProperties: false,
  properties: {
    method: { type: 'string', maxLength: 32, default: 'GET' },
    url: { type: 'string', minLength: 1, maxLength: 8192 },
    headers: {
      anyOf: [
        { type: 'object', additionalProperties: { type: 'string' } },
        { type: 'array', items: { type: 'array', minItems: 2, maxItems: 2, items: { type: 'string' } } }
      ]
    },
    clientIp: { type: 'string', maxLength: 64 }
  }
} as const

/** The question as the data port would see it. */
export function routingRequestOf(body: ExplainBody): RoutingRequest {
  const url = /^https?:\/\//i.test(body.url) ? body.url.replace(/^https?:\/\//i, '') : body.url
  const slash = url.indexOf('/')
  const host = body.url.startsWith('/') ? '' : (slash === -1 ? url : url.slice(0, slash)).toLowerCase().replace(/:[0-9]+$/, '')
  const target = body.url.startsWith('/') ? body.url : slash === -1 ? '/' : url.slice(slash)
  const mark = target.indexOf('?')
  const headers = Array.isArray(body.headers) ? body.headers.flat() : Object.entries(body.headers ?? {}).flat()
  return {
    method: (body.method ?? 'GET').toUpperCase(),
    host,
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? '' : target.slice(mark + 1),
    // node gives header bytes as latin1 characters; the question came as UTF-8 JSON.
    headers: headers.map((text) => Buffer.from(text, 'utf8').toString('latin1')),
    clientIp: body.clientIp ?? ''
  }
}

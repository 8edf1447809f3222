/**
 * Everything this application has to know about Cellway: one hook.
 *
 * Each route under `/api` declares which data it touches (`config.cellway`): `'local'`, or the space the data belongs to.
 * Before the handler runs, the hook verifies the gateway's signed headers and puts the result on `request.cellway`; a request
 * for data of a space without a verified context, or one that is meant for another cell, is refused with 421 and
 * `x-cellway-not-executed: 1`. That tells the gateway that nothing happened, so it may look the owner up again.
 */

import type { IncomingHttpHeaders } from 'node:http'
import { NOT_EXECUTED_HEADER, type RequestContext, verifyContext } from '@cellway/topology'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { keyMismatch, noContext, wrongCell } from './errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which data the route touches. Required under `/api`: forgetting it is an error at start, not a hole. */
    cellway?: 'local' | { readonly space: string }
  }
  interface FastifyRequest {
    /** What the gateway decided; undefined only on local routes that did not come through a gateway. */
    cellway: RequestContext | undefined
  }
}

export interface ContextOptions {
  readonly cell: string
  readonly signingKey: Buffer
}

type Declaration = 'local' | { readonly space: string }
type Reading = { readonly ok: true; readonly context: RequestContext } | { readonly ok: false; readonly reason: string }

/** Guards every route that is registered on `app` after this call. */
export function requireContext(app: FastifyInstance, options: ContextOptions): void {
  app.decorateRequest('cellway', undefined)
  app.addHook('onRoute', (route) => {
    if (route.config?.cellway === undefined) throw new TypeError(`route ${route.url} does not declare config.cellway`)
  })
  app.addHook('onRequest', async (request, reply) => {
    try {
      request.cellway = admit(request.headers, request.routeOptions.config.cellway, options)
    } catch (refusal) {
      reply.header(NOT_EXECUTED_HEADER, '1')
      throw refusal
    }
  })
}

/** Also for requests that Fastify does not see, such as upgrades. @throws APP_NO_CONTEXT, APP_WRONG_CELL */
export function admit(headers: IncomingHttpHeaders, data: Declaration | undefined, { cell, signingKey }: ContextOptions): RequestContext | undefined {
  const wanted = headers['x-cellway-cell']
  if (wanted !== undefined && wanted !== cell) throw wrongCell({ cell, wanted: String(wanted) })
  const reading: Reading = verifyContext((name) => single(headers[name]), { signingKey, nowSeconds: Math.floor(Date.now() / 1000) })
  if (data === 'local') return reading.ok ? reading.context : undefined
  if (!reading.ok) throw noContext({ reason: reading.reason, hint: 'send the request to a gateway, which signs it (signing.mode: all)' })
  const { context } = reading
  // A context without a space comes from routes that read the nearest copy when the key is missing.
  if (context.space !== undefined && context.space !== data?.space) {
    throw noContext({ reason: `the context is for space ${context.space}`, hint: `the route in the topology must use space ${data?.space}` })
  }
  return context
}

/** For handlers that write: the bucket the gateway chose. @throws APP_NO_CONTEXT when the request was routed without one. */
export function requireBucket(request: FastifyRequest): string {
  const bucket = request.cellway?.bucket
  if (bucket === undefined) throw noContext({ reason: 'the context has no bucket', hint: 'the request needs its routing key' })
  return bucket
}

/**
 * The key that chose the cell must be the key of the data. Without this check `x-user-id: 7` on `/api/users/8` would write
 * user 8 in the cell of user 7. @throws APP_KEY_MISMATCH, APP_NO_CONTEXT
 */
export function requireKey(request: FastifyRequest, requested: string): void {
  requireBucket(request)
  const routedBy = request.cellway?.key
  if (routedBy !== requested) {
    throw keyMismatch({ routedBy: routedBy ?? '(no key)', requested, fix: 'leave the other key out, or make both the same' })
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

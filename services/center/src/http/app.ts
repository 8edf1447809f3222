import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { CellwayError } from '@cellway/base'
import { FRAMES_CONTENT_TYPE } from '@cellway/log'
import { type FastifyInstance, type FastifyReply, type FastifyServerOptions, fastify } from 'fastify'
import { callUnknown } from '../errors.ts'
import type { CenterParts } from '../parts.ts'
import type { Principal } from '../tokens.ts'
import { asCellwayError } from './errors.ts'
import { addHealthRoutes } from './health.ts'
import { addLinkRoutes } from './links.ts'
import { addStreamRoutes } from './streams.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Needs no token. */
    public?: boolean
  }
  interface FastifyRequest {
    /** Null only where no token is needed. */
    principal: Principal | null
  }
}

/** Of calls that are no streams of records; a GTID set is the largest thing in them. */
const BODY_BYTES_MAX = 64 * 1024
const KEEP_ALIVE_MS = 60_000
const CONNECTIONS_MAX = 8192

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff'
} as const

export async function buildApp(parts: CenterParts): Promise<FastifyInstance> {
  const { listen, limits } = parts.config
  const options: FastifyServerOptions = {
    bodyLimit: BODY_BYTES_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    exposeHeadRoutes: false,
    genReqId: () => randomUUID(),
    // A reader may be named `cell/store`, and comes as `cell%2Fstore`.
    routerOptions: { maxParamLength: 128 },
    forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } }
  }
  const app: FastifyInstance =
    listen.tls === undefined
      ? fastify(options)
      : // Both kinds of server are the same to the routes.
        (fastify({ ...options, https: readTls(listen.tls) } as FastifyServerOptions) as FastifyInstance)
  app.server.maxConnections = CONNECTIONS_MAX
  app.server.headersTimeout = limits.headersTimeoutMs
  // An upload lasts as long as its cell runs. What goes silent in between is cut by this, and uploads earlier by their beats.
  app.server.requestTimeout = 0
  app.server.setTimeout(limits.stallMsMax)
  app.removeContentTypeParser('text/plain')
  // Not read here: the handler takes it off the connection as there is room.
  app.addContentTypeParser(FRAMES_CONTENT_TYPE, (_request, _payload, done) => done(null))
  app.setSerializerCompiler(() => (body) => JSON.stringify(body))
  app.decorateRequest('principal', null)
  addHooks(app, parts)
  addHealthRoutes(app, parts)
  addStreamRoutes(app, parts)
  addLinkRoutes(app, parts)
  await app.ready()
  return app
}

function readTls({ certFile, keyFile }: { readonly certFile: string; readonly keyFile: string }): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) }
}

function addHooks(app: FastifyInstance, { tokens, metrics, logger }: CenterParts): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS)
    reply.header('x-request-id', request.id)
    if (!request.is404 && request.routeOptions.config.public !== true) request.principal = tokens.authenticate(request.headers.authorization)
  })
  app.setNotFoundHandler((request) => {
    throw callUnknown({ method: request.method, path: request.url.split('?')[0]?.slice(0, 200) ?? '' })
  })
  app.setErrorHandler(async (error, request, reply) => {
    const known = asCellwayError(error, request.id)
    metrics.counter('cellway_center_refusals_total').inc({ code: known.code })
    const fields = { requestId: request.id, code: known.code, details: known.details, caller: request.principal?.name }
    if (known.origin === 'internal') logger.error({ ...fields, err: error }, 'call failed')
    else logger.debug(fields, 'call refused')
    return sendError(reply, known)
  })
}

function sendError(reply: FastifyReply, error: CellwayError): FastifyReply {
  if (error.statusCode === 401) reply.header('www-authenticate', 'Bearer')
  if (error.retry === 'later') reply.header('retry-after', '1')
  // Of an upload that is refused, the rest is not taken.
  if (reply.request.headers['content-type'] === FRAMES_CONTENT_TYPE) reply.header('connection', 'close')
  return reply.code(error.statusCode).header('content-type', 'application/json; charset=utf-8').send({ error: error.toJSON() })
}

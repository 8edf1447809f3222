import { randomUUID } from 'node:crypto'
import { type CellwayError, isCellwayError } from '@cellway/base'
import swagger from '@fastify/swagger'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { callUnknown, forbidden, tokenInvalid, tokenMissing } from '../errors.ts'
import type { ControlParts } from '../parts.ts'
import { commandContext } from './command-context.ts'
import { asCellwayError } from './errors.ts'
import { createRefusalBudget } from './refusal-budget.ts'
import { addAuditRoutes } from './routes/audit.ts'
import { addHealthRoutes } from './routes/health.ts'
import { addLedgerRoutes } from './routes/ledger.ts'
import { addMemberRoutes } from './routes/members.ts'
import { addReplicatorRoutes } from './routes/replicator.ts'
import { addReportRoutes } from './routes/reports.ts'
import { addRoutingRoutes } from './routes/routing.ts'
import { addTokenRoutes } from './routes/tokens.ts'
import { addTopologyRoutes } from './routes/topology.ts'

/** What a call without a bound of its own may send. */
const BODY_BYTES_MAX = 64 * 1024
const REQUEST_TIMEOUT_MS = 30_000
const KEEP_ALIVE_TIMEOUT_MS = 60_000
const CONNECTIONS_MAX = 8192

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY'
} as const

export async function buildApp(parts: ControlParts): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    exposeHeadRoutes: false,
    genReqId: () => randomUUID(),
    return503OnClosing: true,
    // Nothing is coerced, completed or dropped: what does not fit is refused, with all findings at once.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true, allowUnionTypes: true } }
  })
  app.server.maxConnections = CONNECTIONS_MAX
  app.removeContentTypeParser('text/plain')
  // Answers go out as they are; that they fit their schema is held by the tests, not paid for by each answer.
  app.setSerializerCompiler(() => (body) => JSON.stringify(body))
  app.decorateRequest('token', null)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Cellway control API', version: '1', description: 'Topology, ledger, watch, tokens and audit of one Cellway installation' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'cwt_<id>_<secret>' } } }
    },
    transform: ({ schema, url, route }) => ({ schema: { ...schema, ...securityOf(route.config?.access) }, url })
  })
  addHooks(app, parts)
  addHealthRoutes(app, parts)
  addTopologyRoutes(app, parts)
  addRoutingRoutes(app, parts)
  addLedgerRoutes(app, parts)
  addMemberRoutes(app, parts)
  addReportRoutes(app, parts)
  addReplicatorRoutes(app, parts)
  addTokenRoutes(app, parts)
  addAuditRoutes(app, parts)
  await app.ready()
  return app
}

function securityOf(access: unknown): Record<string, unknown> {
  return Array.isArray(access) ? { security: [{ bearer: [] }], 'x-cellway-roles': access } : { security: [], 'x-cellway-roles': [] }
}

function addHooks(app: FastifyInstance, parts: ControlParts): void {
  const { metrics, logger, clock } = parts
  const budget = createRefusalBudget(clock)

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS)
    reply.header('x-request-id', request.id)
    if (!request.is404) authenticate(request, parts)
  })

  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    metrics.counter('cellway_control_requests_total').inc({ route, status: `${Math.floor(reply.statusCode / 100)}xx` })
    metrics.histogram('cellway_control_request_seconds').observe({ route }, reply.elapsedTime / 1000)
    const level = request.routeOptions.config.action === undefined ? 'debug' : 'info'
    logger[level](
      {
        requestId: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        tokenId: request.token?.id
      },
      'request finished'
    )
  })

  app.setNotFoundHandler((request) => {
    throw callUnknown({ method: request.method, path: request.url.split('?')[0]?.slice(0, 200) ?? '' })
  })

  app.setErrorHandler(async (error, request, reply) => {
    const known = asCellwayError(error, request)
    metrics.counter('cellway_control_refusals_total').inc({ code: known.code })
    if (known.statusCode >= 500) logger.error({ requestId: request.id, code: known.code, err: error }, 'request failed')
    else logger.debug({ requestId: request.id, code: known.code, details: known.details }, 'request refused')
    if (known.code === 'STORE_FAILED') parts.onStoreFailure(known)
    await auditRefusal(known, request, { parts, budget })
    return sendError(reply, known)
  })
}

function authenticate(request: FastifyRequest, { tokens }: ControlParts): void {
  const { access } = request.routeOptions.config
  if (access === 'public') return
  const [, secret] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  if (secret === undefined) throw tokenMissing({})
  const token = tokens.authenticate(secret)
  if (token === undefined) throw tokenInvalid({})
  request.token = token
  // A route that forgot to say who may call it is for nobody.
  const needed = access ?? []
  if (!needed.includes(token.role)) throw forbidden({ role: token.role, needed })
}

function sendError(reply: FastifyReply, error: CellwayError): FastifyReply {
  if (error.statusCode === 401) reply.header('www-authenticate', 'Bearer')
  if (error.retry === 'later') reply.header('retry-after', '1')
  // Of what failed inside, only the code and the request id leave the process.
  const shown =
    error.origin === 'internal' && error.statusCode >= 500 ? { ...error.toJSON(), details: { requestId: reply.request.id } } : error.toJSON()
  return reply.code(error.statusCode).header('content-type', 'application/json; charset=utf-8').send({ error: shown })
}

interface RefusalContext {
  readonly parts: ControlParts
  readonly budget: ReturnType<typeof createRefusalBudget>
}

/** Attempts without a good token are not audited: anybody could fill the disk with them. They are counted. */
async function auditRefusal(error: CellwayError, request: FastifyRequest, { parts, budget }: RefusalContext): Promise<void> {
  const { action } = request.routeOptions.config
  if (action === undefined || request.token === null || error.statusCode >= 500) return
  if (!budget.take(request.token.id)) {
    parts.metrics.counter('cellway_control_audit_suppressed_total').inc()
    return
  }
  try {
    await parts.commands.recordRefusal({ ...commandContext(request), target: request.url.split('?')[0]?.slice(0, 200) ?? null }, error)
  } catch (cause) {
    parts.logger.error(
      { requestId: request.id, err: cause, code: isCellwayError(cause) ? cause.code : undefined },
      'refused attempt could not be audited'
    )
  }
}

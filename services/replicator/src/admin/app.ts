import { timingSafeEqual } from 'node:crypto'
import { type CellwayError, isCellwayError } from '@cellway/base'
import type { Logger, Metrics } from '@cellway/telemetry'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify'
import { callUnknown, internal, requestInvalid, unauthorised } from '../errors.ts'
import { type AdminActions, addRoutes } from './routes.ts'

export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** What control sends; nobody else knows it. */
  readonly secret: string
  readonly metrics: Metrics
  readonly log: Logger
  readonly actions: AdminActions
  /** Why it is not ready; undefined when it is. */
  readonly notReady: () => string | undefined
  /** Brings gauges up to date, before they are read. */
  readonly refresh: () => void
}

export interface AdminListener extends AsyncDisposable {
  readonly url: string
}

/** Rows that people have edited; nothing else is large. */
const BODY_BYTES_MAX = 8 * 1024 * 1024

/** Health and metrics for everybody who can reach the listener; everything else needs the secret of this process. */
export async function openAdminListener(options: AdminOptions): Promise<AdminListener> {
  const { host, port, metrics, notReady, refresh, actions } = options
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true } }
  })
  // Before the routes: a context takes over the handlers that are there when it begins.
  addErrors(app, options.log)
  // Alive means that the event loop turns: a store or a center that is away is no reason to be killed.
  app.get('/health/live', async () => ({ status: 'live' }))
  app.get('/health/ready', async (_request, reply) => {
    const reason = notReady()
    return reason === undefined ? { status: 'ready' } : reply.code(503).send({ status: 'not ready', reason })
  })
  app.get('/metrics', async (_request, reply) => {
    refresh()
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })
  await app.register(async (guarded) => {
    guarded.addHook('onRequest', async (request) => authenticate(request, options.secret))
    addRoutes(guarded, actions)
  })
  await app.listen({ host, port })
  const address = app.server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    [Symbol.asyncDispose]: async () => {
      await app.close()
    }
  }
}

function authenticate(request: FastifyRequest, secret: string): void {
  const [, sent = ''] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  const [wanted, given] = [Buffer.from(secret), Buffer.from(sent)]
  if (wanted.length !== given.length || !timingSafeEqual(wanted, given)) throw unauthorised({})
}

function addErrors(app: FastifyInstance, log: Logger): void {
  app.setNotFoundHandler((request) => {
    throw callUnknown({ path: request.url.split('?')[0]?.slice(0, 200) ?? '' })
  })
  app.setErrorHandler(async (error: FastifyError | CellwayError, request, reply) => {
    const known = asCellwayError(error)
    if (known.statusCode >= 500) log.error({ err: error, code: known.code, route: request.routeOptions.url }, 'an admin call failed')
    return reply.code(known.statusCode).send({ error: known.toJSON() })
  })
}

function asCellwayError(error: FastifyError | CellwayError): CellwayError {
  if (isCellwayError(error)) return error
  if (error.validation !== undefined)
    return requestInvalid({ problems: error.validation.map(({ instancePath, message }) => `${instancePath} ${message}`) })
  const status = error.statusCode ?? 500
  return status >= 400 && status < 500 ? requestInvalid({ problems: [error.message] }) : internal({}, { cause: error })
}

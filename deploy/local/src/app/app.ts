import { createIdGenerator } from '@cellway/topology'
import fastify, { type FastifyInstance, LogController } from 'fastify'
import { type ContextOptions, requireContext } from './cellway.ts'
import type { AppConfig } from './config.ts'
import { installFailures } from './failures.ts'
import { cartRoutes } from './routes/carts.ts'
import { liveRoutes } from './routes/live.ts'
import { orderRoutes } from './routes/orders.ts'
import { postRoutes } from './routes/posts.ts'
import { productRoutes } from './routes/products.ts'
import { shopRoutes } from './routes/shops.ts'
import { userRoutes } from './routes/users.ts'
import { type Database, openStores, type Stores } from './stores.ts'

/** What routes may use. */
export interface AppDeps extends ContextOptions {
  readonly db: Database
  readonly redis: Stores['redis']
  /** Mints a 64-bit id that carries the bucket; unique over all cells. */
  readonly newId: (bucket: number) => bigint
  readonly userBuckets: number
  /** Aborted when the process has begun to go away: long connections end, so that their clients reconnect elsewhere. */
  readonly draining: AbortSignal
}

export interface AppOptions {
  readonly signingKey: Buffer
  readonly draining: AbortSignal
}

/** Bytes of a request's body. The largest field of any schema is a post of 10,000 characters. */
const BODY_BYTES_MAX = 64 * 1024
/** Longer than any gateway keeps an idle connection, so that it is the gateway who closes and no request meets a closing socket. */
const KEEP_ALIVE_MS = 75_000

/** Builds the application; `close()` on it also closes the stores. */
export function buildApp(config: AppConfig, { signingKey, draining }: AppOptions): FastifyInstance {
  const app = fastify({
    logger: { level: process.env.CELLWAY_LOG_LEVEL ?? 'info', base: { service: 'app', cell: config.cell, pid: process.pid } },
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    // While the listener closes, what still arrives on open connections is served.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 256 },
    ajv: { customOptions: { removeAdditional: false } }
  })
  const stores = openStores(config, app.log)
  const newId = createIdGenerator({ cellNumber: config.cellNumber, nowMs: () => Date.now(), lane: config.instance })
  const deps: AppDeps = { cell: config.cell, signingKey, db: stores.db, redis: stores.redis, newId, userBuckets: config.userBuckets, draining }

  installFailures(app)
  app.addHook('onClose', () => stores[Symbol.asyncDispose]())
  app.addHook('preSerialization', async (_request, _reply, payload: unknown) => ({ ...(payload as object), servedBy: config.cell }))
  app.addHook('onSend', async (_request, reply) => {
    if (draining.aborted) reply.header('connection', 'close')
  })
  app.get('/health', async (_request, reply) => {
    if (draining.aborted) return reply.status(503).send({ status: 'draining' })
    return { status: 'ok' }
  })
  app.register(async (api) => {
    requireContext(api, deps)
    userRoutes(api, deps)
    orderRoutes(api, deps)
    cartRoutes(api, deps)
    shopRoutes(api, deps)
    postRoutes(api, deps)
    productRoutes(api, deps)
    liveRoutes(api, deps)
  })
  return app
}

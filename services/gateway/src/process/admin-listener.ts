import type { SnapshotKeeper } from '@cellway/client'
import type { Logger, Metrics } from '@cellway/telemetry'
import { type CellId, compileSnapshot, explain, formatExplanation, type RoutingQuestion, routingRequestOf } from '@cellway/topology'
import Fastify from 'fastify'
import { AggregatorRegistry } from 'prom-client'
import type { GatewayConfig } from '../config.ts'
import { noSnapshot } from '../errors.ts'
import { openGeoDatabase } from '../geo.ts'
import type { WorkerPool } from './worker-pool.ts'

export interface AdminListenerOptions {
  readonly config: GatewayConfig
  readonly log: Logger
  readonly pool: WorkerPool
  readonly keeper: SnapshotKeeper
  /** The supervisor's own; the workers' come with their reports. */
  readonly metrics: Metrics
  readonly onDrain: () => void
}

export interface AdminListener {
  readonly url: string
  setDraining(): void
  close(): Promise<void>
}

/** Health, metrics, explain and drain: never on the data port, on loopback unless configured otherwise. */
export async function openAdminListener(options: AdminListenerOptions): Promise<AdminListener> {
  const { config, pool, keeper } = options
  const app = Fastify({ logger: false, bodyLimit: 256 * 1024, forceCloseConnections: true })
  const geo = config.geoipFile === undefined ? undefined : openGeoDatabase(config.geoipFile)
  let isDraining = false

  // Alive means that the event loop turns; whether control or an app answers is no reason to be killed.
  app.get('/health/live', async () => ({ status: 'live' }))
  app.get('/health/ready', async (_request, reply) => {
    const reason = isDraining ? 'draining' : waitingFor(options)
    return reply
      .code(reason === undefined ? 200 : 503)
      .send({ status: reason === undefined ? 'ready' : 'not ready', ...(reason === undefined ? {} : { reason }) })
  })
  app.get('/metrics', async (_request, reply) => reply.type('text/plain; version=0.0.4').send(await metricsText(options)))
  app.get('/v1/snapshot', async () => ({
    version: keeper.current()?.version ?? 0,
    checksum: keeper.current()?.checksum ?? '',
    adopted: pool.adopted,
    ageMs: Math.round(keeper.ageMs()),
    controlConnected: keeper.connected(),
    cell: config.cell,
    member: config.member
  }))
  app.get('/v1/upstreams', async () => ({
    workers: (await pool.reports()).map(({ pid, version, inFlight, held, instances, inFlightWrites }) => ({
      pid,
      version,
      inFlight,
      held,
      instances,
      inFlightWrites
    }))
  }))
  app.post<{ Body: RoutingQuestion }>('/v1/route/explain', { schema: { body: explainBodySchema } }, async (request) => {
    const snapshot = keeper.current()
    if (snapshot === undefined) throw noSnapshot({})
    const explanation = explain(compileSnapshot(snapshot), routingRequestOf(request.body), {
      selfCell: config.cell as CellId,
      ...(geo === undefined ? {} : { geo })
    })
    return { ...explanation, text: formatExplanation(explanation) }
  })
  app.post('/v1/drain', async (_request, reply) => {
    options.onDrain()
    return reply.code(202).send({ status: 'draining' })
  })
  app.setErrorHandler(async (error: Error & { statusCode?: number; code?: string }, _request, reply) => {
    const statusCode = error.statusCode ?? 500
    if (statusCode >= 500) options.log.error({ err: error }, 'admin request failed')
    return reply.code(statusCode).send({
      error: { code: error.code ?? 'GW_INTERNAL', message: statusCode >= 500 && error.code === undefined ? 'internal error' : error.message }
    })
  })
  await app.listen({ host: config.admin.host, port: config.admin.port })
  const address = app.server.address()
  return {
    url: `http://${config.admin.host}:${typeof address === 'object' && address !== null ? address.port : config.admin.port}`,
    setDraining: () => {
      isDraining = true
    },
    close: async () => {
      await app.close()
    }
  }
}

const explainBodySchema = {
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

/** Why this gateway can take no traffic yet; undefined when it can. */
function waitingFor({ config, pool, keeper }: AdminListenerOptions): string | undefined {
  const snapshot = keeper.current()
  if (snapshot === undefined) return 'waiting for the first topology'
  if (!Object.hasOwn(snapshot.topology.cells, config.cell)) return `the topology has no cell ${config.cell}`
  return pool.ready ? undefined : 'waiting for a worker'
}

async function metricsText({ metrics, pool, keeper }: AdminListenerOptions): Promise<string> {
  metrics.gauge('cellway_gateway_snapshot_age_seconds').set(keeper.ageMs() / 1000)
  metrics.gauge('cellway_gateway_control_connected').set(keeper.connected() ? 1 : 0)
  const reports = await pool.reports()
  return AggregatorRegistry.aggregate([await ownMetrics(metrics), ...reports.map((report) => report.metrics)]).metrics()
}

/** Only what the supervisor itself measures: its zeros would spoil the minimum over the workers. */
async function ownMetrics(metrics: Metrics): Promise<object[]> {
  const all = await metrics.registry.getMetricsAsJSON()
  return all.filter(
    ({ name }) => !name.startsWith('cellway_') || name === 'cellway_gateway_snapshot_age_seconds' || name === 'cellway_gateway_control_connected'
  )
}

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from '@cellway/base'
import type { EmbeddedLog } from '@cellway/log'
import { nodeFiles, openEmbeddedLog } from '@cellway/log'
import { createMetrics, type Logger, type Metrics } from '@cellway/telemetry'
import type { FastifyInstance } from 'fastify'
import { createBudget } from './budget.ts'
import { type CenterConfig, loadTokenConfigs } from './config.ts'
import { stopping } from './errors.ts'
import { buildApp } from './http/app.ts'
import { observe, tellEvent } from './observe.ts'
import type { CenterParts, NotReady } from './parts.ts'
import { createReaderReports } from './reader-reports.ts'
import { createLinks } from './streams/links.ts'
import { timeSyncs } from './timed-files.ts'
import { openTokens } from './tokens.ts'

export interface Center extends AsyncDisposable {
  readonly url: string
  readonly metricsUrl: string
}

export interface CenterOptions {
  readonly config: CenterConfig
  readonly logger: Logger
  readonly environment: NodeJS.ProcessEnv
  readonly clock?: Clock
}

/** Beyond what uploads may hold: the log itself never refuses for its queue, uploads wait instead. */
const PENDING_SPARE_BYTES = 32 * 1024 * 1024
/** Links that were told the end may take so long to read it. */
const LINKS_END_MS_MAX = 3000

/** @throws CTR_CONFIG_INVALID, LOG_LOCKED, LOG_CORRUPT, LOG_FORMAT_UNKNOWN, and the errors of listen() */
export async function startCenter({ config, logger, environment, clock = systemClock }: CenterOptions): Promise<Center> {
  await using stack = new AsyncDisposableStack()
  const tokens = openTokens(loadTokenConfigs(config), environment)
  const metrics = createMetrics('center')
  const state: State = { stopping: false, failure: undefined }
  const log = stack.use(await openLog(config, { logger, metrics, clock, state }))
  const links = createLinks(config.limits)
  const parts: CenterParts = {
    config,
    log,
    tokens,
    reports: createReaderReports(clock),
    links,
    budget: createBudget(config.limits.inFlightBytesMax),
    metrics,
    logger,
    clock,
    notReady: () => findReason(config, log, state)
  }
  const app = await buildApp(parts)
  const metricsServer = createMetricsServer(parts)
  stack.defer(() => closeServer(metricsServer))
  stack.defer(() => closeApp(app))
  stack.defer(async () => {
    state.stopping = true
    links.endAll(stopping({}))
    await Promise.race([links.idle(), new Promise((resolve) => setTimeout(resolve, LINKS_END_MS_MAX).unref())])
  })
  const url = await app.listen({ host: config.listen.host, port: config.listen.port })
  const { port } = app.server.address() as AddressInfo
  await listen(metricsServer, config.metrics.port ?? (config.listen.port === 0 ? 0 : port + 1), config.metrics.host)
  const owned = stack.move()
  return { url, metricsUrl: urlOf(metricsServer), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface State {
  stopping: boolean
  failure: unknown
}

interface LogPorts {
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock: Clock
  readonly state: State
}

function openLog({ dataFolder, verify, retention, limits }: CenterConfig, { logger, metrics, clock, state }: LogPorts): Promise<EmbeddedLog> {
  const { segmentBytes, freeBytesMin, inFlightBytesMax } = limits
  const { bytes: retentionBytes, ms: retentionMs, streamBytesMax, readerTooFarBehind } = retention
  const fsync = metrics.histogram('cellway_center_fsync_seconds')
  const pendingBytesMax = inFlightBytesMax + PENDING_SPARE_BYTES
  return openEmbeddedLog({
    folder: dataFolder,
    files: timeSyncs(nodeFiles, (ms) => fsync.observe(ms / 1000)),
    clock,
    verify,
    segmentBytes,
    freeBytesMin,
    pendingBytesMax,
    pendingAppendsMax: Math.ceil(pendingBytesMax / 1024),
    ...(retentionBytes === undefined ? {} : { retentionBytes }),
    retentionMs,
    streamBytesMax,
    readerTooFarBehind,
    onEvent: (event) => {
      if (event.kind === 'failed') state.failure = event.cause
      tellEvent(event, { logger, metrics })
    }
  })
}

async function findReason({ dataFolder, limits }: CenterConfig, log: EmbeddedLog, state: State): Promise<NotReady | undefined> {
  if (state.stopping) return { code: 'CTR_STOPPING', reason: 'the center is stopping' }
  if (log.failed) {
    const why = state.failure instanceof Error ? state.failure.message : 'a write failed'
    return { code: 'LOG_FAILED', reason: `the log has failed (${why}): mend the disk and start the center again` }
  }
  const free = await nodeFiles.freeBytes(dataFolder)
  if (free >= limits.freeBytesMin) return undefined
  return { code: 'LOG_OVERLOADED', reason: `the disk of ${dataFolder} has ${free} bytes left, and needs ${limits.freeBytesMin}: appends are refused` }
}

/** Only `/metrics`, on a listener of its own, so that it can be reached by who scrapes and nothing else. */
function createMetricsServer(parts: CenterParts): Server {
  const { registry } = parts.metrics
  return createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    observe(parts)
      .then(() => registry.metrics())
      .then(
        (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
        () => response.writeHead(500).end()
      )
  })
}

async function closeApp(app: FastifyInstance): Promise<void> {
  app.server.closeAllConnections()
  await app.close()
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise<void>((resolve) => server.close(() => resolve()))
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, host, resolve)
  await promise
  server.off('error', reject)
}

function urlOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}

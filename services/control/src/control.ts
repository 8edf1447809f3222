import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from '@cellway/base'
import { openEmbeddedStore, type Store } from '@cellway/store'
import { createMetrics, type Logger, type Metrics } from '@cellway/telemetry'
import type { FastifyInstance } from 'fastify'
import { createCommands } from './commands.ts'
import type { ControlConfig } from './config.ts'
import { buildApp } from './http/app.ts'
import { createMembers, type Members } from './members.ts'
import type { ControlParts } from './parts.ts'
import { sweepReplays } from './replay-sweep.ts'
import { createReports } from './reports.ts'
import { openCurrentState, type Published } from './state/current.ts'
import { ensureAdminToken, type FirstToken } from './tokens/first-token.ts'
import { openTokenRegistry } from './tokens/token-registry.ts'
import { createWatchHub, type WatchHub } from './watch/watch-hub.ts'

export interface Control extends AsyncDisposable {
  readonly url: string
  readonly metricsUrl: string
  readonly firstToken: FirstToken
  readonly app: FastifyInstance
  /** Rejects when the process can no longer know the truth and has to end. */
  readonly failed: Promise<never>
}

export interface ControlOptions {
  readonly config: ControlConfig
  readonly logger: Logger
  readonly clock?: Clock
  /** The embedded store in the data folder, unless given. The control disposes of it. */
  readonly store?: Store
}

const SWEEP_INTERVAL_MS = 10 * 60_000
/** Then open connections are cut. */
const CLOSE_TIMEOUT_MS = 5000

/** @throws STORE_*, CTL_TOKEN_FILE_INVALID, and the errors of listen() */
export async function startControl({ config, logger, clock = systemClock, store: given }: ControlOptions): Promise<Control> {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(given ?? openEmbeddedStore({ folder: config.dataFolder }))
  const metrics = createMetrics('control')
  const members = createMembers()
  let hub: WatchHub | undefined
  const fatal = Promise.withResolvers<never>()
  let reason: string | undefined

  const state = stack.use(
    await openCurrentState(store, {
      onPublish: (published, buildMs) => {
        observeSnapshot(metrics, published, buildMs)
        hub?.publish()
        logger.info(
          { version: published.snapshot.version, checksum: published.snapshot.checksum, topologyVersion: published.topologyVersion },
          'snapshot published'
        )
      }
    })
  )
  const tokens = stack.use(await openTokenRegistry(store, clock))
  const commands = createCommands({
    store,
    state,
    tokens,
    clock,
    onCommit: ({ action, outcome, seq, revision, durationMs }) => {
      metrics.counter('cellway_control_commands_total').inc({ action, outcome })
      metrics.histogram('cellway_control_commit_seconds').observe(durationMs / 1000)
      metrics.gauge('cellway_control_audit_records').set(seq)
      metrics.gauge('cellway_control_store_revision').set(revision)
    }
  })
  hub = createWatchHub({
    published: state.published,
    members,
    clock,
    onSkipped: () => metrics.counter('cellway_control_watch_skipped_total').inc(),
    onClosed: ({ member, kind, cell }, why) => {
      metrics.counter('cellway_control_watch_closed_total').inc({ reason: why })
      logger.info({ member, kind, cell, reason: why }, 'watch closed')
    }
  })
  const firstToken = await ensureAdminToken({ tokens, commands, file: config.adminTokenFile, clock })
  const parts: ControlParts = {
    store,
    state,
    tokens,
    commands,
    members,
    reports: createReports(),
    hub,
    metrics,
    logger,
    clock,
    notReady: () => reason,
    onStoreFailure: fatal.reject
  }
  const app = await buildApp(parts)
  const metricsServer = createMetricsServer(metrics, () => observeMembers(parts))
  stack.defer(() => commands.idle())
  stack.defer(() => closeServer(metricsServer))
  stack.defer(() => closeApp(app))
  stack.defer(startSweeping(parts))
  stack.defer(() => {
    reason = 'stopping'
    hub?.close()
  })
  await listen(metricsServer, config.metricsPort, config.host)
  const url = await app.listen({ host: config.host, port: config.port })
  for (const { ended } of [state, tokens]) ended.catch(fatal.reject)
  // Whoever starts a control may choose not to look at it; that is no unhandled rejection.
  fatal.promise.catch(() => {
    reason ??= 'the store has failed'
  })
  const owned = stack.move()
  return { url, metricsUrl: urlOf(metricsServer), firstToken, app, failed: fatal.promise, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function observeSnapshot(metrics: Metrics, { snapshot, text }: Published, buildMs: number): void {
  metrics.gauge('cellway_control_snapshot_version').set(snapshot.version)
  metrics.gauge('cellway_control_snapshot_bytes').set(text.length)
  metrics.histogram('cellway_control_snapshot_build_seconds').observe(buildMs / 1000)
}

function observeMembers({ metrics, members, hub, state, clock }: Pick<ControlParts, 'metrics' | 'members' | 'hub' | 'state' | 'clock'>): void {
  const watchers = metrics.gauge('cellway_control_watchers')
  watchers.reset()
  for (const [kind, count] of hub.counts()) watchers.set({ kind }, count)
  countMembers(metrics, members, state.published(), clock.nowMs())
}

function countMembers(metrics: Metrics, members: Members, published: Published | undefined, nowMs: number): void {
  const gauge = metrics.gauge('cellway_control_members')
  gauge.reset()
  for (const { cell, state } of members.view(published?.snapshot, nowMs)) gauge.inc({ cell, state })
}

/** Only `/metrics`, on a listener of its own, so that it can be reached by who scrapes and nothing else. */
function createMetricsServer(metrics: Metrics, refresh: () => void): Server {
  return createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    refresh()
    metrics.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text),
      () => response.writeHead(500).end()
    )
  })
}

function startSweeping({ store, clock, logger }: ControlParts): () => void {
  const sweep = (): void => {
    sweepReplays(store, clock.nowMs()).catch((cause: unknown) => logger.warn({ err: cause }, 'kept answers could not be swept'))
  }
  sweep()
  const timer = setInterval(sweep, SWEEP_INTERVAL_MS)
  timer.unref()
  return () => clearInterval(timer)
}

async function closeApp(app: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), CLOSE_TIMEOUT_MS)
  app.server.closeIdleConnections()
  await app.close()
  clearTimeout(cut)
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

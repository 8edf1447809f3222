import { randomBytes } from 'node:crypto'
import { systemClock } from '@cellway/base'
import { type ControlClient, createControlClient, keepSnapshot, type SnapshotKeeper } from '@cellway/client'
import { createRemoteLog, type RemoteLog } from '@cellway/log'
import { createLogger, createMetrics } from '@cellway/telemetry'
import { adminActions } from '../admin/actions.ts'
import { openAdminListener } from '../admin/app.ts'
import { loadSecrets, type ReplicatorConfig } from '../config.ts'
import type { CellContext } from '../context.ts'
import { superseded } from '../errors.ts'
import { ConflictCounter } from './conflict-counter.ts'
import { Engine } from './engine.ts'
import { explainError, NOTHING } from './explain.ts'
import { type Life, reasonNotReady, STORE, statusOf } from './life.ts'
import { runReporter } from './reporter.ts'
import { startUp } from './startup.ts'
import { createTopologyView } from './topology-view.ts'

export const EXIT_FENCED = 3

/** Runs until a signal, or until a newer replicator takes over. Returns the exit code. */
export async function runReplicator(config: ReplicatorConfig): Promise<number> {
  const log = createLogger({ service: 'replicator', level: config.logLevel, fields: { cell: config.cell, member: config.member } })
  const secrets = loadSecrets(config, process.env)
  const stop = new AbortController()
  const metrics = createMetrics('replicator')
  const life: Life = {
    config,
    secrets,
    log,
    metrics,
    topology: createTopologyView(),
    startedAt: new Date().toISOString(),
    phase: 'starting',
    why: NOTHING,
    started: undefined,
    engine: undefined,
    conflicts: new ConflictCounter()
  }
  const ended = endOf(stop, life)
  await using client = config.control === undefined ? undefined : createControlClient({ urls: config.control.urls, token: secrets.controlToken })
  const keeper = await keep(life, client, stop.signal)
  await using center = openCenter(life)
  const adminSecret = randomBytes(32).toString('base64url')
  const { host, port, url } = config.admin
  await using admin = await openAdminListener({
    host,
    port,
    secret: adminSecret,
    metrics,
    log,
    actions: adminActions(life, stop.signal),
    notReady: () => reasonNotReady(life),
    refresh: () => refreshGauges(life, keeper)
  })
  log.info({ admin: admin.url, version: life.topology.version() }, 'replicator listening')
  const reporting =
    client === undefined
      ? undefined
      : runReporter({ client, config, keeper, adminUrl: url ?? admin.url, adminSecret, status: () => statusOf(life), log, signal: stop.signal })
  await work({ life, center, client, stop, ended })
  const code = await ended.promise
  await Promise.all([reporting, keeper.done.catch(() => undefined)])
  log.info({ exitCode: code }, 'replicator stopped')
  return code
}

/** A signal, or the newer process: whichever is first decides the exit code. */
function endOf(stop: AbortController, life: Life): PromiseWithResolvers<number> {
  const ended = Promise.withResolvers<number>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      life.log.info({ signal }, 'replicator stopping')
      ended.resolve(0)
      stop.abort(new Error(`stopped by ${signal}`))
    })
  }
  stop.signal.addEventListener('abort', () => {
    life.phase = 'stopping'
    const { stopMs } = life.config.limits
    setTimeout(() => {
      life.log.error({ stopMs }, 'the replicator did not stop in time')
      process.exit(1)
    }, stopMs).unref()
  })
  return ended
}

function keep(life: Life, client: ControlClient | undefined, signal: AbortSignal): Promise<SnapshotKeeper> {
  const { config, log, topology } = life
  return keepSnapshot({
    file: config.snapshotFile,
    client,
    member: config.member,
    kind: 'replicator',
    cell: config.cell,
    log,
    signal,
    onSnapshot: (snapshot) => {
      topology.adopt(snapshot)
      log.info({ version: snapshot.version, checksum: snapshot.checksum }, 'snapshot received')
    }
  })
}

function openCenter({ config, secrets, log }: Life): RemoteLog {
  const { url, urls } = config.center
  return createRemoteLog({
    urls: urls ?? (url === undefined ? [] : [url]),
    token: secrets.centerToken,
    ...(secrets.centerCa === undefined ? {} : { ca: secrets.centerCa }),
    onEvent: ({ kind, ...fields }) => log.info({ ...fields, ...('cause' in fields ? { err: fields.cause } : {}) }, `center ${kind}`)
  })
}

interface Work extends Ending {
  readonly center: RemoteLog
  readonly client: ControlClient | undefined
}

async function work({ life, center, client, stop, ended }: Work): Promise<void> {
  const { config, secrets, topology, log, metrics } = life
  const { signal } = stop
  try {
    life.started = await startUp({
      config,
      secrets,
      topology,
      store: STORE,
      log,
      signal,
      onWaiting: (phase, why) => Object.assign(life, { phase, why })
    })
    const { epoch, version, flavour } = life.started
    const context: CellContext = { cell: config.cell, store: STORE, log, clock: systemClock, center, topology }
    const engine = new Engine({
      config,
      secrets,
      context,
      started: life.started,
      metrics,
      client,
      onFenced: (error) => onFenced(error, { life, stop, ended })
    })
    Object.assign(life, { engine, phase: 'running', why: NOTHING })
    log.info({ epoch, flavour, version }, 'replicator running')
    await Promise.all([engine.run(signal), life.conflicts.run(secrets.applier, log, signal), life.started.committed])
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

interface Ending {
  readonly life: Life
  readonly stop: AbortController
  readonly ended: PromiseWithResolvers<number>
}

function onFenced(error: unknown, { life, stop, ended }: Ending): void {
  if (stop.signal.aborted) return
  const reason = superseded({ cell: life.config.cell, epoch: life.started?.epoch ?? 0 }, { cause: error })
  life.why = explainError(reason)
  life.log.fatal(
    { err: reason, code: reason.code, epoch: life.started?.epoch, exitCode: EXIT_FENCED },
    'a newer replicator works for this cell; this process ends'
  )
  ended.resolve(EXIT_FENCED)
  stop.abort(reason)
}

function refreshGauges({ metrics, topology, engine, conflicts }: Life, keeper: SnapshotKeeper): void {
  metrics.gauge('cellway_replicator_snapshot_version').set(topology.version())
  metrics.gauge('cellway_replicator_control_connected').set(keeper.connected() ? 1 : 0)
  metrics.gauge('cellway_replicator_open_conflicts').set(conflicts.counts.open)
  metrics.gauge('cellway_replicator_parked_keys').set(conflicts.counts.parked)
  const [lag, state] = [metrics.gauge('cellway_replicator_lag_seconds'), metrics.gauge('cellway_replicator_stream_state')]
  state.reset()
  for (const [source, part] of engine?.appliers.parts() ?? []) {
    const lagMs = engine?.lag.of(source)
    if (lagMs !== null && lagMs !== undefined) lag.set({ source }, lagMs / 1000)
    state.set({ source, state: part.status.phase === 'running' ? (part.work?.applier.status().state ?? 'starting') : part.status.phase }, 1)
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import { type ControlClient, createControlClient, keepSnapshot } from '@cellway/client'
import { createLogger, createMetrics, type Logger } from '@cellway/telemetry'
import { type GatewayConfig, loadControlToken, loadSigningKey } from '../config.ts'
import { openAdminListener } from './admin-listener.ts'
import { WorkerPool } from './worker-pool.ts'

/** The gateway's parent process: keeps the snapshot, the workers and the admin listener. It never touches a user's request. */
export async function runSupervisor(config: GatewayConfig, configFile: string): Promise<void> {
  const log = createLogger({ service: 'gateway', level: config.logLevel, fields: { cell: config.cell, member: config.member } })
  const client =
    config.control === undefined ? undefined : createControlClient({ urls: config.control.urls, token: loadControlToken(config, process.env) })
  // Read once here only to fail at the start, before a worker would.
  loadSigningKey(config, process.env)
  const stopping = new AbortController()
  let newest: string | undefined
  const acknowledge = acknowledger({ client, config, log, signal: stopping.signal, adopted: () => pool.adopted })
  const pool = new WorkerPool({ configFile, count: config.workers, log, snapshotText: () => newest, onAdopted: acknowledge })
  const keeper = await keepSnapshot({
    file: config.snapshotFile,
    client,
    member: config.member,
    kind: 'gateway',
    cell: config.cell,
    log,
    signal: stopping.signal,
    onSnapshot: (snapshot, text) => {
      newest = text
      pool.broadcast(text)
      log.info({ version: snapshot.version, checksum: snapshot.checksum }, 'snapshot received')
    }
  })
  const port = await pool.start()
  const drain = Promise.withResolvers<string>()
  const admin = await openAdminListener({ config, log, pool, keeper, metrics: createMetrics('gateway'), onDrain: () => drain.resolve('admin') })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => drain.resolve(signal))
  log.info({ url: dataUrl(config, port), admin: admin.url, workers: config.workers, version: keeper.current()?.version ?? 0 }, 'gateway listening')

  const cause = await drain.promise
  log.info({ cause }, 'gateway draining')
  admin.setDraining()
  // Load balancers see readiness fail before the first connection is turned away.
  await delay(config.drain.readinessWaitMs)
  await pool.stop(config.drain.deadlineMs)
  stopping.abort()
  await keeper.done.catch(() => undefined)
  await admin.close()
  log.info({}, 'gateway stopped')
}

function dataUrl(config: GatewayConfig, port: number): string {
  return `${config.listen.tls === undefined ? 'http' : 'https'}://${config.listen.host}:${port}`
}

interface AcknowledgerOptions {
  readonly client: ControlClient | undefined
  readonly config: GatewayConfig
  readonly log: Logger
  readonly signal: AbortSignal
  readonly adopted: () => { readonly version: number; readonly checksum: string }
}

/** How often control hears from us without a change: its `status` calls a member that was silent for long gone. */
const REPEAT_MS = 5_000

/** Tells control what all workers have adopted; one call at a time, always with the newest state, again after a failure and every few seconds. */
function acknowledger({ client, config, log, signal, adopted }: AcknowledgerOptions): () => void {
  let told = 0
  let telling = false
  const tell = async (): Promise<void> => {
    if (client === undefined || telling) return
    telling = true
    while (!signal.aborted && adopted().version > told) {
      const { version, checksum } = adopted()
      try {
        await client.ack({ member: config.member, kind: 'gateway', cell: config.cell, version, checksum })
        told = version
      } catch (error) {
        log.debug({ err: error }, 'acknowledgement did not reach control')
        await delay(1_000, undefined, { signal }).catch(() => undefined)
      }
    }
    telling = false
  }
  const acknowledge = (): void => {
    tell().catch((error: unknown) => log.error({ err: error }, 'acknowledging failed'))
  }
  const repeat = setInterval(() => {
    told = 0
    acknowledge()
  }, REPEAT_MS)
  signal.addEventListener('abort', () => clearInterval(repeat), { once: true })
  return acknowledge
}

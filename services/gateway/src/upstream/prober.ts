import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@cellway/telemetry'
import { request } from 'undici'
import type { GatewayConfig } from '../config.ts'
import { type Directory, GATEWAY_APP } from './directory.ts'
import type { Instance } from './instance.ts'

export interface ProberOptions {
  readonly directory: Directory
  readonly config: GatewayConfig
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Probes every app instance of the cell at the configured pace until the signal ends it. Other cells' gateways are judged by their traffic. */
export async function runProber({ directory, config, log, signal }: ProberOptions): Promise<void> {
  while (!signal.aborted) {
    const apps = [...directory.instances()].filter((instance) => instance.app !== GATEWAY_APP)
    await Promise.all(apps.map((instance) => probe(instance, config, log, signal)))
    await delay(config.health.intervalMs, undefined, { signal }).catch(() => undefined)
  }
}

async function probe(instance: Instance, config: GatewayConfig, log: Logger, signal: AbortSignal): Promise<void> {
  const healthy = await isHealthy(instance, config, signal)
  if (signal.aborted) return
  if (instance.onProbe(healthy)) log.info({ origin: instance.origin, app: instance.app, probe: instance.probe }, 'instance health changed')
}

async function isHealthy(instance: Instance, config: GatewayConfig, signal: AbortSignal): Promise<boolean> {
  const { path, timeoutMs } = config.health
  try {
    // Not through the pool: a pool that is full of slow requests must not make the instance look dead.
    const answer = await request(instance.origin + path, {
      headers: { 'user-agent': 'cellway-gateway-probe', connection: 'close' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    })
    await answer.body.dump()
    return answer.statusCode >= 200 && answer.statusCode < 300
  } catch {
    return false
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import type { ControlClient, ReplicatorStatus, SnapshotKeeper } from '@cellway/client'
import type { Logger } from '@cellway/telemetry'
import type { ReplicatorConfig } from '../config.ts'

export interface ReporterOptions {
  readonly client: ControlClient
  readonly config: ReplicatorConfig
  readonly keeper: SnapshotKeeper
  readonly adminUrl: string
  readonly adminSecret: string
  readonly status: () => ReplicatorStatus
  readonly log: Logger
  readonly signal: AbortSignal
}

const REPORT_MS = 1_000
const CALL_MS_MAX = 3_000
/** Control forgets who acknowledged nothing for ten seconds. */
const ACKNOWLEDGE_MS = 5_000

/** Tells control each second how it goes, and which snapshot is in force. Nothing here waits for control. */
export async function runReporter({ client, config, keeper, adminUrl, adminSecret, status, log, signal }: ReporterOptions): Promise<void> {
  const { cell, member } = config
  let acknowledged = { version: 0, atMs: 0 }
  let failing = false
  while (!signal.aborted) {
    const startedMs = performance.now()
    try {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(CALL_MS_MAX)])
      await client.replication.report({ kind: 'replicator', member, cell, adminUrl, adminSecret, status: status() }, { signal: bounded })
      const current = keeper.current()
      if (current !== undefined && (current.version !== acknowledged.version || startedMs - acknowledged.atMs > ACKNOWLEDGE_MS)) {
        const { version, checksum } = current
        await client.ack({ member, kind: 'replicator', cell, version, checksum }, { signal: bounded })
        acknowledged = { version, atMs: startedMs }
      }
      if (failing) log.info({}, 'reports reach control again')
      failing = false
    } catch (error) {
      if (signal.aborted) return
      if (!failing) log.warn({ err: error }, 'a report did not reach control; replication goes on')
      failing = true
    }
    await delay(Math.max(0, REPORT_MS - (performance.now() - startedMs)), undefined, { signal }).catch(() => undefined)
  }
}

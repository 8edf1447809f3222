/** An applier in a process of its own, so that it can be killed and its memory be measured. Reads a log from a folder. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openEmbeddedLog } from '@cellway/log'
import type { MysqlConfig } from '../../../services/replicator/src/store/session.ts'
import { openSession } from '../../../services/replicator/src/store/session.ts'
import { memoryCenter, ORIGIN, snapshotOf, startApplier, type Target } from './fixture.ts'

export interface ApplierOrder {
  readonly folder: string
  readonly mysql: MysqlConfig
  readonly epoch: number
  readonly tables: readonly string[]
  /** Ends when the stream is applied up to there. */
  readonly until: string
}

export interface ApplierReport {
  /** Highest resident memory, as the kernel saw it. */
  readonly rssMaxBytes: number
  readonly lanes: Readonly<Record<string, number>>
  readonly conflicts: number
}

const order = JSON.parse(process.argv[2] ?? '{}') as ApplierOrder
const log = await openEmbeddedLog({ folder: order.folder })
const session = await openSession(order.mysql, { role: 'plain', signal: AbortSignal.timeout(3_600_000) })
const target = { config: order.mysql, session } as unknown as Target
const running = startApplier({ target, center: memoryCenter(log), snapshot: snapshotOf(order.tables), epoch: order.epoch })
process.stdout.write('applying\n')
const cause = await Promise.race([running.ended, running.positions.waitFor(ORIGIN, order.until, AbortSignal.timeout(600_000))])
if (cause !== undefined) {
  process.stdout.write(`${JSON.stringify({ failed: cause instanceof Error ? { ...cause, message: cause.message } : String(cause) })}\n`)
} else {
  const lanes: Record<string, number> = {}
  for (const { lane, transactions } of running.counted.batches) lanes[lane] = (lanes[lane] ?? 0) + transactions
  const report: ApplierReport = { rssMaxBytes: process.resourceUsage().maxRSS * 1024, lanes, conflicts: running.counted.conflicts.length }
  process.stdout.write(`${JSON.stringify(report)}\n`)
}
await sleep(10)
process.exit(0)

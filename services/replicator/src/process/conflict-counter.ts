import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@cellway/telemetry'
import { countOpen, countParked } from '../repair/conflicts.ts'
import { type MysqlConfig, openSession } from '../store/session.ts'

export interface ConflictCounts {
  /** Nobody has looked at them yet. */
  readonly open: number
  /** Keys whose changes are held. */
  readonly parked: number
}

const EVERY_MS = 5_000

/** How much work there is for people, for status and metrics. Looks now and then: conflicts should not occur at all. */
export class ConflictCounter {
  #counts: ConflictCounts = { open: 0, parked: 0 }

  get counts(): ConflictCounts {
    return this.#counts
  }

  async run(config: MysqlConfig, log: Logger, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await using session = await openSession(config, { role: 'plain', signal })
        while (!signal.aborted) {
          this.#counts = { open: await countOpen(session), parked: await countParked(session) }
          await delay(EVERY_MS, undefined, { signal }).catch(() => undefined)
        }
      } catch (error) {
        if (signal.aborted) return
        log.debug({ err: error }, 'conflicts could not be counted')
        await delay(EVERY_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { type CellwayError, isCellwayError } from '@cellway/base'
import { semiSyncLost } from './errors.ts'
import { SEMI_SYNC_POLL_MS } from './limits.ts'
import type { SemiSyncState } from './metrics.ts'
import type { Replica } from './replica.ts'
import type { SideSession } from './side-session.ts'

/** A place of the binlog that the source waits for: it may be acknowledged once the record of this sequence is in the center. */
interface Due {
  readonly sequence: number
  readonly file: string
  readonly offset: bigint
}

/** What must be in the center before the source may let its commits return. One per connection. */
export class Acknowledgements {
  readonly #replica: Pick<Replica, 'acknowledge'>
  #due: Due[] = []

  constructor(replica: Pick<Replica, 'acknowledge'>) {
    this.#replica = replica
  }

  add(due: Due, durable: number): void {
    this.#due.push(due)
    this.durable(durable)
  }

  /** One reply stands for everything before it. */
  durable(sequence: number): void {
    const waiting = this.#due.findIndex((due) => due.sequence > sequence)
    const done = this.#due.splice(0, waiting < 0 ? this.#due.length : waiting)
    const newest = done.at(-1)
    if (newest !== undefined) this.#replica.acknowledge(newest.file, newest.offset)
  }
}

const NAMES = {
  enabled: ['rpl_semi_sync_master_enabled', 'rpl_semi_sync_source_enabled'],
  status: ['Rpl_semi_sync_master_status', 'Rpl_semi_sync_source_status']
} as const

export const SEMI_SYNC_FIX = {
  'not-enabled':
    'MariaDB: SET GLOBAL rpl_semi_sync_master_enabled = ON, rpl_semi_sync_master_wait_point = AFTER_SYNC, rpl_semi_sync_master_timeout = …; MySQL: INSTALL PLUGIN rpl_semi_sync_source, then SET GLOBAL rpl_semi_sync_source_enabled = ON',
  'fallen-back':
    'See why the center was slow or away. The source comes back by itself once it has been acknowledged; a larger timeout makes commits wait longer'
} as const

export interface SemiSyncWatchOptions {
  readonly side: SideSession
  readonly onState: (state: SemiSyncState, alarm: CellwayError | undefined) => void
}

/** Asks the source each second whether its commits really wait. Runs until the signal aborts. */
export async function watchSemiSync({ side, onState }: SemiSyncWatchOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const state = await readState(side)
      const lost = state === 'not-enabled' || state === 'fallen-back'
      onState(state, lost ? semiSyncLost({ reason: state, fix: SEMI_SYNC_FIX[state] }) : undefined)
    } catch (cause) {
      if (signal.aborted) return
      onState('unknown', isCellwayError(cause) ? cause : undefined)
    }
    await sleep(SEMI_SYNC_POLL_MS, undefined, { signal }).catch(() => {})
  }
}

async function readState(side: SideSession): Promise<SemiSyncState> {
  const list = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ')
  return side.with(async (session) => {
    const enabled = await session.rows(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${list(NAMES.enabled)})`)
    if (!enabled.some(([, value]) => isOn(value))) return 'not-enabled'
    const status = await session.rows(`SHOW GLOBAL STATUS WHERE Variable_name IN (${list(NAMES.status)})`)
    return status.some(([, value]) => isOn(value)) ? 'active' : 'fallen-back'
  })
}

function isOn(value: Buffer | null | undefined): boolean {
  return value?.toString().toUpperCase() === 'ON'
}

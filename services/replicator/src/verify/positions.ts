import { setTimeout as delay } from 'node:timers/promises'
import { comparePositions, parsePosition } from '@cellway/change'
import { quoteText } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import { notAligned } from './errors.ts'
import type { PositionsAnswer, VerifySource } from './protocol.ts'

/** Read in this order: what is applied is never said to be more than what is there. */
export async function ownPositions(session: Session, store: string): Promise<PositionsAnswer> {
  const rows = await session.rows(`SELECT source_cell, position FROM cellway.checkpoint WHERE store = ${quoteText(store)}`)
  const kind = session.flavour
  const [own] = await session.rows(kind === 'mariadb' ? 'SELECT @@GLOBAL.gtid_binlog_pos' : 'SELECT @@GLOBAL.gtid_executed')
  return {
    kind,
    own: own?.[0]?.toString().replaceAll('\n', '') ?? '',
    applied: Object.fromEntries(rows.map(([cell, position]) => [cell?.toString() ?? '', position?.toString() ?? '']))
  }
}

export interface AlignOptions {
  readonly here: VerifySource
  readonly there: VerifySource
  readonly waitMs: number
  readonly signal: AbortSignal
}

/** Heartbeats come each second, so an idle stream reaches any position within one. */
const POLL_MS = 100

/**
 * Waits until each of the two has applied what the other one had written when this was called, and what the other one had applied of any third cell by
 * then. A row that differed before and is the same as it was afterwards, in both, is not on its way: it differs.
 * @throws VER_NOT_ALIGNED, the signal's reason
 */
export async function align({ here, there, waitMs, signal }: AlignOptions): Promise<void> {
  const wanted = { here: await here.ask({ ask: 'positions' }, signal), there: await there.ask({ ask: 'positions' }, signal) }
  const deadline = performance.now() + waitMs
  for (;;) {
    const [now, nowThere] = [await here.ask({ ask: 'positions' }, signal), await there.ask({ ask: 'positions' }, signal)]
    const behind = missing(here.cell, now, there.cell, wanted.there) ?? missing(there.cell, nowThere, here.cell, wanted.here)
    if (behind === undefined) return
    if (performance.now() >= deadline) throw notAligned({ ...behind, waitedMs: waitMs })
    await delay(POLL_MS, undefined, { signal })
  }
}

interface Behind {
  readonly cell: string
  readonly behind: string
  readonly position: string
  readonly applied: string
}

function missing(cell: string, { applied }: PositionsAnswer, otherCell: string, other: PositionsAnswer): Behind | undefined {
  const own = applied[otherCell] ?? ''
  if (!reaches(other.kind, own, other.own)) return { cell, behind: otherCell, position: other.own, applied: own }
  for (const [third, position] of Object.entries(other.applied)) {
    if (third === cell) continue
    const mine = applied[third] ?? ''
    // The flavour of a third cell is told by its positions: only MySQL's have colons.
    if (!reaches(position.includes(':') ? 'mysql' : 'mariadb', mine, position)) return { cell, behind: third, position, applied: mine }
  }
  return undefined
}

function reaches(kind: 'mariadb' | 'mysql', applied: string, wanted: string): boolean {
  if (wanted === '' || applied === wanted) return true
  const order = comparePositions(parsePosition(kind, applied), parsePosition(kind, wanted))
  return order === 'equal' || order === 'after'
}

import { formatPosition } from '@cellway/change'
import { quoteText } from '@cellway/mysql-value'
import type { AppliedPositions } from '../apply/applied-positions.ts'
import type { Session } from '../store/session.ts'
import { notAligned } from './errors.ts'
import type { PositionsAnswer, ReachAnswer, VerifySource } from './protocol.ts'

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

/** Longest wait of one question; who asks asks again. */
const REACH_MS_MAX = 5000

/** Appliers put off the checkpoints of idle streams, but not while somebody waits for them. */
export async function reach(
  positions: AppliedPositions,
  { wanted, waitMs }: { wanted: Readonly<Record<string, string>>; waitMs: number },
  signal: AbortSignal
): Promise<ReachAnswer> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(Math.min(waitMs, REACH_MS_MAX))])
  for (const [cell, position] of Object.entries(wanted)) {
    try {
      await positions.waitFor(cell, position, bounded)
    } catch (cause) {
      signal.throwIfAborted()
      if (!bounded.aborted) throw cause
      const applied = positions.get(cell)
      return { behind: { cell, position, applied: applied === undefined ? '' : formatPosition(applied) } }
    }
  }
  return { behind: null }
}

export interface AlignOptions {
  readonly here: VerifySource
  readonly there: VerifySource
  readonly waitMs: number
  readonly signal: AbortSignal
}

/**
 * Waits until each of the two has applied what the other one had written when this was called, and what the other one had applied of
 * any third cell by then. A row that differed before and is the same as it was afterwards, in both, is not on its way: it differs.
 * Heartbeats come each second, so an idle stream reaches any position within one.
 * @throws VER_NOT_ALIGNED, the signal's reason
 */
export async function align({ here, there, waitMs, signal }: AlignOptions): Promise<void> {
  const [own, other] = [await here.ask({ ask: 'positions' }, signal), await there.ask({ ask: 'positions' }, signal)]
  const goals = [
    { source: here, wanted: wantedOf(here.cell, there.cell, other) },
    { source: there, wanted: wantedOf(there.cell, here.cell, own) }
  ]
  const deadline = performance.now() + waitMs
  for (const { source, wanted } of goals) {
    for (;;) {
      const { behind } = await source.ask(
        { ask: 'reach', wanted, waitMs: Math.max(1, Math.min(REACH_MS_MAX, Math.ceil(deadline - performance.now()))) },
        signal
      )
      if (behind === null) break
      if (performance.now() >= deadline) {
        throw notAligned({ cell: source.cell, behind: behind.cell, position: behind.position, applied: behind.applied, waitedMs: waitMs })
      }
    }
  }
}

function wantedOf(cell: string, otherCell: string, { own, applied }: PositionsAnswer): Record<string, string> {
  return { ...Object.fromEntries(Object.entries(applied).filter(([third]) => third !== cell)), [otherCell]: own }
}

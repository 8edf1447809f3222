import { setTimeout as delay } from 'node:timers/promises'
import { comparePositions, parsePosition } from '@cellway/change'
import { quoteText } from '@cellway/mysql-value'
import type { AppliedPositions } from '../apply/applied-positions.ts'
import type { Session } from '../store/session.ts'
import { notAligned } from './errors.ts'
import type { PositionsAnswer, VerifyQuestion, VerifySource } from './protocol.ts'

export interface PositionsWhen {
  readonly store: string
  readonly positions: AppliedPositions | undefined
  readonly question: Extract<VerifyQuestion, { ask: 'positions' }>
  readonly signal: AbortSignal
}

/** Longest wait of one question; who asks asks again. */
const WAIT_MS_MAX = 5000
const POLL_MS = 100

/** What is applied here and written here, once what is wanted is applied or the time is over. */
export async function positionsWhen(session: Session, { store, positions, question, signal }: PositionsWhen): Promise<PositionsAnswer> {
  const { wanted = {}, waitMs = 0 } = question
  const deadline = performance.now() + Math.min(waitMs, WAIT_MS_MAX)
  for (const [cell, position] of Object.entries(wanted))
    await positions?.waitFor(cell, position, anyOf(signal, deadline)).catch(() => signal.throwIfAborted())
  for (;;) {
    const found = await ownPositions(session, store)
    const behind = behindOf(found.applied, wanted)
    if (behind === null || performance.now() >= deadline) return { ...found, behind }
    await delay(POLL_MS, undefined, { signal })
  }
}

function anyOf(signal: AbortSignal, deadline: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, Math.ceil(deadline - performance.now())))])
}

function behindOf(applied: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): PositionsAnswer['behind'] {
  for (const [cell, position] of Object.entries(wanted)) {
    const own = applied[cell] ?? ''
    // Only MySQL's positions have colons.
    if (!reaches(position.includes(':') ? 'mysql' : 'mariadb', own, position)) return { cell, position, applied: own }
  }
  return null
}

function reaches(kind: 'mariadb' | 'mysql', applied: string, wanted: string): boolean {
  if (wanted === '' || applied === wanted) return true
  const order = comparePositions(parsePosition(kind, applied), parsePosition(kind, wanted))
  return order === 'equal' || order === 'after'
}

/** Read in this order: what is applied is never said to be more than what is there. */
export async function ownPositions(session: Session, store: string): Promise<Omit<PositionsAnswer, 'behind'>> {
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
      const leftMs = Math.max(1, Math.ceil(deadline - performance.now()))
      const { behind } = await source.ask({ ask: 'positions', wanted, waitMs: leftMs }, signal)
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

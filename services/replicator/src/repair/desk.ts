import type { ConflictDetails, ConflictList } from '@cellway/client'
import type { CellContext } from '../context.ts'
import type { MysqlConfig, Session } from '../store/session.ts'
import { openSession } from '../store/session.ts'
import type { ColumnDifference, ConflictQuery } from './conflicts.ts'
import { columnDifferences, countOpen, countParked, listConflicts, openIds, showConflict } from './conflicts.ts'
import type { ParkedDecision, ParkedKey } from './parked.ts'
import { listParked, resolveParked } from './parked.ts'
import type { Resolution } from './resolve.ts'
import { resolveConflict } from './resolve.ts'

/** Decisions of one bulk command; more is asked for again. */
const BULK_MAX = 10_000

/** What operators do about conflicts; each call has a session of its own. */
export class ConflictDesk {
  readonly #context: CellContext
  readonly #config: MysqlConfig

  constructor({ context, config }: { readonly context: CellContext; readonly config: MysqlConfig }) {
    this.#context = context
    this.#config = config
  }

  list(query: ConflictQuery, signal: AbortSignal): Promise<ConflictList> {
    return this.#with(signal, (session) => listConflicts(session, query))
  }

  counts(signal: AbortSignal): Promise<{ open: number; parked: number }> {
    return this.#with(signal, async (session) => ({ open: await countOpen(session), parked: await countParked(session) }))
  }

  /** @throws REP_CONFLICT_UNKNOWN */
  show(id: string, signal: AbortSignal): Promise<ConflictDetails & { readonly columns: readonly ColumnDifference[] }> {
    return this.#with(signal, async (session) => {
      const conflict = await showConflict(session, id)
      return { ...conflict, columns: columnDifferences(conflict) }
    })
  }

  /** @throws as `resolveConflict` */
  resolve(wanted: Resolution, signal: AbortSignal): Promise<ConflictDetails> {
    return this.#with(signal, (session) => resolveConflict(session, this.#context, wanted))
  }

  /** All open ones that match, oldest first, each in a transaction of its own. Stops at the first that fails. @throws as `resolveConflict` */
  resolveAll(query: ConflictQuery, wanted: Omit<Resolution, 'id' | 'row'>, signal: AbortSignal): Promise<string[]> {
    return this.#with(signal, async (session) => {
      const ids = await openIds(session, query, BULK_MAX)
      for (const id of ids) await resolveConflict(session, this.#context, { ...wanted, id })
      return ids
    })
  }

  parked(signal: AbortSignal): Promise<ParkedKey[]> {
    return this.#with(signal, (session) => listParked(session))
  }

  /** @throws as `resolveParked` */
  resolveParked(decision: ParkedDecision, signal: AbortSignal): Promise<void> {
    return this.#with(signal, (session) => resolveParked(session, this.#context, decision))
  }

  async #with<Result>(signal: AbortSignal, work: (session: Session) => Promise<Result>): Promise<Result> {
    await using session = await openSession(this.#config, { role: 'plain', signal })
    return await work(session)
  }
}

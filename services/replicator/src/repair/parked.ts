import { quoteText } from '@cellway/mysql-value'
import type { CellContext } from '../context.ts'
import type { Session } from '../store/session.ts'
import { Arbiters } from './arbiter-of-row.ts'
import { BEGIN_LOCKING } from './emit.ts'
import { loadTable, readImage, readRows } from './local-tables.ts'
import { parkedRows, parkedWhere, settleRow, unparkSql } from './resolve.ts'

/** Keys that are held: by the policy `park`, or because their change could not be written. */
export interface ParkedKey {
  /** schema.table */
  readonly table: string
  /** As in the records of conflicts. */
  readonly key: string
  readonly reason: string
  readonly conflictId: string | null
  /** Changes that wait, the first one included. */
  readonly changes: number
}

const PARKED_MAX = 1000

export async function listParked(session: Session): Promise<ParkedKey[]> {
  const rows = await session.rows(
    `SELECT k.table_schema, k.table_name, k.key_text, k.reason, k.conflict_id, (SELECT COUNT(*) FROM cellway.parked_change c
     WHERE (c.table_schema, c.table_name, c.key_hash) = (k.table_schema, k.table_name, k.key_hash))
     FROM cellway.parked_key k ORDER BY k.parked_at LIMIT ${PARKED_MAX}`
  )
  return rows.map((cells) => {
    const [schema, name, key = '', reason = '', conflictId, changes] = cells.map((cell) => cell?.toString())
    return { table: `${schema}.${name}`, key, reason, conflictId: conflictId ?? null, changes: Number(changes ?? 0) }
  })
}

export interface ParkedDecision {
  readonly table: string
  readonly key: string
  /** `apply`: what waits, in order. `discard`: none of it. */
  readonly action: 'apply' | 'discard'
  readonly by: string
  readonly reason: string
}

/**
 * Ends the holding of a key that no conflict stands for. Where another cell is the arbiter, what waits is mostly its word: then `apply` asks it
 * for the row as it is by now, which also lifts the key, and `discard` only drops what waits. A key that is not held: nothing happens.
 * @throws REP_TABLE_UNUSABLE, what the session throws
 */
export async function resolveParked(
  session: Session,
  context: CellContext,
  { table: id, key: text, action, by, reason }: ParkedDecision
): Promise<void> {
  const [schema = '', name = ''] = id.split('.')
  const table = await loadTable(session, { schema, name })
  const key = readImage(table.identity, text)
  await session.run(BEGIN_LOCKING)
  try {
    const [held] = await session.rows(`SELECT reason FROM cellway.parked_key WHERE ${parkedWhere(table, key)} FOR UPDATE`)
    if (held !== undefined) {
      const current = (await readRows(session, table, [key], ' FOR UPDATE')).get(table.plan.keyOf(key))
      const queue = await parkedRows(session, table, key)
      const last = queue.at(-1)
      const isArbiter = new Arbiters(context).of(table.identity, [current, ...queue.map(({ row }) => row), key]).cell === context.cell
      if (isArbiter) {
        const target = action === 'apply' && last !== undefined ? last.row : current
        await settleRow(session, { context, table, key, current, target, reason: `operator: ${action}`, conflictId: '' })
      } else if (action === 'discard') await session.run(unparkSql(table, key))
      else {
        const texts = [context.cell, context.store, schema, name, text, held[0]?.toString() ?? '', by].map((value) => quoteText(value))
        await session.run(
          `INSERT INTO cellway.conflict (source_cell, store, table_schema, table_name, key_text, class, resolved_by, source_gtid, commit_time_us, policy,
           decision, reemit, resolution, resolved_at) VALUES (${texts.join(', ')}, '', 0, '', 'requested', 'request', 'requested', NOW(6))`
        )
      }
    }
    await session.run('COMMIT')
    context.log.info({ table: id, key: text, action, by, why: reason }, 'parked key decided by an operator')
  } catch (cause) {
    await session.run('ROLLBACK').catch(() => undefined)
    throw cause
  }
}

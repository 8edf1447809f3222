import { randomUUID } from 'node:crypto'
import type { Row, RowChange } from '@cellway/change'
import type { CellContext } from '../context.ts'
import type { Session } from '../store/session.ts'
import { rowTooLarge } from './errors.ts'
import { encodeImages, keyOnly, repairSql } from './images.ts'
import type { LocalTable } from './local-tables.ts'
import { readRows } from './local-tables.ts'

/** One row to be sent, with the key it is known by. */
export interface RowRef {
  readonly table: LocalTable
  /** Key columns; others may be absent. */
  readonly key: Row
}

export interface Emission {
  readonly context: CellContext
  readonly reason: string
  readonly conflictId?: string
}

/**
 * Locks also the places of rows that are not there, or a row could be inserted here between our look and our commit: the stream would
 * have the insert first and "there is no such row" second.
 */
export const BEGIN_LOCKING = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION'

/** Hex doubles the bytes; some room is left for the statement around them. */
const ROOM_BYTES = 64 * 1024

/** The rows as they are now, into this cell's stream; within the caller's transaction, before anything else it writes. */
export async function emitRows(session: Session, refs: readonly RowRef[], { context, reason, conflictId = '' }: Emission): Promise<RowChange[]> {
  const rows: RowChange[] = []
  for (const [table, keys] of byTable(refs)) {
    const found = await readRows(session, table, keys, ' FOR UPDATE')
    for (const key of keys) rows.push(presence(table, key, found.get(table.plan.keyOf(key))))
  }
  await writeRepair(session, rows, { context, reason, conflictId, kind: 'repair' })
  return rows
}

/** "This is how the row is to be": an insert, or a delete for no row. */
export function presence({ identity }: LocalTable, key: Row, row: Row | undefined): RowChange {
  return row === undefined ? { kind: 'delete', table: identity, before: keyOnly(identity, key) } : { kind: 'insert', table: identity, after: row }
}

/** @throws REP_ROW_TOO_LARGE, what the session throws */
export async function writeRepair(
  session: Session,
  rows: readonly RowChange[],
  { context, reason, conflictId = '', kind }: Emission & { readonly kind: 'repair' | 'request' }
): Promise<void> {
  const [first] = rows
  if (first === undefined) return
  const bytes = encodeImages(rows).length
  if (bytes * 2 + ROOM_BYTES > session.packetBytesMax) {
    if (rows.length === 1) throw rowTooLarge({ table: `${first.table.schema}.${first.table.name}`, bytes, packetBytesMax: session.packetBytesMax })
    // Several rows of the table in one transaction say the same as one with all images.
    const half = rows.length >> 1
    await writeRepair(session, rows.slice(0, half), { context, reason, conflictId, kind })
    await writeRepair(session, rows.slice(half), { context, reason, conflictId, kind })
    return
  }
  const createdUs = Math.round(context.clock.nowMs() * 1000)
  await session.run(repairSql({ id: randomUUID(), cell: context.cell, kind, reason, conflictId, rows }, createdUs))
}

function byTable(refs: readonly RowRef[]): Map<LocalTable, Row[]> {
  const tables = new Map<LocalTable, Map<string, Row>>()
  for (const { table, key } of refs) {
    const keys = tables.get(table) ?? new Map<string, Row>()
    keys.set(table.plan.keyOf(key), key)
    tables.set(table, keys)
  }
  return new Map([...tables].map(([table, keys]) => [table, [...keys.values()]]))
}

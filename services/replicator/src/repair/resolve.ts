import { createHash } from 'node:crypto'
import type { Row } from '@cellway/change'
import { afterRow, changesOf, joinFragments } from '@cellway/change'
import type { ConflictDetails } from '@cellway/client'
import { lenientInsert, quoteBytes, quoteText } from '@cellway/mysql-value'
import { decodeChanges } from '../apply/change-bytes.ts'
import type { CellContext } from '../context.ts'
import type { Session } from '../store/session.ts'
import { Arbiters } from './arbiter-of-row.ts'
import { readConflict } from './conflicts.ts'
import { BEGIN_LOCKING, presence, writeRepair } from './emit.ts'
import { alreadyResolved, notArbiter, resolutionInvalid } from './errors.ts'
import type { LocalTable } from './local-tables.ts'
import { loadTable, readImage, readRows } from './local-tables.ts'

export interface Resolution {
  readonly id: string
  /** `apply`: the row as the change leaves it, with what waited behind it. `keep`: the row that is here. `edit`: `row`. */
  readonly resolution: 'apply' | 'keep' | 'edit'
  /** JSON text as images are shown; empty or `null`: no row. */
  readonly row?: string
  readonly by: string
  readonly reason: string
}

/** Characters of the column. */
const BY_MAX = 190

/**
 * An operator's word about one conflict: a repair transaction, with the row here, the stream to all others, the record and the parked key
 * in one commit. The same again changes nothing. Only where the row's arbiter is; elsewhere `keep` means "seen".
 * @throws REP_CONFLICT_UNKNOWN, REP_NOT_ARBITER, REP_ALREADY_RESOLVED, REP_RESOLUTION_INVALID, REP_TABLE_UNUSABLE, REP_ROW_TOO_LARGE,
 * MYV_IMAGE_INVALID, what the session throws
 */
export async function resolveConflict(session: Session, context: CellContext, wanted: Resolution): Promise<ConflictDetails> {
  await session.run(BEGIN_LOCKING)
  try {
    await resolveLocked(session, context, wanted)
    await session.run('COMMIT')
  } catch (cause) {
    await session.run('ROLLBACK').catch(() => undefined)
    throw cause
  }
  context.log.info({ conflictId: wanted.id, resolution: wanted.resolution, by: wanted.by, why: wanted.reason }, 'conflict decided by an operator')
  return readConflict(session, wanted.id, '')
}

async function resolveLocked(session: Session, context: CellContext, wanted: Resolution): Promise<void> {
  const { id, resolution } = wanted
  const conflict = await readConflict(session, id, ' FOR UPDATE')
  if (conflict.resolution === resolution) return
  if (conflict.resolution !== null) throw alreadyResolved({ id, resolution: conflict.resolution, by: conflict.resolvedBy ?? '' })
  const [schema = '', name = ''] = conflict.table.split('.')
  const table = await loadTable(session, { schema, name })
  const images = [conflict.before, conflict.after, conflict.current].map((text) => (text === null ? undefined : readImage(table.identity, text)))
  const key = readImage(table.identity, conflict.key)
  const arbiter = new Arbiters(context).of(table.identity, images).cell
  if (arbiter !== context.cell) {
    if (resolution !== 'keep') throw notArbiter({ id, arbiter: arbiter ?? '' })
    await close(session, wanted, conflict.reemit)
    return
  }
  const current = (await readRows(session, table, [key], ' FOR UPDATE')).get(table.plan.keyOf(key))
  const queue = resolution === 'apply' ? await parkedRows(session, table, key) : []
  const last = queue.at(-1)
  const target =
    resolution === 'keep' ? current : resolution === 'edit' ? editedRow(wanted, { table, key, current }) : last === undefined ? images[1] : last.row
  await settleRow(session, { context, table, key, current, target, reason: `operator: ${resolution}`, conflictId: id })
  await close(session, wanted, 'done')
}

export interface Settlement {
  readonly context: CellContext
  readonly table: LocalTable
  readonly key: Row
  readonly current: Row | undefined
  readonly target: Row | undefined
  readonly reason: string
  readonly conflictId: string
}

/** The row here and everywhere, and nothing waits for its key any more. Within a transaction that holds the row. */
export async function settleRow(session: Session, { context, table, key, current, target, reason, conflictId }: Settlement): Promise<void> {
  const emission = { context, reason, conflictId, kind: 'repair' } as const
  const whole = target?.map((value, at) => (value === undefined ? current?.[at] : value))
  await writeRepair(session, [presence(table, key, whole)], emission)
  await writeRow(session, table, { key, current, target: whole })
  // A default that was asked for, or a trigger of the user's: the row may be another one than was written.
  const written = (await readRows(session, table, [key])).get(table.plan.keyOf(key))
  if (whole?.includes(undefined) || !isSameRow(table, written, whole)) await writeRepair(session, [presence(table, key, written)], emission)
  await session.run(unparkSql(table, key))
}

async function close(session: Session, { id, resolution, by }: Resolution, reemit: string): Promise<void> {
  await session.run(
    `UPDATE cellway.conflict SET resolution = '${resolution}', resolved_by = ${quoteText(by.slice(0, BY_MAX))}, resolved_at = NOW(6),
     reemit = ${quoteText(reemit)} WHERE id = ${id}`
  )
}

interface Editing {
  readonly table: LocalTable
  readonly key: Row
  readonly current: Row | undefined
}

function editedRow({ id, row: text }: Resolution, { table: { identity, plan }, key, current }: Editing): Row | undefined {
  if (text === undefined) throw resolutionInvalid({ id, problem: 'an edit needs a row' })
  if (text.trim() === '' || text.trim() === 'null') return undefined
  // What the operator did not write stays as it is.
  const base = current ?? key
  const row = readImage(identity, text).map((value, at) => (value === undefined ? base[at] : value))
  const missing = identity.columns.filter((_, at) => row[at] === undefined).map(({ name }) => name)
  if (missing.length > 0) throw resolutionInvalid({ id, problem: `the row has no ${missing.join(', ')}` })
  if (plan.keyOf(row) !== plan.keyOf(key)) throw resolutionInvalid({ id, problem: 'the row has another key' })
  return row
}

interface RowChangeHere {
  readonly key: Row
  readonly current: Row | undefined
  readonly target: Row | undefined
}

async function writeRow(session: Session, { plan }: LocalTable, { key, current, target }: RowChangeHere): Promise<void> {
  if (target === undefined) {
    if (current !== undefined) await session.run(`DELETE FROM ${plan.tableSql} WHERE ${plan.keyColumnsSql} = ${plan.keySql(key)}`)
    return
  }
  if (current !== undefined && plan.rowsEqual(current, target)) return
  const insert = `INSERT INTO ${plan.tableSql} ${plan.insertColumnsSql} VALUES ${plan.rowSql(target)}${current === undefined ? '' : plan.upsertTailSql}`
  await session.run(plan.needsLenientMode(target) ? lenientInsert(session.flavour, insert) : insert)
}

function isSameRow({ plan }: LocalTable, left: Row | undefined, right: Row | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return plan.rowsEqual(left, right)
}

/** What waits for the decision, in the order in which it came: each change leaves a row or none. */
export async function parkedRows(session: Session, table: LocalTable, key: Row): Promise<{ row: Row | undefined }[]> {
  const queued = await session.rows(`SELECT change_bytes FROM cellway.parked_change WHERE ${parkedWhere(table, key)} ORDER BY id FOR UPDATE`)
  return queued.flatMap(([bytes]) => (bytes === null || bytes === undefined ? [] : rowsOf(bytes, table)))
}

function rowsOf(bytes: Buffer, { identity }: LocalTable): { row: Row | undefined }[] {
  const found: { row: Row | undefined }[] = []
  const fragments = []
  for (const record of decodeChanges(bytes)) {
    for (const transaction of record.kind === 'transactions' ? record.transactions() : []) {
      for (const view of changesOf(transaction)) {
        if (view.kind === 'schema') continue
        if (view.kind === 'fragment') fragments.push(view)
        if (view.kind === 'fragment' && !view.last) continue
        const change = view.kind === 'fragment' ? joinFragments(fragments.splice(0)) : view
        found.push({ row: change.kind === 'delete' ? undefined : reordered(afterRow(change), change.table.columns, identity.columns) })
      }
    }
  }
  return found
}

/** The columns as this cell has them. */
function reordered(row: Row, from: readonly { readonly name: string }[], to: readonly { readonly name: string }[]): Row {
  return to.map(({ name }) => row[from.findIndex((column) => column.name === name)])
}

export function unparkSql(table: LocalTable, key: Row): string {
  const where = parkedWhere(table, key)
  return `DELETE FROM cellway.parked_change WHERE ${where}; DELETE FROM cellway.parked_key WHERE ${where}`
}

export function parkedWhere({ identity, plan }: LocalTable, key: Row): string {
  const hash = createHash('sha256').update(plan.keyOf(key)).digest()
  return `table_schema = ${quoteText(identity.schema)} AND table_name = ${quoteText(identity.name)} AND key_hash = ${quoteBytes(hash)}`
}

import type { CellValue, ChangeView, FragmentView, RowChange, RowChangeView, TableIdentity } from '@cellway/change'
import { afterRow, beforeRow, changesOf, readChange } from '@cellway/change'
import type { Repair } from '../repair/images.ts'
import { repairOf } from '../repair/images.ts'
import type { Opening } from './applied-positions.ts'
import type { SourcePart, SourceTransaction } from './source-stream.ts'
import type { SourceTable, TargetTable } from './target-tables.ts'

/** A row change with the table it goes to. */
export interface DataChange {
  readonly change: RowChangeView
  readonly target: TargetTable
}

export interface OwnerRow {
  readonly space: string
  readonly bucket: string
  readonly epoch: number
  readonly owner: string
}

/** A transaction, or a part of one, sorted into what is data and what only says something. */
export interface PreparedTransaction<Item extends SourceTransaction | SourcePart = SourceTransaction> {
  readonly item: Item
  readonly data: readonly DataChange[]
  readonly fragments: readonly FragmentView[]
  /** Rows of `cellway.repair`: what they carry is to be so, whatever is here. */
  readonly repairs: readonly Repair[]
  /** It begins with a row that marks what was applied: it should not be in this stream. */
  readonly isEcho: boolean
  readonly heartbeats: readonly number[]
  readonly opened: readonly Opening[]
  readonly owners: readonly OwnerRow[]
  /** Neither data nor anything but heartbeats: nobody waits for it to be known as applied. */
  readonly isIdle: boolean
}

type Prepared<Item extends SourceTransaction | SourcePart> =
  | { readonly kind: 'prepared'; readonly transaction: PreparedTransaction<Item> }
  /** The table has to be loaded first. */
  | { readonly kind: 'unknown-table'; readonly table: TableIdentity }

interface Collected {
  data: DataChange[]
  fragments: FragmentView[]
  heartbeats: number[]
  opened: Opening[]
  owners: OwnerRow[]
  repairs: Repair[]
  isEcho: boolean
  others: number
}

/** @throws CHANGE_CORRUPT and the like */
export function prepare<Item extends SourceTransaction | SourcePart>(
  item: Item,
  known: (table: TableIdentity) => SourceTable | undefined
): Prepared<Item> {
  const collected: Collected = { data: [], fragments: [], heartbeats: [], opened: [], owners: [], repairs: [], isEcho: false, others: 0 }
  let newest: TableIdentity | undefined
  let table: SourceTable | undefined
  for (const change of changesOf(item.view)) {
    // What the origin did to its schema is for people; nobody's applier does it.
    if (change.kind === 'schema') continue
    if (change.table !== newest) {
      newest = change.table
      table = known(newest)
    }
    if (table === undefined) return { kind: 'unknown-table', table: change.table }
    collect(collected, change, table)
  }
  const { data, fragments, heartbeats, opened, owners, repairs, isEcho, others } = collected
  const isIdle = data.length === 0 && fragments.length === 0 && others === 0
  return { kind: 'prepared', transaction: { item, data, fragments, heartbeats, opened, owners, repairs, isEcho, isIdle } }
}

function collect(collected: Collected, change: Exclude<ChangeView, { kind: 'schema' }>, table: SourceTable): void {
  if (table.kind === 'echo') {
    if (collected.data.length === 0) collected.isEcho = true
    return
  }
  if (table.kind === 'carried') {
    if (change.kind === 'fragment' || change.kind === 'delete') collected.others += 1
    else if (table.name === 'repair') collectRepair(collected, change)
    else collectCarried(collected, table.name, reader(afterRow(change), table.columnOf))
    return
  }
  if (change.kind === 'fragment') collected.fragments.push(change)
  else collected.data.push({ change, target: table.target })
}

function collectRepair(collected: Collected, view: RowChangeView): void {
  collected.others += 1
  const change = readChange(view)
  const repair = change.kind === 'schema' ? undefined : repairOf(change)
  if (repair !== undefined) collected.repairs.push(repair)
}

function collectCarried(collected: Collected, name: string, value: (column: string) => string): void {
  if (name === 'heartbeat') {
    collected.heartbeats.push(Number(value('time_us')))
    return
  }
  collected.others += 1
  if (name !== 'opened' && name !== 'bucket_owner') return
  const row = { space: value('space'), bucket: value('bucket'), epoch: Number(value('epoch')), owner: value('owner') }
  if (name === 'bucket_owner') collected.owners.push(row)
  else collected.opened.push({ ...row, requires: requirementsOf(value('requires_positions')) })
}

function requirementsOf(text: string): Record<string, string> {
  const parsed = JSON.parse(text) as unknown
  if (typeof parsed !== 'object' || parsed === null) return {}
  return Object.fromEntries(Object.entries(parsed).map(([cell, position]) => [cell, String(position)]))
}

function reader(row: readonly CellValue[], columnOf: ReadonlyMap<string, number>): (column: string) => string {
  return (column) => textOf(row[columnOf.get(column) ?? -1])
}

/** Names and numbers of our own tables: ASCII, or UTF-8. */
export function textOf(value: CellValue): string {
  if (value === undefined || value === null) return ''
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString() : String(value)
}

/** Values as views into the record: a large row is not copied. */
export function rowChangeOf(change: DataChange['change']): RowChange {
  const { table } = change
  if (change.kind === 'insert') return { kind: 'insert', table, after: afterRow(change) }
  if (change.kind === 'delete') return { kind: 'delete', table, before: beforeRow(change) }
  return { kind: 'update', table, before: beforeRow(change), after: afterRow(change) }
}

/** For the property test: cells as plain maps, streams as plain lists, everything that can be in flight at once, and nothing else. */
import type { CellValue, Row, TableIdentity } from '@cellway/change'
import type { CellRank } from './arbiter.ts'
import { arbiterOf } from './arbiter.ts'
import { decideClash } from './clash.ts'
import type { Facts } from './decide.ts'
import { decide } from './decide.ts'
import { detect } from './detect.ts'
import type { Policy } from './policy.ts'

export const TABLE: TableIdentity = {
  schema: 'shop',
  name: 'item',
  columns: [
    { name: 'id', type: 'varchar(8)', characterSet: 'ascii' },
    { name: 'code', type: 'int', characterSet: '' },
    { name: 'stock', type: 'bigint', characterSet: '' },
    { name: 'note', type: 'varchar(8)', characterSet: 'ascii' },
    { name: 'version', type: 'int', characterSet: '' }
  ],
  keyColumns: [0]
}
export const COLUMN = { id: 0, code: 1, stock: 2, note: 3, version: 4 } as const

interface KeyChange {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly key: string
  readonly before: Row | undefined
  readonly after: Row | undefined
}

export type Entry =
  | { readonly type: 'change'; readonly change: KeyChange }
  | { readonly type: 'repair'; readonly key: string; readonly row: Row | undefined }
  | { readonly type: 'request'; readonly key: string }
  | {
      readonly type: 'opened'
      readonly key: string
      readonly epoch: number
      readonly owner: string
      readonly requires: { readonly cell: string; readonly position: number }
    }

interface Ownership {
  owner: string | undefined
  epoch: number
  /** Whether the owner has said so in its stream: until then what it writes is not the owner's word. */
  opened: boolean
  readonly former: string[]
}

export interface Cell {
  readonly name: string
  readonly rows: Map<string, Row>
  readonly stream: Entry[]
  readonly applied: Map<string, number>
  readonly owners: Map<string, Ownership>
  /** Key → the epoch at which the answer was owed. */
  readonly pending: Map<string, number>
  readonly requests: Set<string>
  readonly parked: Map<string, KeyChange[]>
  /** Handing a key over: what this cell released, and at which position of its stream. */
  readonly released: Map<string, { readonly to: string; readonly position: number }>
}

export interface World {
  readonly cells: readonly Cell[]
  readonly ranks: readonly CellRank[]
  readonly policy: Policy
  /** One rule taken out, to see that the test notices. */
  readonly fault?: Fault
}

export type Fault = 'answers-only-conflicts' | 'third-cells-decide' | 'no-answer' | 'clash-ignored' | 'handover-forgets'

export function same(left: CellValue, right: CellValue): boolean {
  return left === right
}

export function rowsEqual(left: Row, right: Row): boolean {
  return left.every((value, at) => same(value, right[at]))
}

/** A statement of the application in one cell; refused where the cell's own unique key refuses it. Fences are off. */
export function write(cell: Cell, key: string, make: (current: Row | undefined) => Row | undefined): void {
  const before = cell.rows.get(key)
  const after = make(before)
  if (before === undefined && after === undefined) return
  if (after !== undefined && holder(cell, key, after) !== undefined) return
  if (before !== undefined && after !== undefined && rowsEqual(before, after)) return
  put(cell, key, after)
  cell.stream.push({
    type: 'change',
    change: { kind: before === undefined ? 'insert' : after === undefined ? 'delete' : 'update', key, before, after }
  })
}

/** Applies the next entry of another cell's stream. False: there is none, or it has to wait. */
export function applyNext(world: World, cell: Cell, from: Cell): boolean {
  const at = cell.applied.get(from.name) ?? 0
  const entry = from.stream[at]
  if (entry === undefined) return false
  if (entry.type === 'opened') {
    if (entry.requires.cell !== cell.name && (cell.applied.get(entry.requires.cell) ?? 0) < entry.requires.position) return false
    adopt(cell, entry)
  }
  cell.applied.set(from.name, at + 1)
  if (entry.type === 'request') owe(cell, entry.key)
  if (entry.type === 'change') applyChange(world, { cell, from: from.name, change: entry.change, repair: false })
  if (entry.type === 'repair') {
    const change: KeyChange = { kind: entry.row === undefined ? 'delete' : 'insert', key: entry.key, before: undefined, after: entry.row }
    applyChange(world, { cell, from: from.name, change, repair: true })
  }
  return true
}

interface Applying {
  readonly cell: Cell
  readonly from: string
  readonly change: KeyChange
  readonly repair: boolean
}

function applyChange(world: World, { cell, from, change, repair }: Applying): void {
  const queue = cell.parked.get(change.key)
  if (queue !== undefined && !repair) {
    queue.push(change)
    return
  }
  const ownership = cell.owners.get(change.key)
  const facts: Facts = {
    selfCell: cell.name,
    originCell: from,
    owners: [ownership?.owner],
    originOwned:
      ownership?.owner === undefined
        ? 'unknown'
        : ownership.owner === from && ownership.opened
          ? 'yes'
          : ownership.former.includes(from)
            ? 'late'
            : 'no',
    cells: world.ranks
  }
  const current = cell.rows.get(change.key)
  const detected = detect({ ...change, current }, rowsEqual)
  let decision = decide({ ...change, current, detected, policy: world.policy, table: TABLE, facts, repair, isSame: same })
  if (world.fault === 'third-cells-decide' && facts.originOwned === 'no')
    decision = decide({
      ...change,
      current,
      detected,
      policy: world.policy,
      table: TABLE,
      facts: { ...facts, owners: [cell.name] },
      repair,
      isSame: same
    })
  if (world.fault === 'answers-only-conflicts' && detected === 'clean') decision = { ...decision, reemit: false }
  if (decision.reemit && world.fault !== 'no-answer') owe(cell, change.key)
  if (decision.action === 'park') cell.parked.set(change.key, [change])
  else if (repair && decision.action === 'apply') cell.parked.delete(change.key)
  if (decision.action === 'apply') putOrClash(world, { cell, key: change.key, row: change.after, repair })
  if (decision.action === 'write') putOrClash(world, { cell, key: change.key, row: decision.row, repair })
}

interface Writing {
  readonly cell: Cell
  readonly key: string
  readonly row: Row | undefined
  readonly repair: boolean
}

function putOrClash(world: World, { cell, key, row, repair }: Writing): void {
  const inTheWay = row === undefined ? undefined : holder(cell, key, row)
  if (inTheWay === undefined) {
    put(cell, key, row)
    return
  }
  const decision = decideClash({
    selfCell: cell.name,
    cells: world.ranks,
    incomingOwners: [cell.owners.get(key)?.owner],
    standingOwners: [cell.owners.get(inTheWay)?.owner],
    repair
  })
  if (world.fault === 'clash-ignored') return
  if (decision.reemit !== undefined) owe(cell, decision.reemit === 'standing' ? inTheWay : key)
  if (decision.request !== undefined) cell.requests.add(decision.request === 'standing' ? inTheWay : key)
  if (decision.action === 'keep') return
  put(cell, inTheWay, undefined)
  put(cell, key, row)
}

/** What the repairer of a cell does when it gets its turn. True: it wrote something. */
export function runRepairer(world: World, cell: Cell): boolean {
  let wrote = false
  for (const [key, epoch] of cell.pending) {
    const ownership = cell.owners.get(key)
    if (arbiterOf([ownership?.owner], world.ranks) === cell.name) {
      cell.stream.push({ type: 'repair', key, row: cell.rows.get(key) })
    } else if (ownership?.opened === true && ownership.epoch > epoch) {
      if (world.fault === 'handover-forgets') continue
      cell.stream.push({ type: 'request', key })
    } else continue
    cell.pending.delete(key)
    wrote = true
  }
  for (const key of cell.requests) {
    // Asked of another, and meanwhile it is this cell whose word counts.
    const isArbiter = arbiterOf([cell.owners.get(key)?.owner], world.ranks) === cell.name
    cell.stream.push(isArbiter ? { type: 'repair', key, row: cell.rows.get(key) } : { type: 'request', key })
    wrote = true
  }
  cell.requests.clear()
  return wrote
}

/** An operator decides about a parked key. */
export function resolveParked(cell: Cell, key: string, resolution: 'apply' | 'keep'): void {
  const queue = cell.parked.get(key)
  if (queue === undefined) return
  cell.parked.delete(key)
  for (const { after } of resolution === 'apply' ? queue : [])
    if (after === undefined || holder(cell, key, after) === undefined) put(cell, key, after)
  owe(cell, key)
}

/** The first half of a planned shift: the owner lets go. */
export function release(cell: Cell, key: string, to: string): void {
  const ownership = cell.owners.get(key)
  if (ownership === undefined || ownership.owner !== cell.name || to === cell.name) return
  cell.released.set(key, { to, position: cell.stream.length })
  ownership.former.push(cell.name)
  ownership.owner = to
  ownership.epoch += 1
  ownership.opened = false
}

/**
 * The second half: the new owner has everything of the old one, and says so first of all. What it requires of others is what it has
 * itself, which may be more than the old owner's last legal write: it took the rest for legal, so all must.
 */
export function open(cell: Cell, from: Cell, key: string): boolean {
  const released = from.released.get(key)
  if (released === undefined || released.to !== cell.name || (cell.applied.get(from.name) ?? 0) < released.position) return false
  from.released.delete(key)
  const epoch = from.owners.get(key)?.epoch ?? 0
  const entry = { type: 'opened', key, epoch, owner: cell.name, requires: { cell: from.name, position: cell.applied.get(from.name) ?? 0 } } as const
  adopt(cell, entry)
  cell.stream.push(entry)
  return true
}

function adopt(cell: Cell, { key, epoch, owner }: { readonly key: string; readonly epoch: number; readonly owner: string }): void {
  const ownership = cell.owners.get(key)
  if (ownership === undefined) return
  if (ownership.owner !== undefined && ownership.owner !== owner) ownership.former.push(ownership.owner)
  const again = ownership.former.indexOf(owner)
  if (again >= 0) ownership.former.splice(again, 1)
  ownership.owner = owner
  ownership.epoch = Math.max(epoch, ownership.epoch)
  ownership.opened = true
}

function owe(cell: Cell, key: string): void {
  const ownership = cell.owners.get(key)
  const epoch = ownership === undefined ? 0 : ownership.opened ? ownership.epoch : ownership.epoch - 1
  cell.pending.set(key, Math.min(epoch, cell.pending.get(key) ?? epoch))
}

function put(cell: Cell, key: string, row: Row | undefined): void {
  if (row === undefined) cell.rows.delete(key)
  else cell.rows.set(key, row)
}

/** The other row that has the code. */
function holder(cell: Cell, key: string, row: Row): string | undefined {
  const code = row[COLUMN.code]
  if (code === null) return undefined
  return [...cell.rows].find(([other, held]) => other !== key && held[COLUMN.code] === code)?.[0]
}

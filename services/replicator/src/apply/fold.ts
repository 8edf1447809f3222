import { isCellwayError } from '@cellway/base'
import type { CellValue, Row } from '@cellway/change'
import { afterRow, beforeRow } from '@cellway/change'
import type { GatePass } from '../bootstrap/gate.ts'
import type { Ownership } from './ownership.ts'
import type { DataChange } from './prepare.ts'
import type { TargetTable } from './target-tables.ts'

/** All changes of one row in a batch: what the first one found, and what the last one left. `undefined` is no row. */
export interface FoldedRow {
  /** Literals of the key. */
  readonly keySql: string
  readonly first: Row | undefined
  last: Row | undefined
  changes: number
  /** Of the first change, so that a conflict can be told from what came before it. */
  readonly unit: number
  /** As it is at the target, once it was read. */
  current: Row | undefined
  /** The target has the last image already. */
  isThere: boolean
}

export interface FoldedTable {
  readonly target: TargetTable
  /** While a bootstrap copies it: nothing is read or compared, the last image wins. */
  readonly overwrites: boolean
  /** In the order of their first change. */
  readonly rows: Map<string, FoldedRow>
}

/** What a change needs that a batch does not give: the order of the origin, or a decision. */
export type NotFoldable =
  | 'key-change'
  | 'deleted-and-inserted'
  | 'ambiguous-key'
  | 'contradiction'
  | 'invalid-enum'
  | 'invalid-value'
  | 'absent-column'
  | 'foreign'

/**
 * Changes of a batch, joined per row. A change that does not fit leaves the fold unusable: begin a new one without its transaction.
 * Pure: nothing is read or written.
 */
export class Fold {
  readonly tables = new Map<string, FoldedTable>()
  readonly #ownership: Ownership
  readonly #pass: GatePass
  #newest: FoldedTable | undefined
  rowChanges = 0

  constructor(ownership: Ownership, pass: GatePass) {
    this.#ownership = ownership
    this.#pass = pass
  }

  /** `unit` grows with each transaction. */
  add(change: DataChange, unit: number): NotFoldable | undefined {
    try {
      return this.#add(change, unit)
    } catch (cause) {
      // A value that no statement can say: the exact lane records it.
      if (isCellwayError(cause) && cause.code.startsWith('MYV_')) return 'invalid-value'
      throw cause
    }
  }

  #add({ change, target }: DataChange, unit: number): NotFoldable | undefined {
    this.rowChanges += 1
    if (this.#pass.active && this.#pass.treatment(target.plan.source) === 'skip') return undefined
    const table = this.#tableOf(target)
    if (table.overwrites) return this.#overwrite(table, change, unit)
    switch (change.kind) {
      case 'insert':
        return this.#insert(table, afterRow(change), unit)
      case 'delete':
        return this.#delete(table, beforeRow(change), unit)
      default:
        return this.#update(table, beforeRow(change), afterRow(change), unit)
    }
  }

  #overwrite(table: FoldedTable, change: DataChange['change'], unit: number): NotFoldable | undefined {
    const { plan } = table.target
    const put = (row: Row, last: Row | undefined): void => {
      table.rows.set(plan.keyOf(row), { keySql: plan.keySql(row), first: undefined, last, changes: 1, unit, current: undefined, isThere: false })
    }
    if (change.kind !== 'insert') put(beforeRow(change), undefined)
    if (change.kind === 'delete') return undefined
    const after = afterRow(change)
    if (plan.needsLenientMode(after)) return 'invalid-enum'
    put(after, after)
    return undefined
  }

  #insert(table: FoldedTable, after: Row, unit: number): NotFoldable | undefined {
    const unfit = this.#unfit(table.target, after)
    if (unfit !== undefined) return unfit
    const { plan } = table.target
    const key = plan.keyOf(after)
    const known = table.rows.get(key)
    if (known === undefined) {
      table.rows.set(key, { keySql: plan.keySql(after), first: undefined, last: after, changes: 1, unit, current: undefined, isThere: false })
      return undefined
    }
    if (known.last !== undefined) return 'contradiction'
    // The delete cascaded at the origin: here the row would only be overwritten.
    if (table.target.isReferenced) return 'deleted-and-inserted'
    if (known.first !== undefined && !isSameKey(table.target, known.first, after)) return 'ambiguous-key'
    known.last = after
    known.changes += 1
    return undefined
  }

  #update(table: FoldedTable, before: Row, after: Row, unit: number): NotFoldable | undefined {
    const unfit = this.#unfit(table.target, after) ?? this.#foreign(table.target, before)
    if (unfit !== undefined) return unfit
    if (!isSameKey(table.target, before, after)) {
      if (table.target.isReferenced) return 'key-change'
      return this.#delete(table, before, unit) ?? this.#insert(table, after, unit)
    }
    const { plan } = table.target
    const key = plan.keyOf(after)
    const known = table.rows.get(key)
    if (known === undefined) {
      table.rows.set(key, { keySql: plan.keySql(after), first: before, last: after, changes: 1, unit, current: undefined, isThere: false })
      return undefined
    }
    if (known.last === undefined || !isSameKey(table.target, known.last, after)) return 'contradiction'
    known.last = after
    known.changes += 1
    return undefined
  }

  #delete(table: FoldedTable, before: Row, unit: number): NotFoldable | undefined {
    const foreign = this.#foreign(table.target, before)
    if (foreign !== undefined) return foreign
    const { plan } = table.target
    const key = plan.keyOf(before)
    const known = table.rows.get(key)
    if (known === undefined) {
      table.rows.set(key, { keySql: plan.keySql(before), first: before, last: undefined, changes: 1, unit, current: undefined, isThere: false })
      return undefined
    }
    if (known.last === undefined || !isSameKey(table.target, known.last, before)) return 'contradiction'
    known.last = undefined
    known.changes += 1
    return undefined
  }

  #unfit(target: TargetTable, after: Row): NotFoldable | undefined {
    if (target.plan.needsLenientMode(after)) return 'invalid-enum'
    // Only an image that is not full has absent columns; what they are here has to be read first.
    if (after.includes(undefined)) return 'absent-column'
    return this.#foreign(target, after)
  }

  #foreign(target: TargetTable, row: Row): NotFoldable | undefined {
    return this.#ownership.isOrigins(target.plan.source, row) ? undefined : 'foreign'
  }

  #tableOf(target: TargetTable): FoldedTable {
    // Rows of one table come in runs.
    if (this.#newest?.target === target) return this.#newest
    let table = this.tables.get(target.id)
    if (table === undefined) {
      table = { target, overwrites: this.#pass.active && this.#pass.treatment(target.plan.source) === 'overwrite', rows: new Map() }
      this.tables.set(target.id, table)
    }
    this.#newest = table
    return table
  }
}

/** To the byte, not by the target's collation: where keys are equal there but not here, the origin's order decides. */
function isSameKey({ plan }: TargetTable, left: Row, right: Row): boolean {
  for (const column of plan.source.keyColumns) if (!isSameValue(left[column], right[column])) return false
  return true
}

function isSameValue(left: CellValue, right: CellValue): boolean {
  if (Object.is(left, right)) return true
  return left instanceof Uint8Array && right instanceof Uint8Array && Buffer.compare(left, right) === 0
}

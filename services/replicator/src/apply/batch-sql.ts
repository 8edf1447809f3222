import { rowTooLarge } from './errors.ts'
import type { Fold, FoldedTable } from './fold.ts'
import type { TargetTable } from './target-tables.ts'
import { parentsFirst } from './target-tables.ts'

/** Keys or rows of one statement: long enough to be cheap, short enough for the optimizer. */
const ROWS_PER_STATEMENT = 1000
/** Text of one statement, if the server takes as much: parsing costs less than the row it carries up to here. */
const STATEMENT_CHARACTERS = 512 * 1024
/** What stands around the rows of a statement, and the other statements of its packet. */
export const ROOM_BYTES = 16 * 1024

export interface SqlLimits {
  /** `max_allowed_packet` of the session. */
  readonly packetBytesMax: number
}

/** One locking read per table, and where its rows belong. */
export interface Reading {
  readonly sql: string
  readonly table: FoldedTable
}

export function readings(fold: Fold, limits: SqlLimits): Reading[] {
  const found: Reading[] = []
  for (const table of parentsFirst([...fold.tables.values()].map(({ target }) => target))) {
    const folded = fold.tables.get(table.id)
    if (folded === undefined || folded.overwrites) continue
    const keys = [...folded.rows.values()].map(({ keySql }) => keySql)
    for (const sql of statements({ head: table.selectHead, tail: ') FOR UPDATE', rows: keys, table, limits })) found.push({ sql, table: folded })
  }
  return found
}

/**
 * The order that neither cascades nor clashes: deletes of tables nobody refers to set unique values free; then rows from parents to
 * children; then deletes from children to parents.
 */
export function writings(fold: Fold, limits: SqlLimits): string[] {
  const tables = parentsFirst([...fold.tables.values()].map(({ target }) => target)).flatMap((target) => fold.tables.get(target.id) ?? [])
  const early = tables.filter(({ target }) => !target.isReferenced)
  const late = tables.filter(({ target }) => target.isReferenced).reverse()
  return [
    ...early.flatMap((table) => deletes(table, limits)),
    ...tables.flatMap((table) => writes(table, limits)),
    ...late.flatMap((table) => deletes(table, limits))
  ]
}

function deletes({ target, overwrites, rows }: FoldedTable, limits: SqlLimits): string[] {
  const keys: string[] = []
  for (const row of rows.values()) if (row.last === undefined && (overwrites || row.current !== undefined)) keys.push(row.keySql)
  return statements({ head: target.deleteHead, tail: ')', rows: keys, table: target, limits })
}

/** An upsert of a row that is not there could hit another one through a secondary key, so those are plain inserts. */
function writes({ target, overwrites, rows }: FoldedTable, limits: SqlLimits): string[] {
  const { plan } = target
  if (overwrites) {
    const images = [...rows.values()].flatMap(({ last }) => (last === undefined ? [] : [plan.rowSql(last)]))
    return statements({ head: target.replaceHead, tail: '', rows: images, table: target, limits })
  }
  const [missing, present]: [string[], string[]] = [[], []]
  for (const row of rows.values()) {
    if (row.last === undefined || row.isThere) continue
    if (row.current === undefined) missing.push(plan.rowSql(row.last))
    else present.push(plan.rowSql(row.last))
  }
  return [
    ...statements({ head: target.insertHead, tail: '', rows: missing, table: target, limits }),
    ...statements({ head: target.insertHead, tail: plan.upsertTailSql, rows: present, table: target, limits })
  ]
}

interface Statements {
  readonly head: string
  readonly tail: string
  readonly rows: readonly string[]
  readonly table: TargetTable
  readonly limits: SqlLimits
}

/** As few as the limits allow. @throws APL_ROW_TOO_LARGE */
function statements({ head, tail, rows, table, limits }: Statements): string[] {
  const found: string[] = []
  const charactersMax = Math.min(STATEMENT_CHARACTERS, limits.packetBytesMax - ROOM_BYTES)
  let list = ''
  let count = 0
  const close = (): void => {
    if (count > 0) found.push(head + list + tail)
    list = ''
    count = 0
  }
  for (const row of rows) {
    if (count > 0 && (count >= ROWS_PER_STATEMENT || list.length + row.length > charactersMax)) close()
    if (row.length + ROOM_BYTES > limits.packetBytesMax) throw tooLarge(table, row.length, limits)
    list = count === 0 ? row : `${list},${row}`
    count += 1
  }
  close()
  return found
}

export function tooLarge({ id }: TargetTable, characters: number, { packetBytesMax }: SqlLimits): Error {
  const needed = characters + ROOM_BYTES
  const rounded = 2 ** Math.ceil(Math.log2(needed))
  return rowTooLarge({ table: id, bytes: needed, packetBytesMax, statement: `SET GLOBAL max_allowed_packet = ${rounded}` })
}

import type { Change, Row, TableIdentity } from '@cellway/change'
import { insert, remove, text, update } from './fixture.ts'

export interface History {
  readonly history: readonly (readonly Change[])[]
  /** As the table is at the end, by id. */
  readonly rows: ReadonlyMap<bigint, Row>
}

/**
 * Transactions of one row and of several, of a table (id BIGINT, u INT with a unique key, name VARCHAR), as an origin would have
 * accepted them: keys change, values of the unique key change hands.
 */
export function randomHistory(table: TableIdentity, seed: number, transactions = 600): History {
  const random = randomOf(seed)
  const rows = new Map<bigint, Row>()
  const used = new Map<number, bigint>()
  const unused = (id: bigint): number | null => {
    const u = random(40)
    return used.has(u) && used.get(u) !== id ? null : u
  }
  const put = (row: Row | undefined, id: bigint): void => {
    const u = rows.get(id)?.[1]
    if (typeof u === 'number') used.delete(u)
    if (row === undefined) rows.delete(id)
    else {
      rows.set(id, row)
      if (typeof row[1] === 'number') used.set(row[1], id)
    }
  }
  const one = (): Change => {
    const id = BigInt(random(60))
    const before = rows.get(id)
    if (before === undefined) {
      const after: Row = [id, unused(id), text(`n${random(1000)}`)]
      put(after, id)
      return insert(table, after)
    }
    const kind = random(10)
    if (kind < 3) {
      put(undefined, id)
      return remove(table, before)
    }
    const other = BigInt(random(60))
    const to = kind === 3 && !rows.has(other) ? other : id
    put(undefined, id)
    const after: Row = [to, unused(to), text(`n${random(1000)}`)]
    put(after, to)
    return update(table, before, after)
  }
  const history = Array.from({ length: transactions }, () => Array.from({ length: 1 + (random(5) === 0 ? random(6) : 0) }, one))
  return { history, rows }
}

/** The same numbers for the same seed. */
export function randomOf(start: number): (below: number) => number {
  let seed = start
  return (below) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * below)
  }
}

export function expectedRows({ rows }: History): { id: number; u: unknown; name: string }[] {
  return [...rows.values()].sort((a, b) => Number(a[0]) - Number(b[0])).map(([id, u, name]) => ({ id: Number(id), u, name: String(name) }))
}

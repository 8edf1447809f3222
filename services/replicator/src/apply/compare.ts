import type { Policy } from '@cellway/conflict'
import type { StatementResult } from '../store/raw-query.ts'
import type { Reading } from './batch-sql.ts'
import type { FoldedRow, FoldedTable } from './fold.ts'

/** `unit`: the first transaction that touched the row; undefined where it cannot be told. */
export type Comparison = { readonly ok: true } | { readonly ok: false; readonly unit: number | undefined }

const CLEAN: Comparison = { ok: true }

/** Puts what was read beside what the origin found. Anything but "as expected" is for the exact lane. @throws MYV_VALUE_INVALID */
export function compare(readings: readonly Reading[], results: readonly StatementResult[], policyOf: (table: FoldedTable) => Policy): Comparison {
  for (const [at, { table }] of readings.entries()) {
    const { plan } = table.target
    for (const cells of results[at]?.rows ?? []) {
      const current = plan.resultRow(cells)
      const row = table.rows.get(plan.keyOf(current))
      // Equal there and not by our own folding: the server has to compare.
      if (row === undefined || row.current !== undefined) return { ok: false, unit: undefined }
      row.current = current
    }
  }
  let first: number | undefined
  for (const table of new Set(readings.map((reading) => reading.table))) {
    const keepsSame = policyOf(table).policy !== 'delta'
    for (const row of table.rows.values()) {
      if (isExpected(row, table, keepsSame)) continue
      first = first === undefined ? row.unit : Math.min(first, row.unit)
    }
  }
  return first === undefined ? CLEAN : { ok: false, unit: first }
}

function isExpected(row: FoldedRow, { target }: FoldedTable, keepsSame: boolean): boolean {
  const { first, last, current } = row
  if (current === undefined) return first === undefined
  if (first !== undefined && target.plan.rowsEqual(first, current)) return true
  // A single change whose result is there already needs nothing; of several, only their order could tell.
  row.isThere = keepsSame && row.changes === 1 && last !== undefined && target.plan.rowsEqual(last, current)
  return row.isThere
}

import type { Row, TransactionId } from '@cellway/change'
import { decideClash } from '@cellway/conflict'
import type { Sql } from '../store/raw-query.ts'
import type { Session } from '../store/session.ts'
import type { ConflictRecord } from './conflict-record.ts'
import type { Ownership } from './ownership.ts'
import { clashSql, deleteRowSql, writeRowSql } from './row-sql.ts'
import type { TargetTable } from './target-tables.ts'

export interface ClashInput {
  readonly session: Session
  readonly target: TargetTable
  /** That was to be written. */
  readonly row: Row
  readonly record: ConflictRecord
  readonly ownership: Ownership
  readonly id: TransactionId
  readonly repair: boolean
}

/** Another row holds a value of a secondary unique key: which of the two stays, and who has to answer for it. */
export async function resolveClash(input: ClashInput): Promise<{ statements: readonly Sql[]; records: readonly ConflictRecord[] }> {
  const { target, row, record, ownership, id, repair } = input
  const { source } = target.plan
  const { selfCell, cells, owners: incomingOwners } = ownership.facts(source, [record.before, record.after, record.current], id)
  const decisions = (await standingRows(input)).map((other) => {
    const standingOwners = ownership.facts(source, [other], id).owners
    return { other, ...decideClash({ selfCell, cells, incomingOwners, standingOwners, repair }) }
  })
  // Without the row in the way (a key made of an expression) only the row's arbiter can tell.
  if (decisions.length === 0 || decisions.some(({ action }) => action === 'keep')) {
    const reemit = decisions.some((one) => one.reemit === 'incoming') ? 'pending' : 'request'
    return { statements: [], records: [{ ...record, decision: 'keep', result: record.current, reemit }] }
  }
  return {
    statements: [...decisions.map(({ other }) => deleteRowSql(target, other)), writeRowSql(target, row, record.current)],
    records: decisions.map(({ other, reemit }) => ({
      ...record,
      keyRow: other,
      decision: 'displace',
      current: other,
      result: undefined,
      bucket: ownership.bucketOf(source, other),
      reemit: reemit === 'standing' ? 'pending' : 'request'
    }))
  }
}

async function standingRows({ session, target, row }: ClashInput): Promise<Row[]> {
  const found = new Map<string, Row>()
  for (const sql of clashSql(target, row)) {
    for (const cells of await session.rows(sql)) {
      const other = target.plan.resultRow(cells)
      const key = target.plan.keyOf(other)
      if (key !== target.plan.keyOf(row)) found.set(key, other)
    }
  }
  return [...found.values()]
}

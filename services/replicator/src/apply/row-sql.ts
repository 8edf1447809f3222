import type { CellValue, Row } from '@cellway/change'
import { imageText, lenientInsert, quoteIdentifier } from '@cellway/mysql-value'
import type { Sql, SqlPiece } from '../store/raw-query.ts'
import type { TargetTable } from './target-tables.ts'

/** Statements about one row. */

export function lockRowSql({ selectHead, plan }: TargetTable, row: Row): string {
  return `${selectHead}${plan.keySql(row)}) FOR UPDATE`
}

export function deleteRowSql({ deleteHead, plan }: TargetTable, row: Row): string {
  return `${deleteHead}${plan.keySql(row)})`
}

/** An insert where there is no row, so that it never hits another one through a secondary key. */
export function writeRowSql({ insertHead, plan }: TargetTable, row: Row, current: Row | undefined): Sql {
  const tail = current === undefined ? '' : plan.upsertTailSql
  if (row.some(isLarge)) return [insertHead, ...largeRowSql(plan, row), tail]
  const sql = `${insertHead}${plan.rowSql(row)}${tail}`
  return plan.needsLenientMode(row) ? lenientInsert(plan.target.flavour, sql) : sql
}

export function replaceRowSql({ replaceHead, plan }: TargetTable, row: Row): string {
  return `${replaceHead}${plan.rowSql(row)}`
}

/** A change of the key as the origin made it, so that what refers to it follows. */
export function moveRowSql({ plan }: TargetTable, before: Row, after: Row): string {
  const assignments = plan.source.columns.flatMap(({ name }, at) =>
    after[at] === undefined ? [] : [`${quoteIdentifier(name)} = ${valueSql(plan, at, after[at])}`]
  )
  return `UPDATE ${plan.tableSql} SET ${assignments.join(', ')} WHERE ${plan.keyColumnsSql} IN (${plan.keySql(before)})`
}

/** Rows that hold a value of a secondary unique key that this row needs. One statement per key; none where the key cannot clash. */
export function clashSql({ plan }: TargetTable, row: Row): string[] {
  const { target, source } = plan
  return target.keys.flatMap(({ unique, columns, hasExpression, name }) => {
    if (
      !unique ||
      hasExpression ||
      (columns.length === target.keyColumns.length && columns.every(({ column }, at) => column === target.keyColumns[at]))
    ) {
      return []
    }
    const conditions = columns.map(({ column, prefix }) => {
      const targetName = target.columns[column]?.name ?? ''
      const at = source.columns.findIndex((one) => one.name.toLowerCase() === targetName.toLowerCase())
      const value = row[at]
      if (value === undefined || value === null) return undefined
      const [left, right] = [quoteIdentifier(targetName), valueSql(plan, at, value)]
      return prefix > 0 ? `LEFT(${left}, ${prefix}) = LEFT(${right}, ${prefix})` : `${left} = ${right}`
    })
    // NULL is equal to nothing.
    if (conditions.length === 0 || conditions.includes(undefined)) return []
    return [`SELECT ${plan.selectSql} FROM ${plan.tableSql} FORCE INDEX (${quoteIdentifier(name)}) WHERE ${conditions.join(' AND ')} FOR UPDATE`]
  })
}

/** The key for people: an object by column name. */
export function keyText({ plan }: TargetTable, row: Row): string {
  const { source } = plan
  return imageText(
    source,
    row.map((value, at) => (source.keyColumns.includes(at) ? value : undefined))
  )
}

/** Values that the image does not have are as they are here. */
export function withAbsent(after: Row, current: Row | undefined): Row {
  if (current === undefined || !after.includes(undefined)) return after
  return after.map((value, at) => (value === undefined ? current[at] : value))
}

/** From here on the bytes of a value go out as they are: in hexadecimal they would be twice as many, several times in memory. */
const LARGE_BYTES = 256 * 1024

function isLarge(value: CellValue): value is Uint8Array {
  return value instanceof Uint8Array && value.length >= LARGE_BYTES
}

function largeRowSql(plan: TargetTable['plan'], row: Row): SqlPiece[] {
  const pieces: SqlPiece[] = ['(']
  for (const [at, value] of row.entries()) {
    if (at > 0) pieces.push(',')
    if (!isLarge(value)) pieces.push(valueSql(plan, at, value))
    else pieces.push(`_${plan.source.columns[at]?.characterSet || 'binary'} '`, { quoted: value }, "'")
  }
  pieces.push(')')
  return pieces
}

/** One literal, cut out of a row in which everything else is absent. */
function valueSql(plan: TargetTable['plan'], column: number, value: CellValue): string {
  const columns = plan.source.columns.length
  const row = new Array<CellValue>(columns).fill(undefined)
  row[column] = value
  return plan.rowSql(row).slice(1 + 'DEFAULT,'.length * column, -1 - ',DEFAULT'.length * (columns - 1 - column))
}

import type { Row, TableIdentity } from '@cellway/change'
import type { TableDescription } from '@cellway/mysql-value'
import { planTarget, quoteIdentifier } from '@cellway/mysql-value'
import { requestInvalid } from './errors.ts'

/** Comparisons of keys that an index can use: a comparison of tuples would be tried on every row. */
export interface KeyRange {
  /** The key columns, as in ORDER BY. */
  readonly columnsSql: string
  /** after < key <= upTo. */
  whereSql(after: Row | undefined, upTo: Row | undefined): string
}

export function keyRange(identity: TableIdentity, description: TableDescription): KeyRange {
  const parts = identity.keyColumns.map((index) => {
    const column = identity.columns[index]
    if (column === undefined) throw requestInvalid({ problem: 'a key column that is none of the columns' })
    const own = description.columns.find(({ name }) => name.toLowerCase() === column.name.toLowerCase())
    if (own === undefined) throw requestInvalid({ problem: `there is no column ${column.name}` })
    // A table of this column alone: the plan gives its literals.
    const key = { name: 'PRIMARY', unique: true, columns: [{ column: 0, prefix: 0 }], nullable: false, hasExpression: false }
    const alone = { ...description, columns: [{ ...own, index: 0 }], keys: [key], keyColumns: [0], foreignKeys: [], triggers: [] }
    const planning = planTarget({ ...identity, columns: [column], keyColumns: [0] }, alone)
    if (!planning.ok) throw requestInvalid({ problem: planning.problems.join('; ') })
    return { name: quoteIdentifier(own.name), literal: (row: Row) => planning.plan.keySql([row[index]]) }
  })
  if (parts.length === 0) throw requestInvalid({ problem: 'a table without a key' })

  /** `a >= x AND (a > x OR (a = x AND (…)))`; the first half is what the index is entered by. */
  const bound = (row: Row, sign: '<' | '>', last: '<=' | '>'): string => {
    const nested = (at: number): string => {
      const part = parts[at]
      if (part === undefined) return 'FALSE'
      const value = part.literal(row)
      if (at === parts.length - 1) return `${part.name} ${last} ${value}`
      return `(${part.name} ${sign} ${value} OR (${part.name} = ${value} AND ${nested(at + 1)}))`
    }
    const [first] = parts
    return parts.length === 1 ? nested(0) : `${first?.name} ${sign}= ${first?.literal(row)} AND ${nested(0)}`
  }

  return {
    columnsSql: parts.map(({ name }) => name).join(','),
    whereSql: (after, upTo) =>
      [...(after === undefined ? [] : [bound(after, '>', '>')]), ...(upTo === undefined ? [] : [bound(upTo, '<', '<=')])].join(' AND ') || 'TRUE'
  }
}

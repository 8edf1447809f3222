import type { Column, TableIdentity } from '@cellway/change'
import { columnDefinition } from './column-type.ts'
import type { ColumnDescription, KeyDescription, TableDescription } from './description.ts'
import { findDrift } from './drift.ts'
import type { SchemaDifference } from './plan.ts'
import { quoteIdentifier, quoteTable } from './quote.ts'

/**
 * What keeps rows of the first cell's tables from fitting the second cell's, and what differs without harm; both directions are
 * two calls. `statement` is for the second cell. @throws MYV_TYPE_UNKNOWN
 */
export function schemaDifferences(first: readonly TableDescription[], second: readonly TableDescription[]): SchemaDifference[] {
  const others = new Map(second.map((table) => [quoteTable(table), table]))
  const flavour = second[0]?.flavour ?? first[0]?.flavour ?? 'mariadb'
  const differences: SchemaDifference[] = []
  for (const table of first) {
    const name = `${table.schema}.${table.name}`
    const other = others.get(quoteTable(table))
    const identity = identityOf(table)
    const drift = findDrift(identity, other, flavour)
    if (drift !== undefined) for (const problem of drift.problems) differences.push({ table: name, problem, statement: drift.statement })
    if (other !== undefined) for (const difference of keyDifferences(table, other)) differences.push({ table: name, ...difference })
  }
  const known = new Set(first.map(quoteTable))
  for (const table of second) {
    if (!known.has(quoteTable(table)))
      differences.push({ table: `${table.schema}.${table.name}`, problem: 'The table is in the second cell only', statement: '' })
  }
  return differences
}

/** A described table as the stream would carry it. */
export function identityOf(table: TableDescription): TableIdentity {
  const written = table.columns.filter(({ generated }) => generated === 'no')
  return {
    schema: table.schema,
    name: table.name,
    columns: written.map(identityColumn),
    keyColumns: table.keyColumns.map((index) => written.findIndex((column) => column.index === index))
  }
}

function identityColumn({ name, columnType, dataType, characterSet, collation, nullable, defaultSql, extra }: ColumnDescription): Column {
  const ownCollation = dataType === 'json' ? '' : collation
  return { name, type: columnDefinition({ typeSql: columnType, collation: ownCollation, nullable, defaultSql, extra }), characterSet }
}

/** Unique keys that only one cell has make clashes there and nowhere else. */
function keyDifferences(table: TableDescription, other: TableDescription): { problem: string; statement: string }[] {
  const uniqueKeys = ({ keys, columns }: TableDescription): Map<string, KeyDescription> =>
    new Map(keys.filter(({ unique, hasExpression }) => unique && !hasExpression).map((key) => [keyText(key, columns), key]))
  const own = uniqueKeys(table)
  const theirs = uniqueKeys(other)
  const missing = [...own].filter(([text, { name }]) => !theirs.has(text) && name !== 'PRIMARY')
  const extra = [...theirs].filter(([text]) => !own.has(text))
  return [
    ...missing.map(([text, { name }]) => ({
      problem: `The unique key ${name} (${text}) is missing`,
      statement: `ALTER TABLE ${quoteTable(other)} ADD UNIQUE KEY ${quoteIdentifier(name)} (${text})`
    })),
    ...extra.map(([text, { name }]) => ({
      problem: `The unique key ${name} (${text}) is in the second cell only`,
      statement: `ALTER TABLE ${quoteTable(other)} DROP ${name === 'PRIMARY' ? 'PRIMARY KEY' : `KEY ${quoteIdentifier(name)}`}`
    }))
  ]
}

function keyText({ columns: parts }: KeyDescription, columns: readonly ColumnDescription[]): string {
  return parts.map(({ column, prefix }) => `${quoteIdentifier(columns[column]?.name ?? '')}${prefix === 0 ? '' : `(${prefix})`}`).join(', ')
}

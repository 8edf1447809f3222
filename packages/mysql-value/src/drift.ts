import type { Column, TableIdentity } from '@cellway/change'
import { parseColumn } from './column-type.ts'
import { alterTableSql, createTableSql } from './definition.ts'
import type { ColumnDescription, Flavour, TableDescription } from './description.ts'
import { typeUnknown } from './errors.ts'
import { misfit } from './fits.ts'
import { quoteIdentifier } from './quote.ts'

export interface Drift {
  readonly problems: readonly string[]
  readonly statement: string
}

/** Why rows of the source do not fit the target, and what makes them fit. @throws MYV_TYPE_UNKNOWN */
export function findDrift(source: TableIdentity, target: TableDescription | undefined, flavour: Flavour): Drift | undefined {
  if (target === undefined) return { problems: [`The table ${source.schema}.${source.name} is missing`], statement: createTableSql(source, flavour) }
  const problems: string[] = []
  const add = new Set<string>()
  const replace = new Set<string>()
  const modify = new Map<string, boolean>()
  const clauses: string[] = []
  source.columns.forEach((column, index) => {
    const found = target.columns.find(({ name }) => name.toLowerCase() === column.name.toLowerCase())
    const problem = found === undefined ? 'is missing' : columnProblem(column, found, { source, isKey: source.keyColumns.includes(index) })
    if (problem === undefined) return
    problems.push(`The column ${column.name} ${problem}`)
    if (found === undefined) add.add(column.name)
    else if (found.generated !== 'no') replace.add(column.name)
    else modify.set(column.name, found.autoIncrement)
  })
  for (const column of columnsWithoutValue(source, target)) {
    problems.push(`The column ${column.name}, which the source has not, has no default`)
    clauses.push(`MODIFY COLUMN ${quoteIdentifier(column.name)} ${column.columnType}${characterSetSql(column)} NULL`)
  }
  if (!hasKey(source, target)) {
    const names = source.keyColumns.map((index) => source.columns[index]?.name ?? '')
    problems.push(`No unique key has exactly the columns ${names.join(', ')}, which the rows of the source are known by`)
    clauses.push(keyClause(target, names))
  }
  if (problems.length === 0) return undefined
  return { problems, statement: alterTableSql(source, { flavour, add, replace, modify, clauses }) }
}

function columnProblem(column: Column, found: ColumnDescription, { source, isKey }: { source: TableIdentity; isKey: boolean }): string | undefined {
  if (found.generated !== 'no') return 'is computed by the target'
  const shape = parseColumn(column)
  if (shape === undefined) throw typeUnknown({ table: `${source.schema}.${source.name}`, column: column.name, type: column.type })
  const targetShape = parseColumn({ type: found.columnType, characterSet: found.characterSet })
  if (targetShape === undefined) return `has the type ${found.columnType}, which this version does not know`
  const problem = misfit({ shape, characterSet: column.characterSet }, { shape: targetShape, characterSet: found.characterSet })
  if (problem !== undefined)
    return `is ${shape.typeSql}${inSet(column.characterSet)} at the source and ${found.columnType}${inSet(found.characterSet)} at the target: ${problem}`
  return !shape.notNull && !isKey && !found.nullable ? 'may be NULL at the source and not at the target' : undefined
}

function inSet(characterSet: string): string {
  return characterSet === '' ? '' : ` in ${characterSet}`
}

function columnsWithoutValue(source: TableIdentity, target: TableDescription): ColumnDescription[] {
  const known = new Set(source.columns.map(({ name }) => name.toLowerCase()))
  return target.columns.filter(
    ({ name, defaultSql, generated, autoIncrement }) =>
      !known.has(name.toLowerCase()) && defaultSql === undefined && generated === 'no' && !autoIncrement
  )
}

function characterSetSql({ characterSet, collation, dataType }: ColumnDescription): string {
  return characterSet === '' || dataType === 'json' ? '' : ` CHARACTER SET ${characterSet} COLLATE ${collation}`
}

/** Whether the target finds a row by the source's key, and holds no two of it. */
function hasKey(source: TableIdentity, target: TableDescription): boolean {
  const wanted = source.keyColumns.map((index) => source.columns[index]?.name.toLowerCase() ?? '').toSorted()
  return target.keys.some((key) => {
    if (!key.unique || key.hasExpression) return false
    const names = key.columns.map(({ column }) => target.columns[column]?.name.toLowerCase() ?? '').toSorted()
    return names.length === wanted.length && names.every((name, at) => name === wanted[at])
  })
}

function keyClause(target: TableDescription, names: readonly string[]): string {
  const list = names.map(quoteIdentifier).join(', ')
  return target.keys.some(({ name }) => name === 'PRIMARY') ? `ADD UNIQUE KEY (${list})` : `ADD PRIMARY KEY (${list})`
}

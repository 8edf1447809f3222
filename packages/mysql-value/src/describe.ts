import { attachWeights } from './collation-weights.ts'
import { describeColumn } from './describe-column.ts'
import type { ColumnDescription, Flavour, ForeignKey, KeyDescription, KeyPart, RunQuery, TableDescription, Trigger } from './description.ts'
import { descriptionInvalid } from './errors.ts'
import { quoteText } from './quote.ts'

export interface DescribeOptions {
  readonly flavour: Flavour
  /** All but the system's own when left out. */
  readonly schemas?: readonly string[]
  readonly table?: { readonly schema: string; readonly name: string }
}

const SYSTEM_SCHEMAS = ['mysql', 'sys', 'performance_schema', 'information_schema']

type Cells = Readonly<Record<string, string | null>>

/** Base tables with their columns and keys, in the order of their names. @throws MYV_DESCRIPTION_INVALID, and what `run` throws */
export async function describeTables(run: RunQuery, options: DescribeOptions): Promise<TableDescription[]> {
  const { flavour } = options
  const ask = async (sql: string): Promise<Map<string, Cells[]>> => byTable((await run(sql)).map(toCells))
  // One after the other: a session has one statement at a time.
  const tables = await ask(tablesSql(options))
  const columns = await ask(columnsSql(options))
  const keys = await ask(keysSql(options))
  const references = await ask(referencesSql(options))
  const triggers = await ask(triggersSql(options))
  const checks = flavour === 'mariadb' ? await ask(checksSql(options)) : new Map<string, Cells[]>()
  const wanted = options.table
  const described: TableDescription[] = []
  for (const [id, [head]] of tables) {
    const schema = text(head, 'table_schema')
    const name = text(head, 'table_name')
    // information_schema may compare names without case.
    if (wanted !== undefined && (wanted.schema !== schema || wanted.name !== name)) continue
    const clauses = new Set((checks.get(id) ?? []).map((check) => text(check, 'check_clause')))
    const own = (columns.get(id) ?? []).map((row, index) => describeColumn(row, { flavour, index, clauses }))
    const tableKeys = keysOf(keys.get(id) ?? [], own)
    const table: TableDescription = {
      schema,
      name,
      engine: head?.engine ?? '',
      flavour,
      columns: own,
      keys: tableKeys,
      keyColumns: keyColumnsOf(tableKeys, own),
      foreignKeys: foreignKeysOf(references.get(id) ?? [], own),
      triggers: (triggers.get(id) ?? []).map(triggerOf)
    }
    await attachWeights(run, table)
    described.push(table)
  }
  return described
}

function where({ table, schemas }: DescribeOptions, prefix: string, [schemaColumn, tableColumn]: readonly [string, string]): string {
  if (table !== undefined) return `${prefix}${schemaColumn} = ${quoteText(table.schema)} AND ${prefix}${tableColumn} = ${quoteText(table.name)}`
  const list = (names: readonly string[]): string => (names.length === 0 ? "('')" : `(${names.map(quoteText).join(', ')})`)
  return schemas === undefined ? `${prefix}${schemaColumn} NOT IN ${list(SYSTEM_SCHEMAS)}` : `${prefix}${schemaColumn} IN ${list(schemas)}`
}

const TABLE_NAMES = ['TABLE_SCHEMA', 'TABLE_NAME'] as const

/** Every name is given an alias: the servers do not agree on the case of the columns of information_schema. */
function selectSql(columns: readonly string[], prefix = ''): string {
  return columns.map((column) => `${prefix}${column} AS ${column.toLowerCase()}`).join(', ')
}

function tablesSql(options: DescribeOptions): string {
  const columns = selectSql(['TABLE_SCHEMA', 'TABLE_NAME', 'ENGINE'])
  return `SELECT ${columns} FROM information_schema.TABLES WHERE ${where(options, '', TABLE_NAMES)} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_SCHEMA, TABLE_NAME`
}

const COLUMN_FIELDS = [
  'TABLE_SCHEMA',
  'TABLE_NAME',
  'COLUMN_NAME',
  'COLUMN_DEFAULT',
  'IS_NULLABLE',
  'DATA_TYPE',
  'COLUMN_TYPE',
  'CHARACTER_SET_NAME',
  'COLLATION_NAME',
  'EXTRA',
  'GENERATION_EXPRESSION'
]

function columnsSql(options: DescribeOptions): string {
  return `SELECT ${selectSql(COLUMN_FIELDS)} FROM information_schema.COLUMNS WHERE ${where(options, '', TABLE_NAMES)} ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION`
}

function keysSql(options: DescribeOptions): string {
  const columns = selectSql(['TABLE_SCHEMA', 'TABLE_NAME', 'INDEX_NAME', 'NON_UNIQUE', 'COLUMN_NAME', 'SUB_PART'])
  return `SELECT ${columns} FROM information_schema.STATISTICS WHERE ${where(options, '', TABLE_NAMES)} ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`
}

function referencesSql(options: DescribeOptions): string {
  const used = selectSql(
    ['TABLE_SCHEMA', 'TABLE_NAME', 'CONSTRAINT_NAME', 'COLUMN_NAME', 'REFERENCED_TABLE_SCHEMA', 'REFERENCED_TABLE_NAME', 'REFERENCED_COLUMN_NAME'],
    'k.'
  )
  return `SELECT ${used}, ${selectSql(['DELETE_RULE', 'UPDATE_RULE'], 'r.')} FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME WHERE ${where(options, 'k.', TABLE_NAMES)} AND k.REFERENCED_TABLE_NAME IS NOT NULL ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`
}

function triggersSql(options: DescribeOptions): string {
  const names = ['EVENT_OBJECT_SCHEMA', 'EVENT_OBJECT_TABLE'] as const
  return `SELECT EVENT_OBJECT_SCHEMA AS table_schema, EVENT_OBJECT_TABLE AS table_name, TRIGGER_NAME AS trigger_name, ACTION_TIMING AS action_timing, EVENT_MANIPULATION AS event_manipulation FROM information_schema.TRIGGERS WHERE ${where(options, '', names)} ORDER BY EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME`
}

/** MariaDB's JSON is LONGTEXT with this check. */
function checksSql(options: DescribeOptions): string {
  const names = ['CONSTRAINT_SCHEMA', 'TABLE_NAME'] as const
  return `SELECT CONSTRAINT_SCHEMA AS table_schema, TABLE_NAME AS table_name, CHECK_CLAUSE AS check_clause FROM information_schema.CHECK_CONSTRAINTS WHERE ${where(options, '', names)}`
}

function toCells(row: Readonly<Record<string, unknown>>): Cells {
  const cells: Record<string, string | null> = {}
  for (const [name, value] of Object.entries(row)) {
    cells[name] = value === null || value === undefined ? null : value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value)
  }
  return cells
}

function byTable(rows: readonly Cells[]): Map<string, Cells[]> {
  return Map.groupBy(rows, (row) => `${text(row, 'table_schema')}\u0000${text(row, 'table_name')}`)
}

/** @throws MYV_DESCRIPTION_INVALID */
export function text(row: Cells | undefined, name: string): string {
  const value = row?.[name]
  if (typeof value !== 'string') throw descriptionInvalid({ problem: `no ${name}` })
  return value
}

function indexOf(columns: readonly ColumnDescription[], name: string): number {
  const index = columns.findIndex((column) => column.name.toLowerCase() === name.toLowerCase())
  if (index < 0) throw descriptionInvalid({ problem: `a key names the column ${name}, which the table has not` })
  return index
}

function keysOf(rows: readonly Cells[], columns: readonly ColumnDescription[]): KeyDescription[] {
  return [...Map.groupBy(rows, (row) => text(row, 'index_name'))].map(([name, parts]) => {
    const named = parts.filter((part) => typeof part.column_name === 'string')
    const keyParts = named.map((part): KeyPart => ({ column: indexOf(columns, text(part, 'column_name')), prefix: Number(part.sub_part ?? 0) }))
    return {
      name,
      unique: text(parts[0], 'non_unique') === '0',
      columns: keyParts,
      nullable: keyParts.some(({ column }) => columns[column]?.nullable ?? true),
      hasExpression: named.length < parts.length
    }
  })
}

/** The primary key; else the unique key of the fewest columns that are never NULL, the first by name, so that all cells choose the same. */
function keyColumnsOf(keys: readonly KeyDescription[], columns: readonly ColumnDescription[]): readonly number[] {
  const usable = keys.filter(
    (key) => key.unique && !key.nullable && !key.hasExpression && key.columns.every(({ column }) => columns[column]?.generated === 'no')
  )
  const primary = usable.find(({ name }) => name === 'PRIMARY')
  const [chosen] = usable.toSorted((a, b) => a.columns.length - b.columns.length || (a.name < b.name ? -1 : 1))
  return (primary ?? chosen)?.columns.map(({ column }) => column) ?? []
}

function foreignKeysOf(rows: readonly Cells[], columns: readonly ColumnDescription[]): ForeignKey[] {
  return [...Map.groupBy(rows, (row) => text(row, 'constraint_name'))].map(([name, parts]) => ({
    name,
    columns: parts.map((part) => indexOf(columns, text(part, 'column_name'))),
    referencedSchema: text(parts[0], 'referenced_table_schema'),
    referencedTable: text(parts[0], 'referenced_table_name'),
    referencedColumns: parts.map((part) => text(part, 'referenced_column_name')),
    onDelete: text(parts[0], 'delete_rule'),
    onUpdate: text(parts[0], 'update_rule')
  }))
}

function triggerOf(row: Cells): Trigger {
  return { name: text(row, 'trigger_name'), timing: text(row, 'action_timing'), event: text(row, 'event_manipulation') }
}

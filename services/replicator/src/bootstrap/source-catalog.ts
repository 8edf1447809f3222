/** What the source tells of its tables. */
import { describeTables, quoteTable, quoteText, type TableDescription } from '@cellway/mysql-value'
import type { Topology } from '@cellway/topology'
import type { Session } from '../store/session.ts'
import type { TableName } from './gate.ts'
import { nameOf } from './levels.ts'
import { portableTable } from './portable-table.ts'
import type { CatalogTable } from './protocol.ts'

/** The declared tables of a space that exist here: local tables are each cell's own. */
export async function readCatalog(session: Session, topology: Topology): Promise<CatalogTable[]> {
  const declared = new Set(topology.data.mysql.filter(({ kind }) => kind === 'space').map(({ table }) => table))
  const schemas = [...new Set([...declared].map((table) => table.slice(0, table.indexOf('.'))))]
  const described = await describeTables((sql) => session.records(sql), { flavour: session.flavour, schemas })
  const estimates = await readEstimates(session, schemas)
  const sets = await readSchemas(session, schemas)
  const tables: CatalogTable[] = []
  for (const table of described.filter((one) => declared.has(nameOf(one)))) {
    const [row] = await session.rows(`SHOW CREATE TABLE ${quoteTable(table)}`)
    const set = sets.get(table.schema)
    tables.push({
      schema: table.schema,
      name: table.name,
      flavour: session.flavour,
      createSql: row?.[1]?.toString('utf8') ?? '',
      portableSql: portableTable(table, session.flavour === 'mysql' ? 'mariadb' : 'mysql'),
      characterSet: set?.characterSet ?? 'utf8mb4',
      collation: set?.collation ?? '',
      rowsEstimated: estimates.get(nameOf(table)) ?? 0,
      references: referencesOf(table)
    })
  }
  return tables
}

/** Undefined: the table is gone. */
export async function describeOne(session: Session, table: TableName): Promise<TableDescription | undefined> {
  const [found] = await describeTables((sql) => session.records(sql), { flavour: session.flavour, table })
  return found
}

/** The server's own guess of the mean, large values included; 0: it does not know. */
export async function rowBytesOf(session: Session, { schema, name }: TableName): Promise<number> {
  const [row] = await session.rows(
    `SELECT avg_row_length FROM information_schema.tables WHERE table_schema = ${quoteText(schema)} AND table_name = ${quoteText(name)}`
  )
  return Number(row?.[0]?.toString() ?? 0)
}

function referencesOf({ foreignKeys }: TableDescription): CatalogTable['references'] {
  return foreignKeys.map(({ referencedSchema, referencedTable, onDelete, onUpdate }) => ({
    schema: referencedSchema,
    name: referencedTable,
    cascades: /CASCADE|SET/.test(onDelete) || /CASCADE|SET/.test(onUpdate)
  }))
}

/** InnoDB's own guess; off by some ten per cent, which is enough for a share of the whole. */
async function readEstimates(session: Session, schemas: readonly string[]): Promise<Map<string, number>> {
  const rows = await session.rows(
    `SELECT table_schema, table_name, table_rows FROM information_schema.tables WHERE table_schema IN ${listOf(schemas)}`
  )
  return new Map(rows.map(([schema, name, count]) => [`${schema?.toString()}.${name?.toString()}`, Number(count?.toString() ?? 0)]))
}

async function readSchemas(session: Session, schemas: readonly string[]): Promise<Map<string, { characterSet: string; collation: string }>> {
  const rows = await session.rows(
    `SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name IN ${listOf(schemas)}`
  )
  return new Map(
    rows.map(([name, characterSet, collation]) => [
      name?.toString() ?? '',
      { characterSet: characterSet?.toString() ?? '', collation: collation?.toString() ?? '' }
    ])
  )
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? "('')" : `(${names.map(quoteText).join(', ')})`
}

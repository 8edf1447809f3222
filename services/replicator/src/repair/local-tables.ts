import type { Row, TableIdentity } from '@cellway/change'
import type { TableDescription, TargetPlan } from '@cellway/mysql-value'
import { describeTables, imageOf, planTarget, quoteIdentifier } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import { tableUnusable } from './errors.ts'

/** A table of this cell, as the capture would name it. */
export interface LocalTable {
  readonly identity: TableIdentity
  readonly description: TableDescription
  readonly plan: TargetPlan
}

/** @throws REP_TABLE_UNUSABLE, MYV_*, what the session throws */
export async function loadTable(session: Session, { schema, name }: { readonly schema: string; readonly name: string }): Promise<LocalTable> {
  const [description] = await describeTables((sql) => session.records(sql), { flavour: session.flavour, table: { schema, name } })
  const table = `${schema}.${name}`
  if (description === undefined) throw tableUnusable({ table, problem: 'it is not there' })
  if (description.keyColumns.length === 0) throw tableUnusable({ table, problem: 'it has no key' })
  const identity = identityOf(description)
  const planning = planTarget(identity, description)
  if (!planning.ok) throw tableUnusable({ table, problem: planning.problems.join('; ') })
  return { identity, description, plan: planning.plan }
}

/** Without the generated columns, which nobody writes. */
export function identityOf({ schema, name, columns, keyColumns }: TableDescription): TableIdentity {
  const kept = columns.filter(({ generated }) => generated === 'no')
  return {
    schema,
    name,
    columns: kept.map((column) => ({ name: column.name, type: column.columnType, characterSet: column.characterSet })),
    keyColumns: keyColumns.map((index) => kept.findIndex((column) => column.index === index))
  }
}

/** The rows with these keys, as they are now. `lock` holds them, and the places of those that are missing, until the transaction ends. */
export async function readRows(
  session: Session,
  { plan }: LocalTable,
  keys: readonly Row[],
  lock: '' | ' FOR UPDATE' = ''
): Promise<Map<string, Row>> {
  const found = new Map<string, Row>()
  if (keys.length === 0) return found
  const list = keys.map((key) => plan.keySql(key)).join(',')
  // Named, so that nothing else is locked: a small table would be scanned, and held as a whole.
  const from = `${plan.tableSql} FORCE INDEX (${quoteIdentifier(keyNameOf(plan.target))})`
  const rows = await session.rows(`SELECT ${plan.selectSql} FROM ${from} WHERE ${plan.keyColumnsSql} IN (${list})${lock}`)
  for (const cells of rows) {
    const row = plan.resultRow(cells)
    found.set(plan.keyOf(row), row)
  }
  return found
}

/** Of the index that stands for the primary key. */
export function keyNameOf({ keys, keyColumns }: TableDescription): string {
  const isKey = (columns: TableDescription['keys'][number]['columns']): boolean =>
    columns.length === keyColumns.length && columns.every(({ column, prefix }, at) => prefix === 0 && column === keyColumns[at])
  return keys.find(({ unique, columns }) => unique && isKey(columns))?.name ?? 'PRIMARY'
}

/** An image as it stands in a record of a conflict; columns that this cell's table does not have are left out. @throws MYV_IMAGE_INVALID */
export function readImage(identity: TableIdentity, text: string): Row {
  const known = new Set(identity.columns.map(({ name }) => name))
  const parsed: unknown = JSON.parse(text)
  const members = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed).filter(([name]) => known.has(name)) : []
  return imageOf(identity, JSON.stringify(Object.fromEntries(members)))
}

/** Tables looked up once per run of work. */
export class LocalTables {
  readonly #session: Session
  readonly #known = new Map<string, LocalTable>()

  constructor(session: Session) {
    this.#session = session
  }

  async get(table: { readonly schema: string; readonly name: string }): Promise<LocalTable> {
    const id = `${table.schema}.${table.name}`
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const loaded = await loadTable(this.#session, table)
    this.#known.set(id, loaded)
    return loaded
  }
}

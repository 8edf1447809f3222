import type { TableIdentity } from '@cellway/change'
import type { TargetPlan, TargetPlanning } from '@cellway/mysql-value'
import { describeTables, planTarget, quoteIdentifier, quoteText } from '@cellway/mysql-value'
import { CARRIED_TABLES, CELLWAY_SCHEMA } from '../store/schema.ts'
import type { Session } from '../store/session.ts'

/** A table of the stream as it is to be treated here. */
export type SourceTable =
  | { readonly kind: 'data'; readonly target: TargetTable }
  /** Rows of the schema `cellway` that say something and are never applied. */
  | { readonly kind: 'carried'; readonly name: string; readonly columnOf: ReadonlyMap<string, number> }
  /** A table that never leaves a cell: whoever sent it sent what was applied there. */
  | { readonly kind: 'echo' }

export interface TargetTable {
  /** schema.table */
  readonly id: string
  readonly plan: TargetPlan
  /** Up to the list of keys; the index is named, so that locks are taken on these rows and no others. */
  readonly selectHead: string
  readonly deleteHead: string
  readonly insertHead: string
  readonly replaceHead: string
  /** Foreign keys of other tables point here, or its own: an order of statements that differs from the origin's would cascade. */
  readonly isReferenced: boolean
  /** Ids of the tables that its foreign keys point to. */
  readonly parents: readonly string[]
}

export type Misfit = Extract<TargetPlanning, { ok: false }>

interface Loaded {
  readonly table: SourceTable
  readonly loadedMs: number
}

/** An operator may change the target at any time; most changes fail a statement, and this finds the others. */
const TRUSTED_MS = 60_000
/** Versions of tables; beyond it all are forgotten. */
const TABLES_MAX = 10_000

/** What is known of the tables at the target. */
export class TargetTables {
  readonly #session: Session
  readonly #now: () => number
  #byObject = new WeakMap<TableIdentity, Loaded>()
  readonly #byShape = new Map<string, Loaded>()

  constructor(session: Session, now: () => number) {
    this.#session = session
    this.#now = now
  }

  /** Undefined: `load` has to ask the server. */
  known(table: TableIdentity): SourceTable | undefined {
    let loaded = this.#byObject.get(table)
    if (loaded === undefined) {
      loaded = this.#byShape.get(shapeOf(table))
      if (loaded === undefined) return undefined
      this.#byObject.set(table, loaded)
    }
    return this.#now() - loaded.loadedMs < TRUSTED_MS ? loaded.table : undefined
  }

  /** @throws what the session throws */
  async load(table: TableIdentity): Promise<SourceTable | Misfit> {
    const found = table.schema === CELLWAY_SCHEMA ? cellwayTable(table) : await this.#target(table)
    if ('ok' in found) return found
    const loaded = { table: found, loadedMs: this.#now() }
    if (this.#byShape.size >= TABLES_MAX) this.forget()
    this.#byShape.set(shapeOf(table), loaded)
    this.#byObject.set(table, loaded)
    return found
  }

  /** After an error that a changed table may explain. */
  forget(): void {
    this.#byShape.clear()
    this.#byObject = new WeakMap()
  }

  async #target(source: TableIdentity): Promise<SourceTable | Misfit> {
    const session = this.#session
    const { flavour } = session
    const [description] = await describeTables((sql) => session.records(sql), { flavour, table: source })
    const planning = planTarget(source, description, flavour)
    if (!planning.ok) return planning
    const { plan } = planning
    const { tableSql, insertColumnsSql, keyColumnsSql } = plan
    const where = `WHERE ${keyColumnsSql} IN (`
    const target: TargetTable = {
      id: `${source.schema}.${source.name}`,
      plan,
      selectHead: `SELECT ${plan.selectSql} FROM ${tableSql} FORCE INDEX (${quoteIdentifier(keyNameOf(plan))}) ${where}`,
      deleteHead: `DELETE FROM ${tableSql} ${where}`,
      insertHead: `INSERT INTO ${tableSql} ${insertColumnsSql} VALUES `,
      replaceHead: `REPLACE INTO ${tableSql} ${insertColumnsSql} VALUES `,
      isReferenced: await this.#isReferenced(source),
      parents: plan.target.foreignKeys.map(({ referencedSchema, referencedTable }) => `${referencedSchema}.${referencedTable}`)
    }
    return { kind: 'data', target }
  }

  async #isReferenced({ schema, name }: TableIdentity): Promise<boolean> {
    const rows = await this.#session.rows(
      `SELECT 1 FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA = ${quoteText(schema)}
       AND REFERENCED_TABLE_NAME = ${quoteText(name)} LIMIT 1`
    )
    return rows.length > 0
  }
}

/** Parents before children; tables of a cycle as they come, which the server then refuses or not. */
export function parentsFirst(tables: Iterable<TargetTable>): TargetTable[] {
  const left = new Map([...tables].map((table) => [table.id, table]))
  const ordered: TargetTable[] = []
  const visit = (table: TargetTable): void => {
    if (!left.delete(table.id)) return
    for (const parent of table.parents) {
      const found = left.get(parent)
      if (found !== undefined) visit(found)
    }
    ordered.push(table)
  }
  for (const table of [...left.values()]) visit(table)
  return ordered
}

function cellwayTable({ name, columns }: TableIdentity): SourceTable {
  if (!CARRIED_TABLES.has(name)) return { kind: 'echo' }
  return { kind: 'carried', name, columnOf: new Map(columns.map((column, at) => [column.name, at])) }
}

function keyNameOf({ target }: TargetPlan): string {
  const key = target.keys.find(
    ({ unique, columns }) =>
      unique && columns.length === target.keyColumns.length && columns.every(({ column }, at) => column === target.keyColumns[at])
  )
  return key?.name ?? 'PRIMARY'
}

function shapeOf({ schema, name, columns, keyColumns }: TableIdentity): string {
  let shape = `${schema}\u0000${name}\u0000${keyColumns.join()}`
  for (const column of columns) shape += `\u0000${column.name}\u0000${column.type}\u0000${column.characterSet}`
  return shape
}

import type { TableMap } from '@cellway/mysql-binlog'
import { type CapturePlan, captureTable, describeTables, type Flavour, type TableDescription } from '@cellway/mysql-value'
import type { TopologyView } from '../context.ts'
import { CARRIED_TABLES, CELLWAY_SCHEMA } from '../store/schema.ts'
import { TABLES_MAX } from './limits.ts'

/** What is done with the rows of a table. */
export type Route =
  | { readonly kind: 'carry'; readonly plan: CapturePlan; readonly mark: 'fence' | 'barrier' | undefined }
  /** Rows of one transaction decide whether it is an echo: `checkpoint` is the mark of applied transactions. */
  | { readonly kind: 'drop'; readonly why: 'checkpoint' | 'cellway' | 'local' | 'system' }

/** What a table is, by its name alone. */
export type TableClass = Extract<Route, { kind: 'drop' }>['why'] | 'carried' | 'declared' | 'undeclared'

const SYSTEM_SCHEMAS: ReadonlySet<string> = new Set(['mysql', 'sys', 'performance_schema', 'information_schema'])
const MARKS: Readonly<Record<string, 'fence' | 'barrier'>> = { bucket_owner: 'fence', opened: 'fence', barrier: 'barrier' }

export interface TableRouterOptions {
  readonly topology: TopologyView
  readonly flavour: Flavour
  /** One query against the live server. */
  readonly query: (sql: string) => Promise<readonly Record<string, unknown>[]>
}

/**
 * Class rules and capture plans by table map. A table map tells nearly everything about its rows; what it does not (UUID and its kin,
 * generated columns) comes from the live server, once per version of the table.
 */
export class TableRouter {
  readonly #options: TableRouterOptions
  /** By the table map itself: the decoder gives the same object for the same bytes. */
  #routes = new WeakMap<TableMap, Route>()
  /** By name and fingerprint: table maps come again with every connection. */
  readonly #known = new Map<string, { readonly map: TableMap; readonly route: Route }>()
  #version = -1
  #classes: ReadonlyMap<string, 'local' | 'declared'> = new Map()

  constructor(options: TableRouterOptions) {
    this.#options = options
  }

  /** Undefined: it must be looked up first, by `prepare`. */
  routeOf(map: TableMap): Route | undefined {
    const route = this.#routes.get(map)
    if (route !== undefined) return route
    const known = this.#known.get(keyOf(map))
    if (known !== undefined) this.#routes.set(map, known.route)
    return known?.route
  }

  classOf({ schema, table }: { readonly schema: string; readonly table: string }): TableClass {
    if (schema === CELLWAY_SCHEMA) return table === 'checkpoint' ? 'checkpoint' : CARRIED_TABLES.has(table) ? 'carried' : 'cellway'
    if (SYSTEM_SCHEMAS.has(schema)) return 'system'
    this.#adopt()
    return this.#classes.get(`${schema}.${table}`) ?? 'undeclared'
  }

  /** False: the table is not declared. @throws MYV_METADATA_MISSING, MYV_NO_KEY, MYV_TYPE_UNKNOWN, and what the query throws */
  async prepare(map: TableMap): Promise<boolean> {
    if (this.routeOf(map) !== undefined) return true
    const kind = this.classOf(map)
    if (kind === 'undeclared') return false
    const route = kind === 'carried' || kind === 'declared' ? await this.#carry(map) : ({ kind: 'drop', why: kind } as const)
    this.#routes.set(map, route)
    this.#known.set(keyOf(map), { map, route })
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= TABLES_MAX) break
      this.#known.delete(oldest)
    }
    return true
  }

  /** A statement changed the schema: forgets what it may have changed. A name too many costs one query. */
  forget(statement: string): void {
    const text = statement.toLowerCase()
    for (const [key, { map }] of this.#known) {
      if (!text.includes(map.table.toLowerCase()) && !text.includes(map.schema.toLowerCase())) continue
      this.#known.delete(key)
    }
    this.#routes = new WeakMap()
  }

  async #carry(map: TableMap): Promise<Route> {
    const plan = captureTable(map, await this.#describe(map))
    return { kind: 'carry', plan, mark: map.schema === CELLWAY_SCHEMA ? MARKS[map.table] : undefined }
  }

  async #describe({ schema, table }: TableMap): Promise<TableDescription | undefined> {
    const { flavour, query } = this.#options
    const [description] = await describeTables(query, { flavour, table: { schema, name: table } })
    return description
  }

  /** A newer snapshot may have made a local table a carried one. */
  #adopt(): void {
    const { snapshot } = this.#options.topology.current()
    if (snapshot.version === this.#version) return
    this.#version = snapshot.version
    const classes = new Map(
      snapshot.topology.data.mysql.map(({ table, kind }) => [table, kind === 'local' ? ('local' as const) : ('declared' as const)])
    )
    const changed = [...this.#known].filter(
      ([, { map }]) => classes.get(`${map.schema}.${map.table}`) !== this.#classes.get(`${map.schema}.${map.table}`)
    )
    this.#classes = classes
    for (const [key] of changed) this.#known.delete(key)
    if (changed.length > 0) this.#routes = new WeakMap()
  }

  /** To be called now and then: whether the snapshot is the one that the routes were made with. */
  refresh(): void {
    this.#adopt()
  }
}

function keyOf({ schema, table, fingerprint }: TableMap): string {
  return `${schema}\u0000${table}\u0000${fingerprint}`
}

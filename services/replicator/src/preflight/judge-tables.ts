/** Pure: the tables of one server against what the topology says about them. */
import type { MysqlData, Topology } from '@cellway/topology'
import type { ForeignKeyFacts, ServerFacts, TableFacts, TriggerFacts } from './facts.ts'
import { errorFinding, type Finding, warningFinding } from './finding.ts'
import type { PreflightRole } from './judge-server.ts'

export interface TableRules {
  readonly role: PreflightRole
  readonly topology: Topology
  readonly reservedServerId: number
  /** User name of the appliers' account: a trigger that leaves it alone does not fire twice. */
  readonly applierUser: string
}

export function judgeTables(facts: ServerFacts, rules: TableRules): Finding[] {
  const declared = new Map(rules.topology.data.mysql.map((data) => [data.table, data]))
  const present = new Map(facts.tables.map((table) => [`${table.schema}.${table.name}`, table]))
  const replicated = facts.tables.filter((table) => declared.get(`${table.schema}.${table.name}`)?.kind === 'space')
  return [
    ...(rules.role === 'apply' ? [] : undeclared(facts, declared)),
    ...missing(declared, present),
    ...replicated.flatMap((table) => judgeTable(table, declared.get(`${table.schema}.${table.name}`))),
    ...facts.triggers.flatMap((trigger) => judgeTrigger(trigger, { facts, declared, rules })),
    ...facts.foreignKeys.flatMap((key) => judgeForeignKey(key, declared))
  ]
}

type Declared = ReadonlyMap<string, MysqlData>

function undeclared({ tables }: ServerFacts, declared: Declared): Finding[] {
  return tables
    .filter(({ schema, name }) => !declared.has(`${schema}.${name}`))
    .map(({ schema, name }) => {
      const what = `the table ${schema}.${name} is not in the topology`
      return errorFinding('PRE_TABLE_UNDECLARED', {
        what,
        fixConfig: `data.mysql: - {table: ${schema}.${name}, class: local}   (or a space and a column)`
      })
    })
}

function missing(declared: Declared, present: ReadonlyMap<string, TableFacts>): Finding[] {
  return [...declared.values()].flatMap((data) => {
    if (data.kind === 'local') return []
    const table = present.get(data.table)
    if (table === undefined) {
      const parts = {
        what: `the table ${data.table} of the topology does not exist here`,
        fixConfig: 'cellway cell bootstrap creates it, cellway schema diff prints it'
      }
      // A warning: an empty cell has to start in order to be filled, and a stream that meets the table parks by itself.
      return [warningFinding('PRE_TABLE_MISSING', parts)]
    }
    if (data.column === undefined || table.columns.some(({ name }) => name.toLowerCase() === data.column?.toLowerCase())) return []
    return [
      errorFinding('PRE_COLUMN_MISSING', {
        what: `${data.table} has no column ${data.column}, which the topology names as the key of space ${data.space}`
      })
    ]
  })
}

function judgeTable(table: TableFacts, data: MysqlData | undefined): Finding[] {
  if (data === undefined) return []
  const name = `${table.schema}.${table.name}`
  const findings: Finding[] = []
  if (table.kind === 'SYSTEM VERSIONED') {
    const fixSql = `ALTER TABLE ${quoted(table)} DROP SYSTEM VERSIONING;`
    findings.push(warningFinding('PRE_TABLE_VERSIONED', { what: `${name} keeps its own history of rows`, fixSql }))
  }
  if (!hasKey(table))
    findings.push(
      errorFinding('PRE_TABLE_NO_KEY', { what: `${name} has neither a primary key nor a unique key without NULL`, fixSql: addKey(table) })
    )
  if (!/^(?:InnoDB|ROCKSDB)$/i.test(table.engine)) {
    findings.push(
      errorFinding('PRE_TABLE_ENGINE', { what: `${name} is of the engine ${table.engine}`, fixSql: `ALTER TABLE ${quoted(table)} ENGINE = InnoDB;` })
    )
  }
  return findings
}

export function hasKey({ keys, columns }: TableFacts): boolean {
  const nullable = new Set(columns.filter((column) => column.nullable).map(({ name }) => name))
  return keys.some((key) => key.unique && key.columns.every((name) => name !== '' && !nullable.has(name)))
}

function addKey(table: TableFacts): string {
  const counted = table.columns.find(({ autoIncrement }) => autoIncrement)
  if (counted !== undefined) return `ALTER TABLE ${quoted(table)} ADD PRIMARY KEY (${quote(counted.name)});`
  return `ALTER TABLE ${quoted(table)} ADD COLUMN cellway_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY INVISIBLE;`
}

interface TriggerContext {
  readonly facts: ServerFacts
  readonly declared: Declared
  readonly rules: TableRules
}

function judgeTrigger(trigger: TriggerFacts, { facts, declared, rules }: TriggerContext): Finding[] {
  if (declared.get(`${trigger.schema}.${trigger.table}`)?.kind !== 'space') return []
  if (trigger.statement.trimStart().startsWith('IF /* cellway: not for applied changes */')) return []
  const { schema, name, table, timing, event } = trigger
  // MariaDB's appliers carry an id of their own in the session; MySQL's can only be told by their account.
  const isWrite =
    facts.flavour === 'mariadb'
      ? `@@session.server_id < ${4_000_000_000}`
      : `SUBSTRING_INDEX(USER(), '@', 1) <> '${rules.applierUser.replaceAll("'", "''")}'`
  const body = trigger.statement.trim().replace(/;$/, '')
  const fixSql = `DROP TRIGGER ${quote(schema)}.${quote(name)};
CREATE TRIGGER ${quote(schema)}.${quote(name)} ${timing} ${event} ON ${quote(schema)}.${quote(table)} FOR EACH ROW IF /* cellway: not for applied changes */ ${isWrite} THEN ${body}; END IF`
  return [
    errorFinding('PRE_TRIGGER', { what: `the trigger ${schema}.${name} fires ${timing} ${event} on ${table}, also for applied changes`, fixSql })
  ]
}

function judgeForeignKey(key: ForeignKeyFacts, declared: Declared): Finding[] {
  const child = declared.get(`${key.schema}.${key.table}`)
  const parent = declared.get(`${key.referencedSchema}.${key.referencedTable}`)
  const text = `${key.name} of ${key.schema}.${key.table} to ${key.referencedSchema}.${key.referencedTable}`
  const fixSql = `ALTER TABLE ${quote(key.schema)}.${quote(key.table)} DROP FOREIGN KEY ${quote(key.name)};`
  if (child === undefined || parent === undefined || (child.kind === 'local' && parent.kind === 'local')) return []
  const findings: Finding[] = []
  const across = child.kind !== parent.kind || (child.kind === 'space' && parent.kind === 'space' && child.space !== parent.space)
  if (across)
    findings.push(errorFinding('PRE_FOREIGN_KEY_ACROSS', { what: `the foreign key ${text} joins ${placeOf(child)} and ${placeOf(parent)}`, fixSql }))
  const cascades = [key.onDelete, key.onUpdate].filter((rule) => /CASCADE|SET/.test(rule))
  if (cascades.length > 0 && child.kind === 'space') {
    const what = `the foreign key ${text} does ${key.onDelete} on delete and ${key.onUpdate} on update`
    findings.push(warningFinding('PRE_FOREIGN_KEY_CASCADE', { what, fixSql }))
  }
  return findings
}

function placeOf(data: MysqlData): string {
  return data.kind === 'local' ? 'local data' : `the space ${data.space}`
}

function quoted({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${quote(schema)}.${quote(name)}`
}

function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

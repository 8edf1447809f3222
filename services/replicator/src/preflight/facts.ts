/** Everything a preflight looks at, read in a handful of statements that need no special privilege. Where one is missing, the fact is undefined. */
export type Flavour = 'mariadb' | 'mysql'

/** As much of a session as the preflight needs; the sessions of `store/` are such. */
export interface PreflightSession {
  readonly flavour: Flavour
  rows(sql: string): Promise<readonly (readonly (Uint8Array | null)[])[]>
}

export interface TableFacts {
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly engine: string
  readonly columns: readonly ColumnFacts[]
  readonly keys: readonly KeyFacts[]
}

export interface ColumnFacts {
  readonly name: string
  readonly nullable: boolean
  readonly autoIncrement: boolean
}

export interface KeyFacts {
  readonly name: string
  readonly unique: boolean
  readonly columns: readonly string[]
}

export interface TriggerFacts {
  readonly schema: string
  readonly name: string
  readonly table: string
  readonly timing: string
  readonly event: string
  readonly statement: string
}

export interface ForeignKeyFacts {
  readonly schema: string
  readonly table: string
  readonly name: string
  readonly referencedSchema: string
  readonly referencedTable: string
  readonly onDelete: string
  readonly onUpdate: string
}

export interface ServerFacts {
  readonly flavour: Flavour
  readonly version: string
  /** `user@host` as the server knows this session. */
  readonly account: string
  readonly variables: ReadonlyMap<string, string>
  readonly replicasRunning: number
  /** Undefined when the account may not ask. */
  readonly binlogFilter: { readonly only: readonly string[]; readonly never: readonly string[] } | undefined
  readonly tables: readonly TableFacts[]
  readonly triggers: readonly TriggerFacts[]
  readonly foreignKeys: readonly ForeignKeyFacts[]
  readonly events: readonly string[]
  readonly grants: readonly string[]
  /** Of each account that this session may see: the privileges that can hide writes. */
  readonly hidingAccounts: ReadonlyMap<string, readonly string[]>
}

const SYSTEM_SCHEMAS = ['mysql', 'sys', 'performance_schema', 'information_schema', 'cellway']
const NOT_SYSTEM = (column: string): string => `${column} NOT IN (${SYSTEM_SCHEMAS.map((name) => `'${name}'`).join(', ')})`

const VARIABLE_PATTERN =
  '^(log_bin|binlog_|gtid_|server_id|auto_increment_|expire_logs_days|sync_binlog|innodb_flush_log_at_trx_commit|innodb_lock_wait_timeout|log_slave_updates|log_replica_updates|read_only|super_read_only|max_allowed_packet|slave_max_allowed_packet|replica_max_allowed_packet|event_scheduler|rpl_semi_sync_|enforce_gtid_consistency|max_binlog_total_size|version$)'

/** Privileges with which a session can leave a write out of the binary log, or write it as a statement. */
const HIDING: Readonly<Record<Flavour, readonly string[]>> = {
  mariadb: ['SUPER', 'BINLOG ADMIN'],
  mysql: ['SUPER', 'BINLOG_ADMIN', 'SYSTEM_VARIABLES_ADMIN', 'SESSION_VARIABLES_ADMIN']
}

export async function readFacts(session: PreflightSession): Promise<ServerFacts> {
  const ask = async (sql: string): Promise<string[][]> => (await session.rows(sql)).map((row) => row.map(text))
  const variables = new Map<string, string>()
  for (const [name = '', value = ''] of await ask(`SHOW GLOBAL VARIABLES WHERE Variable_name REGEXP '${VARIABLE_PATTERN}'`))
    variables.set(name, value)
  const [[account = ''] = []] = await ask('SELECT CURRENT_USER()')
  const [[, running = '0'] = []] = await ask("SHOW GLOBAL STATUS LIKE 'Slaves_running'")
  return {
    flavour: session.flavour,
    version: variables.get('version') ?? '',
    account,
    variables,
    replicasRunning: Number(running),
    binlogFilter: await readFilter(session, ask),
    tables: await readTables(ask),
    triggers: await readTriggers(ask),
    foreignKeys: await readForeignKeys(ask),
    events: (
      await ask(
        `SELECT CONCAT(event_schema, '.', event_name) FROM information_schema.events WHERE status = 'ENABLED' AND ${NOT_SYSTEM('event_schema')} ORDER BY 1`
      )
    ).map(([name = '']) => name),
    grants: (await ask('SHOW GRANTS')).map(([grant = '']) => grant),
    hidingAccounts: await readHidingAccounts(session.flavour, ask)
  }
}

type Ask = (sql: string) => Promise<string[][]>

async function readFilter({ flavour }: PreflightSession, ask: Ask): Promise<ServerFacts['binlogFilter']> {
  // MySQL 8.4 dropped the old name; MariaDB 10.6 to 11 know both.
  for (const sql of flavour === 'mysql' ? ['SHOW BINARY LOG STATUS', 'SHOW MASTER STATUS'] : ['SHOW MASTER STATUS']) {
    try {
      const [row] = await ask(sql)
      return { only: namesOf(row?.[2]), never: namesOf(row?.[3]) }
    } catch {
      // Not allowed, or not known by this version; a missing privilege is a finding of its own.
    }
  }
  return undefined
}

function namesOf(list = ''): readonly string[] {
  return list === '' ? [] : list.split(',')
}

async function readTables(ask: Ask): Promise<TableFacts[]> {
  const columns = new Map<string, ColumnFacts[]>()
  for (const [schema = '', table = '', name = '', nullable, extra = ''] of await ask(
    `SELECT table_schema, table_name, column_name, is_nullable, extra FROM information_schema.columns WHERE ${NOT_SYSTEM('table_schema')} ORDER BY table_schema, table_name, ordinal_position`
  )) {
    listOf(columns, `${schema}.${table}`).push({ name, nullable: nullable === 'YES', autoIncrement: /auto_increment/i.test(extra) })
  }
  const keys = new Map<string, Map<string, { unique: boolean; columns: string[] }>>()
  for (const [schema = '', table = '', name = '', nonUnique, column = ''] of await ask(
    `SELECT table_schema, table_name, index_name, non_unique, column_name FROM information_schema.statistics WHERE ${NOT_SYSTEM('table_schema')} ORDER BY table_schema, table_name, index_name, seq_in_index`
  )) {
    const ofTable = keys.get(`${schema}.${table}`) ?? new Map<string, { unique: boolean; columns: string[] }>()
    keys.set(`${schema}.${table}`, ofTable)
    const key = ofTable.get(name) ?? { unique: nonUnique === '0', columns: [] }
    ofTable.set(name, key)
    key.columns.push(column)
  }
  const tables = await ask(
    `SELECT table_schema, table_name, table_type, engine FROM information_schema.tables WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') AND ${NOT_SYSTEM('table_schema')} ORDER BY table_schema, table_name`
  )
  return tables.map(([schema = '', name = '', kind = '', engine = '']) => ({
    schema,
    name,
    kind,
    engine,
    columns: columns.get(`${schema}.${name}`) ?? [],
    keys: [...(keys.get(`${schema}.${name}`) ?? [])].map(([key, parts]) => ({ name: key, ...parts }))
  }))
}

async function readTriggers(ask: Ask): Promise<TriggerFacts[]> {
  const rows = await ask(
    `SELECT trigger_schema, trigger_name, event_object_table, action_timing, event_manipulation, action_statement FROM information_schema.triggers WHERE ${NOT_SYSTEM('trigger_schema')} ORDER BY 1, 2`
  )
  return rows.map(([schema = '', name = '', table = '', timing = '', event = '', statement = '']) => ({
    schema,
    name,
    table,
    timing,
    event,
    statement
  }))
}

async function readForeignKeys(ask: Ask): Promise<ForeignKeyFacts[]> {
  const rows = await ask(
    `SELECT constraint_schema, table_name, constraint_name, unique_constraint_schema, referenced_table_name, delete_rule, update_rule
     FROM information_schema.referential_constraints WHERE ${NOT_SYSTEM('constraint_schema')} ORDER BY 1, 2, 3`
  )
  return rows.map(([schema = '', table = '', name = '', referencedSchema = '', referencedTable = '', onDelete = '', onUpdate = '']) => ({
    schema,
    table,
    name,
    referencedSchema,
    referencedTable,
    onDelete,
    onUpdate
  }))
}

async function readHidingAccounts(flavour: Flavour, ask: Ask): Promise<Map<string, string[]>> {
  const wanted = HIDING[flavour].map((privilege) => `'${privilege}'`).join(', ')
  const rows = await ask(`SELECT grantee, privilege_type FROM information_schema.user_privileges WHERE privilege_type IN (${wanted}) ORDER BY 1, 2`)
  const accounts = new Map<string, string[]>()
  for (const [grantee = '', privilege = ''] of rows) listOf(accounts, grantee).push(privilege)
  return accounts
}

function listOf<Value>(map: Map<string, Value[]>, key: string): Value[] {
  const list = map.get(key) ?? []
  map.set(key, list)
  return list
}

function text(value: Uint8Array | null): string {
  return value === null ? '' : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
}

import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { reasonOf } from '../connection.ts'
import { type Finding, fail, ok, unknown, warn } from './finding.ts'
import type { MysqlAccess } from './inventory.ts'

/** What one server says about itself. */
export interface MysqlFacts {
  readonly version: string
  readonly variables: Readonly<Record<string, string>>
  /** The server's clock minus ours; undefined when it could not be measured. */
  readonly clockSkewMs: number | undefined
  /** Tables of applications that count their ids themselves. */
  readonly autoIncrementTables: readonly string[]
}

const CONNECT_MS = 3000
const STATEMENT_MS = 3000
/** Two clocks further apart than this make times in different cells useless for people. */
export const CLOCK_SKEW_MS_MAX = 500

const VARIABLES = [
  'log_bin',
  'binlog_format',
  'binlog_row_image',
  'binlog_row_metadata',
  'sync_binlog',
  'innodb_flush_log_at_trx_commit',
  'auto_increment_increment',
  'auto_increment_offset',
  'server_id'
] as const

export interface MysqlExamination {
  readonly facts: MysqlFacts | undefined
  readonly findings: readonly Finding[]
}

export async function examineMysql(
  cell: string,
  access: MysqlAccess,
  { cells, signal }: { cells: number; signal: AbortSignal }
): Promise<MysqlExamination> {
  const subject = `${cell}/mysql`
  try {
    const facts = await readFacts(access)
    return { facts, findings: judgeMysql(subject, facts, { access, cells }) }
  } catch (error) {
    signal.throwIfAborted()
    const { host, port, user } = access
    const fix = [`mariadb -h ${host} -P ${port} -u ${user} -p -e 'SELECT 1'`]
    return {
      facts: undefined,
      findings: [fail(subject, 'reachable', { measured: reasonOf(error), wanted: `a connection to ${host}:${port} as ${user}`, fix })]
    }
  }
}

async function readFacts({ host, port, user, password }: MysqlAccess): Promise<MysqlFacts> {
  const connection = await createConnection({
    host,
    port,
    user,
    password,
    connectTimeout: CONNECT_MS,
    supportBigNumbers: true,
    bigNumberStrings: true
  })
  try {
    const names = VARIABLES.map((name) => `'${name}'`).join(', ')
    const rows = await query(connection, `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`)
    const variables = Object.fromEntries(rows.map((row) => [String(row.Variable_name), String(row.Value)]))
    const beforeMs = Date.now()
    const [clock] = await query(connection, 'SELECT VERSION() AS version, ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS nowMs')
    // Half of the round trip is the best guess for when the server looked at its clock.
    const clockSkewMs = Number(clock?.nowMs) - (beforeMs + Date.now()) / 2
    const counted = await query(
      connection,
      `SELECT CONCAT(table_schema, '.', table_name) AS name FROM information_schema.columns
       WHERE extra LIKE '%auto_increment%' AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema', 'cellway') ORDER BY 1 LIMIT 100`
    )
    return { version: String(clock?.version), variables, clockSkewMs, autoIncrementTables: counted.map((row) => String(row.name)) }
  } finally {
    connection.destroy()
  }
}

async function query(connection: Awaited<ReturnType<typeof createConnection>>, sql: string): Promise<RowDataPacket[]> {
  const [rows] = await connection.query<RowDataPacket[]>({ sql, timeout: STATEMENT_MS })
  return rows
}

interface Judging {
  readonly access: MysqlAccess
  /** Cells that may write: their servers must count ids apart from each other. */
  readonly cells: number
}

/** Pure: every setting that capture and recovery depend on. */
export function judgeMysql(subject: string, facts: MysqlFacts, { access, cells }: Judging): readonly Finding[] {
  const repair = repairFor(facts, access)
  return [
    ok(subject, 'reachable', facts.version),
    isOn(facts.variables.log_bin)
      ? ok(subject, 'log_bin', 'ON')
      : fail(subject, 'log_bin', {
          measured: facts.variables.log_bin ?? 'missing',
          wanted: 'ON',
          fix: ['add to the [mysqld] section of my.cnf, then restart the server:  log_bin = binlog']
        }),
    setting('binlog_format', 'ROW'),
    setting('binlog_row_image', 'FULL'),
    setting('binlog_row_metadata', 'FULL'),
    setting('sync_binlog', '1'),
    setting('innodb_flush_log_at_trx_commit', '1'),
    judgeAutoIncrement(subject, facts, { cells, repair }),
    judgeClock(subject, facts.clockSkewMs)
  ]

  function setting(name: string, wanted: string): Finding {
    const measured = facts.variables[name] ?? 'missing'
    return measured.toUpperCase() === wanted ? ok(subject, name, measured) : fail(subject, name, { measured, wanted, fix: repair(name, wanted) })
  }
}

/** A client call that works as it stands, and what makes the setting survive a restart. */
function repairFor({ version }: MysqlFacts, { host, port, user }: MysqlAccess): (name: string, value: string) => readonly string[] {
  const isMariadb = /mariadb/i.test(version)
  return (name, value) => {
    const literal = /^\d+$/.test(value) ? value : `'${value}'`
    const statement = isMariadb ? `SET GLOBAL ${name} = ${literal}` : `SET PERSIST ${name} = ${literal}`
    const command = `${isMariadb ? 'mariadb' : 'mysql'} -h ${host} -P ${port} -u ${user} -p -e "${statement}"`
    return isMariadb ? [command, `and in the [mysqld] section of my.cnf:  ${name} = ${value}`] : [command]
  }
}

function judgeAutoIncrement(
  subject: string,
  { variables, autoIncrementTables }: MysqlFacts,
  { cells, repair }: { cells: number; repair: ReturnType<typeof repairFor> }
): Finding {
  const step = Number(variables.auto_increment_increment ?? 1)
  const offset = Number(variables.auto_increment_offset ?? 1)
  const measured = `offset ${offset} of ${step}`
  const check = 'auto_increment offset'
  if (step >= cells && offset <= step) return ok(subject, check, measured)
  const wanted = `a step of at least ${cells}, and another offset in each cell`
  const fix = [...repair('auto_increment_increment', String(Math.max(16, cells))), ...repair('auto_increment_offset', '<number of the cell + 1>')]
  if (autoIncrementTables.length === 0) return ok(subject, check, `${measured}; no table counts its own ids`)
  return fail(subject, check, {
    measured: `${measured}, and ${autoIncrementTables.slice(0, 3).join(', ')} would get equal ids in two cells`,
    wanted,
    fix
  })
}

export function judgeClock(subject: string, skewMs: number | undefined): Finding {
  if (skewMs === undefined || Number.isNaN(skewMs)) return unknown(subject, 'clock', { measured: 'could not be read', fix: [] })
  const measured = `${Math.round(skewMs)} ms from this machine`
  if (Math.abs(skewMs) <= CLOCK_SKEW_MS_MAX) return ok(subject, 'clock', measured)
  return warn(subject, 'clock', {
    measured,
    wanted: `within ${CLOCK_SKEW_MS_MAX} ms`,
    fix: ['chronyc tracking   # on both machines; "chronyc makestep" sets the clock at once']
  })
}

/** What only shows when all cells lie side by side: servers that share an id, or count their rows' ids alike. */
export function judgeTogether(facts: ReadonlyMap<string, MysqlFacts>): readonly Finding[] {
  const counting = new Map([...facts].filter(([, { autoIncrementTables }]) => autoIncrementTables.length > 0))
  return [...shared(facts, 'server_id'), ...shared(counting, 'auto_increment_offset')]
}

function shared(facts: ReadonlyMap<string, MysqlFacts>, variable: string): readonly Finding[] {
  const byValue = Map.groupBy(facts, ([, { variables }]) => variables[variable] ?? 'missing')
  return [...byValue]
    .filter(([, servers]) => servers.length > 1)
    .map(([value, servers]) =>
      fail(`${servers.map(([cell]) => cell).join(', ')}`, variable, {
        measured: `all have ${value}`,
        wanted: 'another one in each cell',
        fix: [`in the [mysqld] section of each my.cnf, then restart:  ${variable} = <number of the cell + 1>`]
      })
    )
}

function isOn(value: string | undefined): boolean {
  return value === 'ON' || value === '1'
}

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import type { ProcessSpec } from './child.ts'
import { runCommand } from './command.ts'
import type { CellLayout } from './layout.ts'
import type { CellSecrets } from './secrets.ts'

export const DATABASE = 'shop'
export const APP_USER = 'shop_app'
export const ADMIN_USER = 'cellway_admin'
export const REPLICATOR_USER = 'cellway_replicator'
export const APPLIER_USER = 'cellway_applier'
/** Ids that two cells make at the same time differ by the cell; 16 is the most cells that ids can carry. */
const AUTO_INCREMENT_STEP = 16
/** Server ids begin behind it: 1 is that of every server nobody configured. */
const SERVER_ID_BASE = 100
const CELLWAY_SCHEMA = 'cellway'
const OWN_SCHEMA = 'SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES'
const DATA_READ = 'SELECT, TRIGGER, EVENT'
const DATA_WRITE = 'INSERT, UPDATE, DELETE, CREATE, REFERENCES, DROP'
const INSTALL_MS_MAX = 60_000
const CONNECT_MS_MAX = 2_000
/** The first start writes system tables and a binlog; on a slow disk that takes its time. */
const READY_MS = 60_000
const STOP_MS = 30_000
const HOST = '127.0.0.1'

export interface MariadbCell {
  readonly cell: CellLayout
  readonly secrets: CellSecrets
  readonly programs: Readonly<Record<string, string>>
  readonly cacheFolder: string
  readonly logFile: string
}

/** Makes data folder and configuration where they are missing. The first cell pays for the empty database, the others copy it. */
export async function prepareMariadb(options: MariadbCell, template: string): Promise<void> {
  const { cell, secrets } = options
  const folder = join(cell.folder, 'mysql')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const data = join(folder, 'data')
  if (!existsSync(data)) {
    // Copied under another name first: a half copied folder must not look like a database.
    await cp(template, `${data}.new`, { recursive: true })
    renameSync(`${data}.new`, data)
  }
  writeFileSync(join(folder, 'accounts.sql'), accountsSql(secrets), { mode: 0o600 })
  writeFileSync(join(folder, 'my.cnf'), serverConfig(cell, folder))
}

/** An empty data folder as `mariadb-install-db` makes it, one per server version, shared by all runs of this clone. */
export async function mariadbTemplate({ programs, cacheFolder }: Pick<MariadbCell, 'programs' | 'cacheFolder'>): Promise<string> {
  const version = (await runCommand(programs.mariadbd ?? 'mariadbd', ['--no-defaults', '--version'], { timeoutMs: INSTALL_MS_MAX })).match(
    /Ver (\S+)/
  )?.[1]
  const template = join(cacheFolder, `mariadb-${version ?? 'unknown'}`)
  if (existsSync(template)) return template
  mkdirSync(cacheFolder, { recursive: true })
  const building = `${template}.${process.pid}`
  rmSync(building, { recursive: true, force: true })
  const install = programs['mariadb-install-db'] ?? 'mariadb-install-db'
  // Relative to the folder it runs in: it is a shell script that cannot bear a space in a path.
  const args = [
    '--no-defaults',
    `--datadir=./${basename(building)}`,
    '--auth-root-authentication-method=socket',
    '--skip-test-db',
    '--skip-log-bin',
    ...asRoot()
  ]
  await runCommand(install, [...args, '--innodb-log-file-size=16M'], {
    timeoutMs: INSTALL_MS_MAX,
    cwd: cacheFolder,
    env: { ...process.env, PATH: programs.PATH ?? process.env.PATH }
  })
  keepFirst(building, template)
  return template
}

export function mariadbSpec({ cell, secrets, programs, logFile }: MariadbCell): ProcessSpec {
  const folder = join(cell.folder, 'mysql')
  return {
    name: `${cell.name}/mysql`,
    command: programs.mariadbd ?? 'mariadbd',
    args: [`--defaults-file=${join(folder, 'my.cnf')}`],
    cwd: folder,
    logFile,
    tier: 0,
    stopMs: STOP_MS,
    readyMs: READY_MS,
    probe: async () => {
      const connection = await createConnection({ ...adminAccount(cell, secrets), connectTimeout: CONNECT_MS_MAX })
      await connection.end()
    }
  }
}

/**
 * Tables and rows that every cell starts with. Not written to the binlog: each cell gets the same rows from the same file, so
 * for replication they are the common ground, not changes. Rows only once: what was deleted since stays deleted.
 */
export async function loadDemoData(cell: CellLayout, secrets: CellSecrets, files: { readonly schema: string; readonly seed: string }): Promise<void> {
  const seeded = join(cell.folder, 'mysql', 'seeded')
  const connection = await createConnection({ ...adminAccount(cell, secrets), multipleStatements: true })
  try {
    await connection.query('SET SESSION sql_log_bin = 0')
    await connection.query(`CREATE DATABASE IF NOT EXISTS ${DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`)
    await connection.query(`USE ${DATABASE}`)
    await connection.query(readFileSync(files.schema, 'utf8'))
    if (existsSync(seeded)) return
    await connection.query(readFileSync(files.seed, 'utf8'))
    writeFileSync(seeded, '')
  } finally {
    await connection.end()
  }
}

function adminAccount(cell: CellLayout, secrets: CellSecrets) {
  return { host: HOST, port: cell.ports.mysql, user: ADMIN_USER, password: secrets.mysqlAdminPassword }
}

/**
 * Run by the server at each start, before it listens: the accounts exist from the first connection on. Outside the binlog,
 * because accounts belong to a cell.
 */
function accountsSql({ mysqlPassword, mysqlAdminPassword, replicatorPassword, applierPassword }: CellSecrets): string {
  const app = `'${APP_USER}'@'${HOST}'`
  const admin = `'${ADMIN_USER}'@'${HOST}'`
  return [
    'SET SESSION sql_log_bin = 0;',
    `CREATE DATABASE IF NOT EXISTS ${DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;`,
    `CREATE USER IF NOT EXISTS ${app} IDENTIFIED BY '${mysqlPassword}';`,
    `ALTER USER ${app} IDENTIFIED BY '${mysqlPassword}';`,
    `GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES ON ${DATABASE}.* TO ${app};`,
    `CREATE USER IF NOT EXISTS ${admin} IDENTIFIED BY '${mysqlAdminPassword}';`,
    `ALTER USER ${admin} IDENTIFIED BY '${mysqlAdminPassword}';`,
    `GRANT ALL PRIVILEGES ON *.* TO ${admin} WITH GRANT OPTION;`,
    ...replicatorAccounts(replicatorPassword, applierPassword),
    ''
  ].join('\n')
}

/** As `cellway doctor --grants` prints them: the least that reading the binlog and applying other cells' changes needs. */
function replicatorAccounts(replicatorPassword: string, applierPassword: string): string[] {
  const replicator = `'${REPLICATOR_USER}'@'${HOST}'`
  const applier = `'${APPLIER_USER}'@'${HOST}'`
  return [
    `CREATE DATABASE IF NOT EXISTS ${CELLWAY_SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;`,
    `CREATE USER IF NOT EXISTS ${replicator} IDENTIFIED BY '${replicatorPassword}';`,
    `ALTER USER ${replicator} IDENTIFIED BY '${replicatorPassword}';`,
    `CREATE USER IF NOT EXISTS ${applier} IDENTIFIED BY '${applierPassword}';`,
    `ALTER USER ${applier} IDENTIFIED BY '${applierPassword}';`,
    `GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO ${replicator};`,
    `GRANT ${DATA_READ} ON ${DATABASE}.* TO ${replicator};`,
    `GRANT ${OWN_SCHEMA} ON ${CELLWAY_SCHEMA}.* TO ${replicator};`,
    `GRANT BINLOG REPLAY ON *.* TO ${applier};`,
    `GRANT ${DATA_READ}, ${DATA_WRITE} ON ${DATABASE}.* TO ${applier};`,
    `GRANT ${OWN_SCHEMA} ON ${CELLWAY_SCHEMA}.* TO ${applier};`
  ]
}

/** Small in memory, strict about durability: this is the source of a replication stream. */
function serverConfig(cell: CellLayout, folder: string): string {
  const id = cell.number + 1
  return `[mariadbd]
datadir = ${join(folder, 'data')}
# Relative to the data folder: an absolute path could be longer than a socket address may be.
socket = mysql.sock
pid_file = mysql.pid
bind_address = ${HOST}
port = ${cell.ports.mysql}
skip_name_resolve
init_file = ${join(folder, 'accounts.sql')}
${asRoot().length === 0 ? '' : 'user = root\n'}
server_id = ${SERVER_ID_BASE + id}
gtid_domain_id = ${id}
gtid_strict_mode = ON
auto_increment_increment = ${AUTO_INCREMENT_STEP}
auto_increment_offset = ${id}

log_bin = binlog
binlog_format = ROW
binlog_row_image = FULL
binlog_row_metadata = FULL
sync_binlog = 1
innodb_flush_log_at_trx_commit = 1
max_binlog_size = 64M
binlog_expire_logs_seconds = 604800

character_set_server = utf8mb4
collation_server = utf8mb4_bin
default_time_zone = +00:00

innodb_buffer_pool_size = 64M
innodb_log_file_size = 48M
innodb_log_buffer_size = 8M
performance_schema = OFF
key_buffer_size = 1M
aria_pagecache_buffer_size = 8M
max_connections = 300
max_allowed_packet = 64M
table_open_cache = 400
`
}

function keepFirst(building: string, template: string): void {
  try {
    renameSync(building, template)
  } catch (error) {
    // Another run was faster; both are the same.
    rmSync(building, { recursive: true, force: true })
    if (!existsSync(template)) throw error
  }
}

/** mariadbd refuses to run as root unless told so; locally the clone's owner owns the data as well. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : []
}

import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildSnapshot, encodeSnapshot, initialLedger, parseTopology, type Snapshot } from '@cellway/topology'
import mysql, { type Connection, type RowDataPacket } from 'mysql2/promise'
import { freePort } from '../servers.ts'
import { type CellDatabase, makeCellDatabase } from './mariadb.ts'
import { makeService, type ServiceProcess } from './node-process.ts'
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** Several cells with databases, replicators and one center, as separate processes. */
export interface Cluster extends AsyncDisposable {
  readonly cells: readonly ClusterCell[]
  readonly center: ServiceProcess
  readonly centerUrl: string
  readonly snapshot: Snapshot
  cell(name: string): ClusterCell
}

export interface ClusterCell {
  readonly name: string
  readonly database: CellDatabase
  readonly replicator: ServiceProcess
  readonly adminUrl: string
  /** Of the replicator to the center, and to its database. */
  readonly links: { readonly center: TcpProxy; readonly mysql: TcpProxy }
  /** Another process for the same cell, as after a mistake in operations. */
  secondReplicator(): ServiceProcess
  /** To the database itself, as the application has it. */
  connect(options?: { multipleStatements?: boolean }): Promise<Connection>
}

export interface ClusterOptions {
  readonly cells: readonly string[]
  /** CREATE statements of schema `shop`, run in each cell outside of the binlog. */
  readonly schema: readonly string[]
  /** Lines below `data: mysql:`; tables of `shop`. */
  readonly data: readonly string[]
  readonly buckets?: number
  /** More of the replicators' configuration. */
  readonly replicator?: Readonly<Record<string, unknown>>
  readonly serverArgs?: readonly string[]
  /** Beside the start of each replicator: what an operator would do meanwhile. */
  readonly whileStarting?: (cell: ClusterCell) => Promise<void>
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'cellway-cluster-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const snapshot = snapshotOf(options)
  const tokens = new Map(options.cells.map((cell) => [cell, randomBytes(32).toString('base64url')]))
  const [centerPort, metricsPort] = [await freePort(), await freePort()]
  const center = stack.use(await makeCenter({ folder, centerPort, metricsPort, tokens }))
  await center.start()
  const cells = await Promise.all(
    options.cells.map((name, index) =>
      makeCell({ name, serverId: index + 1, folder, centerPort, token: tokens.get(name) ?? '', snapshot, options, stack })
    )
  )
  await Promise.all(cells.flatMap((cell) => [cell.replicator.start(), options.whileStarting?.(cell)]))
  await Promise.all(cells.map((cell) => untilFlowing(cell, cells.length - 1)))
  const owned = stack.move()
  return {
    cells,
    center,
    centerUrl: `http://127.0.0.1:${centerPort}`,
    snapshot,
    cell(name) {
      const found = cells.find((cell) => cell.name === name)
      if (found === undefined) throw new Error(`no cell ${name}`)
      return found
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}

const FLOWING_MS = 60_000

/** A capture takes what is written from its beginning on: until a heartbeat of every other cell has arrived, nothing is promised. */
export async function untilFlowing({ name, adminUrl, replicator }: ClusterCell, sources: number): Promise<void> {
  const deadline = AbortSignal.timeout(FLOWING_MS)
  for (;;) {
    const ready = await fetch(`${adminUrl}/health/ready`).catch(() => undefined)
    const metrics = await fetch(`${adminUrl}/metrics`)
      .then((answer) => answer.text())
      .catch(() => '')
    const heard = metrics.split('\n').filter((line) => line.startsWith('cellway_replicator_lag_seconds{')).length
    if (ready?.status === 200 && heard === sources) return
    if (deadline.aborted) throw new Error(`${name} hears ${heard} of ${sources} cells:\n${replicator.log()}`)
    await sleep(100)
  }
}

function snapshotOf({ cells, data, buckets = 64 }: ClusterOptions): Snapshot {
  const named = cells.map(
    (cell, at) => `  ${cell}: {region: r${at}, gateway: "http://127.0.0.1:${9 + at}", apps: {default: ["http://127.0.0.1:${19 + at}"]}}`
  )
  const text = `
apiVersion: cellway/v1
cells:
${named.join('\n')}
spaces:
  users: {kind: hash, buckets: ${buckets}}
  global: {kind: single, primary: ${cells[0]}}
routes:
  - {match: {path: /**}, class: local}
data:
  mysql:
${data.map((line) => `    - ${line}`).join('\n')}
`
  const checked = parseTopology(text)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return buildSnapshot({ version: 1, topology: checked.value, ledger: initialLedger(checked.value) })
}

interface CenterParts {
  readonly folder: string
  readonly centerPort: number
  readonly metricsPort: number
  readonly tokens: ReadonlyMap<string, string>
}

async function makeCenter({ folder, centerPort, metricsPort, tokens }: CenterParts): Promise<ServiceProcess> {
  const config = {
    listen: { port: centerPort },
    metrics: { port: metricsPort },
    dataFolder: join(folder, 'center'),
    tokens: [...tokens].map(([cell, token]) => ({ name: cell, role: 'cell', cell, sha256: createHash('sha256').update(token).digest('hex') }))
  }
  const file = join(folder, 'center.json')
  await writeFile(file, JSON.stringify(config))
  return makeService({ program: 'center', args: ['--config', file], up: 'center listening' })
}

interface CellParts {
  readonly name: string
  readonly serverId: number
  readonly folder: string
  readonly centerPort: number
  readonly token: string
  readonly snapshot: Snapshot
  readonly options: ClusterOptions
  readonly stack: AsyncDisposableStack
}

async function makeCell({ name, serverId, folder, centerPort, token, snapshot, options, stack }: CellParts): Promise<ClusterCell> {
  const database = stack.use(await makeCellDatabase({ serverId, args: options.serverArgs ?? [] }))
  await database.start()
  const connect = (extra: { multipleStatements?: boolean } = {}): Promise<Connection> =>
    mysql.createConnection({ host: '127.0.0.1', port: database.port, user: 'root', supportBigNumbers: true, bigNumberStrings: true, ...extra })
  await prepareSchema(await connect(), options.schema)
  const links = { center: stack.use(await openTcpProxy(centerPort)), mysql: stack.use(await openTcpProxy(database.port)) }
  const adminPort = await freePort()
  const config = {
    cell: name,
    member: `${name}-rep-1`,
    mysql: { host: '127.0.0.1', port: links.mysql.port, user: 'cellway', passwordEnv: 'MYSQL_PASSWORD' },
    center: { url: `http://127.0.0.1:${links.center.port}`, tokenEnv: 'CENTER_TOKEN' },
    snapshotFile: join(folder, `${name}-snapshot.json`),
    admin: { port: adminPort },
    spillFolder: join(folder, `${name}-spill`),
    ...options.replicator
  }
  const file = join(folder, `${name}.json`)
  await writeFile(file, JSON.stringify(config))
  const secondFile = join(folder, `${name}-second.json`)
  await writeFile(
    secondFile,
    JSON.stringify({ ...config, member: `${name}-rep-2`, admin: { port: 0 }, spillFolder: join(folder, `${name}-spill-2`) })
  )
  await writeSnapshot(config.snapshotFile, snapshot)
  const env = { MYSQL_PASSWORD: PASSWORD, CENTER_TOKEN: token }
  const replicator = stack.use(makeService({ program: 'replicator', args: ['--config', file], env, up: 'replicator running' }))
  const secondReplicator = (): ServiceProcess => makeService({ program: 'replicator', args: ['--config', secondFile], env, up: 'replicator running' })
  return { name, database, replicator, adminUrl: `http://127.0.0.1:${adminPort}`, links, secondReplicator, connect }
}

const PASSWORD = 'replicator-of-a-test'

/** Outside of the binlog: the same in each cell, and nobody's change. */
async function prepareSchema(connection: Connection, schema: readonly string[]): Promise<void> {
  const account = "'cellway'@'%'"
  await connection.query('SET SESSION sql_log_bin = 0')
  for (const sql of [
    'CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    'CREATE DATABASE cellway CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    'USE shop',
    ...schema,
    `CREATE USER ${account} IDENTIFIED BY '${PASSWORD}'`,
    `GRANT REPLICATION SLAVE, BINLOG MONITOR, BINLOG REPLAY ON *.* TO ${account}`,
    `GRANT SELECT, TRIGGER, EVENT, INSERT, UPDATE, DELETE, CREATE, REFERENCES, DROP ON shop.* TO ${account}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES ON cellway.* TO ${account}`
  ])
    await connection.query(sql)
  await connection.end()
}

export async function writeSnapshot(file: string, snapshot: Snapshot): Promise<void> {
  await writeFile(`${file}.new`, encodeSnapshot(snapshot))
  await rename(`${file}.new`, file)
}

/** Of every row and every column of the tables, byte by byte; one text per table. */
export async function digestOf(cell: ClusterCell, tables: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const connection = await cell.connect()
  try {
    await connection.query("SET SESSION group_concat_max_len = 1048576, time_zone = '+00:00'")
    await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT')
    const entries: [string, string][] = []
    for (const table of tables) entries.push([table, await digestTable(connection, table)])
    return Object.fromEntries(entries)
  } finally {
    connection.destroy()
  }
}

async function digestTable(connection: Connection, table: string): Promise<string> {
  const [schema = '', name = ''] = table.split('.')
  const [columns] = await connection.query<RowDataPacket[]>(
    "SELECT GROUP_CONCAT(CONCAT('COALESCE(HEX(`', column_name, '`), ''-'')') ORDER BY ordinal_position) AS texts FROM information_schema.columns WHERE table_schema = ? AND table_name = ?",
    [schema, name]
  )
  const row = `MD5(CONCAT_WS('#', ${String(columns[0]?.texts)}))`
  // The sums of two halves of every row's MD5: order does not matter, and two errors do not cancel out.
  const [sums] = await connection.query<RowDataPacket[]>(
    `SELECT COUNT(*) AS amount, SUM(CAST(CONV(LEFT(h, 13), 16, 10) AS DECIMAL(30))) AS first, SUM(CAST(CONV(RIGHT(h, 13), 16, 10) AS DECIMAL(30))) AS second
     FROM (SELECT ${row} AS h FROM ${table}) AS hashed`
  )
  const [hashed] = sums
  return `${hashed?.amount} rows ${hashed?.first} ${hashed?.second}`
}

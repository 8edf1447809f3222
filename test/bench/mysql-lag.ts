import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import mysql, { type Connection, type RowDataPacket } from 'mysql2/promise'
import { type ClusterCell, type ClusterOptions, digestOf, startCluster } from '../integration/replication/cluster.ts'
import { type CellDatabase, makeCellDatabase } from '../integration/replication/mariadb.ts'

const PER_SECOND = 1_000
const SECONDS = 10
const ROUNDS = 3
const CLIENTS = 16
const WARM_UP_SECONDS = 3
/** Between two looks of the observer; half of it is added to what is measured. */
const LOOK_MS = 0.5
const VISIBLE_MS_MAX = 30_000
const COMMITS = 400
const TABLE = 'shop.ticks'

export const summary =
  'Commit to visible in the other cell at 1,000 tx/s through center and replicators, beside native replication; cost of rpo: zero.'
export const needs = ['mariadbd', 'mariadb-install-db']

interface Lag {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perSecond: number
}

interface CommitCost {
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface LagBench {
  readonly name: 'mysql-lag'
  readonly ours: Lag & { readonly digestEqual: boolean; readonly commit: CommitCost; readonly commitRpoZero: CommitCost }
  readonly peer: Lag
  readonly ratio: { readonly p50: number; readonly p99: number }
  readonly rounds: { readonly seconds: number; readonly ours: readonly Lag[]; readonly peer: readonly Lag[] }
  readonly machine: string
}

/**
 * Two cells as they are run for real: a database, a replicator, the center in between. The peer is a replica of the first database.
 * The clock starts when the client has heard of its commit, and stops when a reader of the other database sees the row.
 */
export async function run({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<LagBench> {
  const seconds = numberOf(args, 'seconds', SECONDS)
  const rounds = numberOf(args, 'rounds', ROUNDS)
  const commitRpoZero = await measureRpoZero()
  await using cluster = await startCluster(CLUSTER)
  const [source, target] = cluster.cells
  if (source === undefined || target === undefined) throw new Error('two cells')
  const commit = await measureCommits(source, 0)
  const load = { source, nextId: COMMITS + 1 }
  const ours: Lag[] = []
  await measureLag(load, { observe: () => target.connect(), seconds: WARM_UP_SECONDS })
  for (let round = 0; round < rounds; round += 1) ours.push(await measureLag(load, { observe: () => target.connect(), seconds }))
  const digests = await Promise.all([digestOf(source, [TABLE]), digestOf(target, [TABLE])])
  const digestEqual = digests[0]?.[TABLE] === digests[1]?.[TABLE]
  for (const { replicator } of cluster.cells) await replicator.stop()
  const peer = await measurePeer(load, { seconds, rounds })
  const [best, other] = [medians(ours), medians(peer)]
  return {
    name: 'mysql-lag',
    ours: { ...best, digestEqual, commit, commitRpoZero },
    peer: other,
    ratio: { p50: round2(best.p50Ms / other.p50Ms), p99: round2(best.p99Ms / other.p99Ms) },
    rounds: { seconds, ours, peer },
    machine: `${cpus()[0]?.model ?? 'unknown'} x ${cpus().length}, Node ${process.version}`
  }
}

const CLUSTER: ClusterOptions = {
  cells: ['beijing', 'shanghai'],
  schema: ['CREATE TABLE ticks (id BIGINT NOT NULL PRIMARY KEY, body VARCHAR(200) NOT NULL)'],
  data: [`{table: ${TABLE}, space: global}`]
}

async function measureRpoZero(): Promise<CommitCost> {
  await using cluster = await startCluster({
    ...CLUSTER,
    replicator: { rpo: 'zero' },
    whileStarting: switchSemiSyncOn
  })
  const [source] = cluster.cells
  if (source === undefined) throw new Error('no cell')
  const connection = await source.connect()
  const [before] = await connection.query<RowDataPacket[]>("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_yes_tx'")
  const cost = await measureCommits(source, 1_000_000)
  const [after] = await connection.query<RowDataPacket[]>("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_yes_tx'")
  await connection.end()
  const waited = Number(after[0]?.Value) - Number(before[0]?.Value)
  if (waited < COMMITS) throw new Error(`only ${waited} of ${COMMITS} commits waited for the center`)
  return cost
}

/** As the status of the blocked replicator says: first come its tables, then the server may wait for it. */
async function switchSemiSyncOn(cell: ClusterCell): Promise<void> {
  const connection = await cell.connect()
  const deadline = AbortSignal.timeout(60_000)
  for (let tables = 0; tables === 0; ) {
    deadline.throwIfAborted()
    const [rows] = await connection.query<RowDataPacket[]>(
      "SELECT COUNT(*) AS amount FROM information_schema.tables WHERE table_schema = 'cellway' AND table_name = 'snapshot_mark'"
    )
    tables = Number(rows[0]?.amount)
    await sleep(100)
  }
  for (const [name, value] of [
    ['timeout', '3600000'],
    ['wait_point', "'AFTER_SYNC'"],
    ['wait_no_slave', 'ON'],
    ['enabled', 'ON']
  ])
    await connection.query(`SET GLOBAL rpl_semi_sync_master_${name} = ${value}`)
  await connection.end()
}

/** One after the other, as a client without concurrency feels them. */
async function measureCommits(cell: ClusterCell, firstId: number): Promise<CommitCost> {
  const connection = await cell.connect()
  const times: number[] = []
  for (let at = 0; at < COMMITS; at += 1) {
    const startedMs = performance.now()
    await connection.query(`INSERT INTO ${TABLE} VALUES (${firstId + at}, 'a commit alone')`)
    times.push(performance.now() - startedMs)
  }
  await connection.end()
  return quantiles(times)
}

interface Load {
  readonly source: ClusterCell
  nextId: number
}

interface Measuring {
  readonly observe: () => Promise<Connection>
  readonly seconds: number
}

/** Open loop: the next transaction does not wait for the one before, so a slow moment is not hidden. */
async function measureLag(load: Load, { observe, seconds }: Measuring): Promise<Lag> {
  const count = PER_SECOND * seconds
  const first = load.nextId
  load.nextId += count
  const committedMs = new Float64Array(count)
  const visibleMs = new Float64Array(count)
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => load.source.connect()))
  const observer = await observe()
  const observing = watch(observer, { first, count, visibleMs })
  const startedMs = performance.now()
  await Promise.all(
    clients.map(async (client, at) => {
      for (let index = at; index < count; index += CLIENTS) {
        const dueMs = startedMs + (index * 1000) / PER_SECOND
        const earlyMs = dueMs - performance.now()
        if (earlyMs > 0.5) await sleep(earlyMs)
        await client.query(`INSERT INTO ${TABLE} VALUES (${first + index}, '${BODY}')`)
        committedMs[index] = performance.now()
      }
    })
  )
  const tookMs = performance.now() - startedMs
  await observing
  for (const connection of [...clients, observer]) connection.destroy()
  // Seen before the writer has heard of it: not a lag at all.
  const lags = Array.from({ length: count }, (_, at) => Math.max(0, (visibleMs[at] ?? 0) - (committedMs[at] ?? 0)))
  return { ...quantiles(lags), perSecond: Math.round((count * 1000) / tookMs) }
}

const BODY = 'x'.repeat(100)

async function watch(observer: Connection, { first, count, visibleMs }: { first: number; count: number; visibleMs: Float64Array }): Promise<void> {
  let low = 0
  let lastSeenMs = performance.now()
  while (low < count) {
    const [rows] = await observer.query<RowDataPacket[]>(
      `SELECT id FROM ${TABLE} WHERE id >= ${first + low} AND id < ${first + count} ORDER BY id LIMIT 2000`
    )
    const nowMs = performance.now()
    for (const { id } of rows) {
      const at = Number(id) - first
      if (visibleMs[at] === 0) {
        visibleMs[at] = nowMs
        lastSeenMs = nowMs
      }
    }
    while (low < count && (visibleMs[low] ?? 0) > 0) low += 1
    if (nowMs - lastSeenMs > VISIBLE_MS_MAX) throw new Error(`row ${first + low} is not visible`)
    await sleep(LOOK_MS)
  }
}

/** A replica of the same database, set up in a minute as everybody would. */
async function measurePeer(load: Load, { seconds, rounds }: { seconds: number; rounds: number }): Promise<readonly Lag[]> {
  await using replica = await makeCellDatabase({ serverId: 90 })
  await replica.start()
  await replicate(load.source, replica)
  const observe = (): Promise<Connection> => mysql.createConnection({ host: '127.0.0.1', port: replica.port, user: 'root' })
  const found: Lag[] = []
  await measureLag(load, { observe, seconds: WARM_UP_SECONDS })
  for (let round = 0; round < rounds; round += 1) found.push(await measureLag(load, { observe, seconds }))
  return found
}

async function replicate(source: ClusterCell, replica: CellDatabase): Promise<void> {
  const from = await source.connect()
  const [position] = await from.query<RowDataPacket[]>('SELECT @@GLOBAL.gtid_binlog_pos AS gtid')
  const to = await mysql.createConnection({ host: '127.0.0.1', port: replica.port, user: 'root' })
  for (const sql of [
    'SET SESSION sql_log_bin = 0',
    'CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    `CREATE TABLE ${TABLE} (id BIGINT NOT NULL PRIMARY KEY, body VARCHAR(200) NOT NULL)`,
    `SET GLOBAL gtid_slave_pos = '${String(position[0]?.gtid)}'`,
    `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${source.database.port}, MASTER_USER = 'cellway', MASTER_PASSWORD = 'replicator-of-a-test', MASTER_USE_GTID = slave_pos`,
    'START SLAVE'
  ])
    await to.query(sql)
  await from.end()
  await to.end()
}

function medians(rounds: readonly Lag[]): Lag {
  const median = (pick: (lag: Lag) => number): number => rounds.map(pick).toSorted((left, right) => left - right)[rounds.length >> 1] ?? Number.NaN
  return { p50Ms: median(({ p50Ms }) => p50Ms), p99Ms: median(({ p99Ms }) => p99Ms), perSecond: median(({ perSecond }) => perSecond) }
}

function quantiles(times: readonly number[]): CommitCost {
  const sorted = times.toSorted((left, right) => left - right)
  const at = (share: number): number => round2(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN)
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}

function round2(value: number): number {
  return Math.round(value * 100) / 100
}

function numberOf(args: readonly string[], name: string, fallback: number): number {
  const text = args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3)
  return text === undefined ? fallback : Number(text)
}

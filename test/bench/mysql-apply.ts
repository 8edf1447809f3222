import { cpus } from 'node:os'
import { placeCheckpoint } from '../../services/replicator/src/store/checkpoint.ts'
import { openSession, type Session } from '../../services/replicator/src/store/session.ts'
import { memoryCenter, snapshotOf, startApplier, type Target, targetOf } from '../integration/apply/fixture.ts'
import { startMariadb } from '../integration/servers.ts'
import { recordWorkload, SERVER_ARGS, TABLE_SQL, type Workload } from './mysql-apply/workload.ts'

const TRANSACTIONS = 30_000
const ROUNDS = 3
const ROUND_MS_MAX = 300_000

export const summary = 'Transactions of one row into MariaDB, every row compared, beside its own replication with 1 and 4 threads; goal: 6 x the 4.'
export const needs = ['mariadbd', 'mariadb-install-db']

interface Rates {
  readonly ours: number[]
  readonly native1: number[]
  readonly native4: number[]
}

export interface ApplyBench {
  readonly name: 'mysql-apply'
  readonly ours: { readonly txPerSecond: number; readonly rowsPerSecond: number; readonly digestEqual: boolean }
  readonly peer: { readonly native1TxPerSecond: number; readonly native4TxPerSecond: number; readonly digestEqual: boolean; readonly version: string }
  readonly ratio: { readonly native1: number; readonly native4: number }
  readonly rounds: { readonly count: number; readonly transactions: number } & Rates
  readonly machine: string
}

/**
 * The same transactions of one origin, applied to two servers with the same settings: ours from records of the center, the peer from
 * its relay log, which it has fetched before the clock starts. Both are durable at each commit and write their own binlog.
 */
export async function run({ args }: { readonly args: readonly string[] }): Promise<ApplyBench> {
  const transactions = numberOf(args, 'transactions', TRANSACTIONS)
  const count = numberOf(args, 'rounds', ROUNDS)
  // The server's own default is 0: a crash of the machine then loses commits of the binlog.
  const syncArgs = [`--sync-binlog=${numberOf(args, 'sync-binlog', 1)}`]
  await using workload = await recordWorkload(transactions)
  await using target = await startOurs(syncArgs)
  await using native = await startNative(workload, syncArgs)
  const rounds: Rates = { ours: [], native1: [], native4: [] }
  const want = await digestOf(workload.session)
  const equal = { ours: true, peer: true }
  for (let round = 0; round < count; round += 1) {
    rounds.ours.push(transactions / (await oursSeconds(workload, target, round + 1)))
    equal.ours &&= (await digestOf(target.session)) === want
    for (const threads of [1, 4] as const) {
      rounds[`native${threads}`].push(transactions / (await nativeSeconds(workload, native.session, threads)))
      equal.peer &&= (await digestOf(native.session)) === want
    }
  }
  const [ours, native1, native4] = [median(rounds.ours), median(rounds.native1), median(rounds.native4)]
  return {
    name: 'mysql-apply',
    ours: { txPerSecond: Math.round(ours), rowsPerSecond: Math.round(ours), digestEqual: equal.ours },
    peer: {
      native1TxPerSecond: Math.round(native1),
      native4TxPerSecond: Math.round(native4),
      digestEqual: equal.peer,
      version: native.session.version
    },
    ratio: { native1: round2(ours / native1), native4: round2(ours / native4) },
    rounds: {
      count,
      transactions,
      ours: rounds.ours.map(Math.round),
      native1: rounds.native1.map(Math.round),
      native4: rounds.native4.map(Math.round)
    },
    machine: `${cpus()[0]?.model ?? 'unknown'} x ${cpus().length}, Node ${process.version}`
  }
}

async function startOurs(args: readonly string[]): Promise<Target> {
  const server = await startMariadb({ args: [...SERVER_ARGS, '--server-id=2', ...args] })
  return targetOf(server, async () => server[Symbol.asyncDispose]())
}

async function oursSeconds({ records, from, to }: Workload, target: Target, round: number): Promise<number> {
  await target.session.run(`DROP TABLE IF EXISTS shop.orders; ${TABLE_SQL}`)
  await placeCheckpoint(target.session, { sourceCell: 'a', store: 'mysql', position: from, epoch: round * 2 })
  const center = memoryCenter()
  for (const payload of records) await center.append('a/mysql', { epoch: 1, payload }, { signal: AbortSignal.timeout(ROUND_MS_MAX) })
  const begun = performance.now()
  await using running = startApplier({ target, center, snapshot: snapshotOf(['orders']), epoch: round * 2 + 1 })
  const ended = running.ended.then((cause) => Promise.reject(cause ?? new Error('the applier ended')))
  await Promise.race([running.positions.waitFor('a', to, AbortSignal.timeout(ROUND_MS_MAX)), ended])
  return (performance.now() - begun) / 1000
}

interface Native extends AsyncDisposable {
  readonly session: Session
}

async function startNative({ origin: { port } }: Workload, args: readonly string[]): Promise<Native> {
  const server = await startMariadb({
    args: [...SERVER_ARGS, '--gtid-strict-mode=0', '--server-id=3', '--slave-parallel-max-queued=16M', '--skip-slave-start', ...args]
  })
  const session = await openSession(server, { role: 'plain', signal: AbortSignal.timeout(3_600_000) })
  await session.run(
    `CREATE DATABASE shop; CHANGE MASTER TO master_host = '127.0.0.1', master_port = ${port}, master_user = 'replica', master_password = 'replica', master_use_gtid = slave_pos`
  )
  return {
    session,
    async [Symbol.asyncDispose]() {
      await session.run('STOP SLAVE')
      await session.close()
      await server[Symbol.asyncDispose]()
    }
  }
}

async function nativeSeconds({ from, to }: Workload, session: Session, threads: 1 | 4): Promise<number> {
  await session.run(
    `STOP SLAVE; RESET SLAVE; DROP TABLE IF EXISTS shop.orders; ${TABLE_SQL}; RESET MASTER; SET GLOBAL gtid_slave_pos = '${from}';
     SET GLOBAL slave_parallel_threads = ${threads === 1 ? 0 : threads}; SET GLOBAL slave_parallel_mode = 'optimistic'; START SLAVE IO_THREAD`
  )
  await untilRow(session, 'SHOW SLAVE STATUS', (row) => String(row.Gtid_IO_Pos) === to)
  const begun = performance.now()
  const [[waited] = []] = [await session.rows(`START SLAVE SQL_THREAD; SELECT MASTER_GTID_WAIT('${to}', ${ROUND_MS_MAX / 1000})`)][0] ?? []
  const seconds = (performance.now() - begun) / 1000
  if (String(waited) !== '0') throw new Error(`the replica did not get to ${to}: ${JSON.stringify(await session.records('SHOW SLAVE STATUS'))}`)
  return seconds
}

async function untilRow(session: Session, sql: string, holds: (row: Record<string, string | number | null>) => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(ROUND_MS_MAX)
  for (;;) {
    const [row] = await session.records(sql)
    if (row !== undefined && holds(row)) return
    if (deadline.aborted) throw new Error(`not in time: ${JSON.stringify(row)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function digestOf(session: Session): Promise<string> {
  const [row] = await session.records(
    "SELECT COUNT(*) AS n, COALESCE(SUM(CRC32(CONCAT_WS('|', id, n, name, made, price))), 0) AS sum, BIT_XOR(CRC32(CONCAT_WS('#', price, made, name, n, id))) AS mix FROM shop.orders"
  )
  return JSON.stringify(row)
}

function numberOf(args: readonly string[], name: string, otherwise: number): number {
  const found = args.find((arg) => arg.startsWith(`--${name}=`))
  return found === undefined ? otherwise : Number(found.slice(name.length + 3))
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN
}

function round2(value: number): number {
  return Math.round(value * 100) / 100
}

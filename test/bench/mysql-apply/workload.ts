import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Change, MariadbGtid, TableIdentity } from '@cellway/change'
import { createTransactionPacker } from '@cellway/change'
import type { AssemblerState, TableMap } from '@cellway/mysql-binlog'
import { ASSEMBLER_START, assemble, BinlogDecoder, formatGtid, packetsOfFile } from '@cellway/mysql-binlog'
import type { CapturePlan } from '@cellway/mysql-value'
import { captureTable, describeTables } from '@cellway/mysql-value'
import { openSession, type Session } from '../../../services/replicator/src/store/session.ts'
import { type MariadbServer, startMariadb } from '../../integration/servers.ts'

export const TABLE_SQL =
  'CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, n INT NOT NULL, name VARCHAR(60) CHARACTER SET utf8mb4, made DATETIME, price DECIMAL(12,2)) ENGINE=InnoDB'
/** As an operator of a cell would have it: nothing that was said to be committed is lost. */
export const SERVER_ARGS = [
  '--log-bin',
  '--binlog-format=ROW',
  '--binlog-row-metadata=FULL',
  '--log-slave-updates',
  '--sync-binlog=1',
  '--innodb-flush-log-at-trx-commit=1',
  '--innodb-buffer-pool-size=256M',
  '--gtid-strict-mode=1'
]
export const ORIGIN_CELL = 'a'

const STATEMENTS_PER_PACKET = 500
const TEN = 10

export interface Workload extends AsyncDisposable {
  readonly origin: MariadbServer
  readonly session: Session
  /** GTID before and behind the transactions. */
  readonly from: string
  readonly to: string
  readonly transactions: number
  /** The same transactions as records of the center. */
  readonly records: readonly Buffer[]
}

/** A real origin runs single-row transactions: 50 % insert, 40 % update, 10 % delete; then its binlog becomes records. */
export async function recordWorkload(transactions: number): Promise<Workload> {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-bench-'))
  const loose = ['--sync-binlog=0', '--innodb-flush-log-at-trx-commit=0']
  const origin = await startMariadb({ args: [...SERVER_ARGS, ...loose, '--server-id=1', `--log-bin=${folder}/bin`] })
  const session = await openSession(origin, { role: 'plain', signal: AbortSignal.timeout(3_600_000) })
  await session.run("CREATE USER replica@'%' IDENTIFIED BY 'replica'; GRANT REPLICATION SLAVE ON *.* TO replica@'%'")
  await session.run(`CREATE DATABASE shop; ${TABLE_SQL}; FLUSH BINARY LOGS`)
  const from = await gtidOf(session)
  const [[file] = []] = await session.rows('SHOW MASTER STATUS')
  const statements = statementsOf(transactions)
  for (let at = 0; at < statements.length; at += STATEMENTS_PER_PACKET) await session.run(statements.slice(at, at + STATEMENTS_PER_PACKET).join(';'))
  const to = await gtidOf(session)
  await session.run('FLUSH BINARY LOGS')
  const [description] = await describeTables((sql) => session.records(sql), { flavour: 'mariadb', table: { schema: 'shop', name: 'orders' } })
  const records = recordsOf(await readFile(join(folder, String(file))), from, (map) => captureTable(map, description))
  return {
    origin,
    session,
    from,
    to,
    transactions,
    records,
    async [Symbol.asyncDispose]() {
      await session.close()
      await origin[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

export async function gtidOf(session: Session): Promise<string> {
  const [[gtid] = []] = await session.rows('SELECT @@gtid_binlog_pos')
  return String(gtid)
}

/** Of ten: five inserts, four updates and one delete, of rows that are a few to a few hundred transactions old. */
function statementsOf(transactions: number): string[] {
  const statements: string[] = []
  const alive: number[] = []
  let next = 0
  let seed = 42
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * below)
  }
  for (let at = 0; at < transactions; at += 1) {
    const kind = at % TEN
    if (kind % 2 === 0 || alive.length < TEN) {
      const id = 1_000_000 + next * 7
      next += 1
      alive.push(id)
      statements.push(
        `INSERT INTO shop.orders VALUES (${id}, ${random(100_000)}, 'customer ${random(1_000_000)}', '2024-01-01' + INTERVAL ${random(30_000_000)} SECOND, ${random(1_000_000)} / 100)`
      )
      continue
    }
    const place = random(alive.length)
    const id = alive[place] ?? 0
    if (kind !== TEN - 1) {
      statements.push(`UPDATE shop.orders SET n = n + 1 + ${random(1000)}, price = price + 1.5 WHERE id = ${id}`)
      continue
    }
    alive[place] = alive.at(-1) ?? 0
    alive.pop()
    statements.push(`DELETE FROM shop.orders WHERE id = ${id}`)
  }
  return statements
}

function recordsOf(binlog: Buffer, from: string, planOf: (map: TableMap) => CapturePlan): Buffer[] {
  const decoder = new BinlogDecoder()
  let state: AssemblerState = ASSEMBLER_START
  const start = mariadbGtid(from)
  const packer = createTransactionPacker({
    origin: { cell: ORIGIN_CELL, store: 'mysql', kind: 'mariadb' },
    streamEpoch: 1,
    producerSequence: 1,
    from: { kind: 'mariadb', gtids: [start] },
    codec: 'zstd'
  })
  let plan: { readonly map: TableMap; readonly capture: CapturePlan } | undefined
  let id = start
  for (const packet of packetsOfFile(binlog)) {
    const step = assemble(state, decoder.decode(packet))
    state = step.state
    for (const unit of step.units) {
      if (unit.kind === 'begin') {
        id = mariadbGtid(formatGtid(unit.gtid))
        packer.begin({ id, commitTimeUs: 0, originServerId: unit.serverId })
      } else if (unit.kind === 'rows') {
        if (plan?.map !== unit.table) plan = { map: unit.table, capture: planOf(unit.table) }
        for (const { before, after } of unit.rows) packer.add(changeOf(plan.capture, before, after))
      } else if (unit.kind === 'commit') packer.end({ kind: 'mariadb', gtids: [id] })
    }
  }
  packer.flush()
  return packer.take().map(({ bytes }) => bytes)
}

type BinlogRow = Parameters<CapturePlan['row']>[0]

function changeOf({ identity, row }: CapturePlan, before: BinlogRow | undefined, after: BinlogRow | undefined): Change {
  const table: TableIdentity = identity
  if (before === undefined && after !== undefined) return { kind: 'insert', table, after: row(after) }
  if (before !== undefined && after === undefined) return { kind: 'delete', table, before: row(before) }
  if (before === undefined || after === undefined) throw new Error('a row change without images')
  return { kind: 'update', table, before: row(before), after: row(after) }
}

function mariadbGtid(text: string): MariadbGtid {
  const [domain = '0', server = '0', sequence = '0'] = text.split('-')
  return { kind: 'mariadb-gtid', domain: Number(domain), server: Number(server), sequence: BigInt(sequence) }
}

/** An empty cell is filled while two others write, and both sides are killed on the way; nothing is lost, nothing is there twice. */
import { changesOf, decodeRecord } from '@cellway/change'
import t, { type Test } from 'tap'
import { clientOf } from '../center/center-process.ts'
import { sessionOn } from './cells.ts'
import { CELLS, type Cell, type Cluster, digest, numberOf, OTHER, requestCopy, SOURCE, startCluster, TARGET, until } from './cluster.ts'
import { startWriter } from './writers.ts'

t.setTimeout(300_000)

const TABLES = ['accounts', 'orders']
const IDS = 4000

function schemaOf(onDelete: string): string {
  return `CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
    CREATE TABLE accounts (id BIGINT PRIMARY KEY, area VARCHAR(8) NOT NULL, email VARCHAR(64) UNIQUE, balance INT NOT NULL, note TEXT,
      doubled INT AS (balance * 2) VIRTUAL, KEY (area));
    CREATE TABLE orders (area VARCHAR(8) NOT NULL, no BIGINT NOT NULL, parent BIGINT, amount DOUBLE NOT NULL, changed TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
      PRIMARY KEY (area, no), CONSTRAINT of_account FOREIGN KEY (parent) REFERENCES accounts (id) ${onDelete})`
}

/** The same rows in both cells, as if they had always been replicated. */
async function fill(cluster: Cluster): Promise<void> {
  for (const name of [SOURCE, OTHER]) {
    const { session } = cluster.cell(name)
    await session.run(`SET STATEMENT sql_log_bin = 0 FOR INSERT INTO shop.accounts (id, area, email, balance, note)
      SELECT seq * 8, 'xa', CONCAT('m', seq * 8), seq, REPEAT('a', seq % 300) FROM seq_1_to_${IDS - 1}`)
    await session.run(`SET STATEMENT sql_log_bin = 0 FOR INSERT INTO shop.accounts (id, area, email, balance, note)
      SELECT seq * 8 + 1, 'xb', NULL, seq, 'ü😀' FROM seq_1_to_${IDS - 1}`)
    await session.run(`SET STATEMENT sql_log_bin = 0 FOR INSERT INTO shop.orders (area, no, parent, amount, changed)
      SELECT 'xa', seq * 8, seq * 8, seq / 3, '2024-01-01 00:00:00.000001' FROM seq_1_to_${IDS / 2}`)
  }
}

/** For people who look for a difference. */
async function summary({ session }: Cell): Promise<unknown> {
  return session.records(
    `SELECT 'accounts' AS t, area, COUNT(*) AS n, SUM(CRC32(CONCAT_WS('|', id, email, balance, note))) AS crc FROM shop.accounts GROUP BY area
     UNION ALL SELECT 'orders', area, COUNT(*), SUM(CRC32(CONCAT_WS('|', no, parent, amount, changed))) FROM shop.orders GROUP BY area`
  )
}

async function copied(target: Cell): Promise<number> {
  return numberOf(target, 'SELECT COALESCE(SUM(rows_done), 0) FROM cellway.bootstrap_table')
}

const phaseSql = "SELECT phase = 'done' FROM cellway.bootstrap_run"

/** Rows of the application in the target's own stream: changes that came back. */
async function leaked(cluster: Cluster): Promise<number> {
  await using client = clientOf(TARGET, cluster.center.url)
  const { next } = await client.bounds(`${TARGET}/mysql`)
  const life = new AbortController()
  let rows = 0
  for await (const batch of client.read(`${TARGET}/mysql`, 'oldest', { maxBytes: 1024 * 1024, signal: life.signal })) {
    for (const { payload } of batch.records) {
      const record = decodeRecord(payload)
      if (record.kind !== 'transactions') continue
      for (const transaction of record.transactions()) {
        for (const change of changesOf(transaction)) if (change.kind !== 'schema' && change.table.schema === 'shop') rows += 1
      }
    }
    if (batch.next.sequence >= next) break
  }
  life.abort()
  return rows
}

async function copiesExactly(t: Test, { onDelete, seed }: { readonly onDelete: string; readonly seed: number }): Promise<void> {
  await using cluster = await startCluster(TABLES, schemaOf(onDelete))
  const [source, other, target] = [cluster.cell(SOURCE), cluster.cell(OTHER), cluster.cell(TARGET)]
  await fill(cluster)
  await source.start()
  await other.start()
  // What is written before a capture has ever begun is nobody's change yet.
  for (const [cell, from] of [
    [source, OTHER],
    [other, SOURCE]
  ] as const) {
    await until(
      `${cell.name} applies ${from}`,
      async () => (await numberOf(cell, `SELECT COUNT(*) FROM cellway.checkpoint WHERE source_cell = '${from}' AND position <> ''`)) > 0
    )
  }
  await requestCopy(target, { rowsPerSecond: 2500 })
  await target.start()
  await using sourceSession = await sessionOn(source.server)
  await using otherSession = await sessionOn(other.server)
  const cascades = onDelete !== ''
  const writers = [
    startWriter(source, { session: sourceSession, ids: IDS, seed, cascades }),
    startWriter(other, { session: otherSession, ids: IDS, seed: seed + 1, cascades })
  ]
  try {
    await until('the first rows are copied', async () => (await copied(target)) > 0)
    const faults: (readonly [Cell, number])[] = [
      [target, 2000],
      [source, 4000],
      [target, 5500],
      [source, 7000]
    ]
    for (const [victim, rows] of faults) {
      await until(`${rows} rows are copied`, async () => (await copied(target)) >= rows)
      t.equal(await numberOf(target, phaseSql), 0, `${victim.name} is killed in the middle, at ${await copied(target)} rows`)
      await victim.kill()
      await victim.start()
    }
    await until('the copy is done', async () => (await numberOf(target, phaseSql)) === 1)
  } catch (cause) {
    t.comment(`target:\n${target.log().slice(-6000)}\nsource:\n${source.log().slice(-3000)}`)
    throw cause
  } finally {
    for (const writer of writers) await writer.stop()
  }
  t.ok(
    writers.every(({ transactions }) => transactions > 300),
    `${writers.map(({ transactions }) => transactions).join(' and ')} transactions meanwhile`
  )
  try {
    await until('all cells are equal', async () => new Set(await Promise.all(CELLS.map((name) => digest(cluster.cell(name), TABLES)))).size === 1)
  } catch (cause) {
    for (const name of CELLS) t.comment(name, await summary(cluster.cell(name)))
    t.comment(`target:\n${target.log().slice(-6000)}`)
    throw cause
  }
  t.pass(`${await digest(target, TABLES)} in every cell`)
  for (const name of CELLS) t.equal(await numberOf(cluster.cell(name), 'SELECT COUNT(*) FROM cellway.conflict'), 0, `no conflict in ${name}`)
  t.equal(await leaked(cluster), 0, 'nothing that was copied or applied went out again')
}

t.test('foreign keys that only check', (t) => copiesExactly(t, { onDelete: '', seed: 11 }))
t.test('foreign keys that cascade', (t) => copiesExactly(t, { onDelete: 'ON DELETE CASCADE', seed: 23 }))

/** The replicator as a process: what it waits for, how it ends, who may tell it what to do. Real databases, a real center. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RowDataPacket } from 'mysql2/promise'
import t from 'tap'
import { type ClusterCell, startCluster } from './cluster.ts'

const LONG = { timeout: 280_000 }
const WAIT_MS = 60_000

t.setTimeout(290_000)

t.test('one replicator per cell, seen from outside', LONG, async (t) => {
  await using cluster = await startCluster({
    cells: ['beijing', 'shanghai'],
    schema: ['CREATE TABLE notes (id INT NOT NULL PRIMARY KEY, body TEXT NULL)'],
    data: ['{table: shop.notes, space: global}']
  })
  const { cells } = cluster
  const [beijing, shanghai] = cells
  if (beijing === undefined || shanghai === undefined) throw new Error('two cells')

  await t.test('what is written in one cell is seen in the other', LONG, async (t) => {
    await write(beijing, "INSERT INTO shop.notes VALUES (1, '北京')")
    t.equal(await until(async () => (await bodyOf(shanghai, 1)) === '北京'), true)
  })

  await t.test('the admin calls need the secret of the process; health and metrics do not', LONG, async (t) => {
    for (const path of ['/v1/status', '/v1/conflicts', '/v1/grants']) t.equal((await fetch(beijing.adminUrl + path)).status, 401, path)
    const pause = await fetch(`${beijing.adminUrl}/v1/streams/shanghai/pause`, { method: 'POST', headers: { authorization: 'Bearer x' } })
    t.match(await pause.json(), { error: { code: 'RPL_UNAUTHORISED' } })
    t.equal((await fetch(`${beijing.adminUrl}/health/ready`)).status, 200)
    t.match(await (await fetch(`${beijing.adminUrl}/metrics`)).text(), /cellway_replicator_captured_transactions_total\{kind="published"\} [1-9]/)
  })

  await t.test('a database that is down: alive, and back by itself', LONG, async (t) => {
    await shanghai.database.kill()
    t.equal((await fetch(`${shanghai.adminUrl}/health/live`)).status, 200, 'nobody should kill it for that')
    await write(beijing, "INSERT INTO shop.notes VALUES (2, 'while shanghai was away')")
    await shanghai.database.start()
    t.equal(await until(async () => (await bodyOf(shanghai, 2)) !== undefined), true, 'it has caught up')
  })

  await t.test('a setting that is wrong at the start blocks, with the statement; mended, it goes on', LONG, async (t) => {
    t.equal(await shanghai.replicator.stop(), 0, 'a request to stop is no failure')
    await write(shanghai, "SET GLOBAL binlog_row_image = 'MINIMAL'")
    const starting = shanghai.replicator.start()
    starting.catch(() => undefined)
    t.equal(await until(async () => /blocked.*binlog_row_image/.test(await readiness(shanghai))), true, await readiness(shanghai))
    t.match(shanghai.replicator.log(), /SET GLOBAL binlog_row_image/)
    await write(shanghai, "SET GLOBAL binlog_row_image = 'FULL'")
    await starting
    await write(beijing, "INSERT INTO shop.notes VALUES (3, 'after the pause')")
    t.equal(await until(async () => (await bodyOf(shanghai, 3)) === 'after the pause'), true)
  })

  await t.test('a second replicator of a cell fences the first one out: it ends with a code of its own', LONG, async (t) => {
    await using second = beijing.secondReplicator()
    await second.start()
    t.equal(await beijing.replicator.ended(), 3)
    t.match(beijing.replicator.log(), /RPL_SUPERSEDED/)
    await write(beijing, "INSERT INTO shop.notes VALUES (4, 'by the second')")
    t.equal(await until(async () => (await bodyOf(shanghai, 4)) === 'by the second'), true, 'and goes on where it was')
  })
})

async function write(cell: ClusterCell, sql: string): Promise<void> {
  const connection = await cell.connect()
  await connection.query(sql)
  await connection.end()
}

async function bodyOf(cell: ClusterCell, id: number): Promise<string | undefined> {
  const connection = await cell.connect()
  const [rows] = await connection.query<RowDataPacket[]>('SELECT body FROM shop.notes WHERE id = ?', [id])
  await connection.end()
  return rows[0]?.body as string | undefined
}

async function readiness({ adminUrl }: ClusterCell): Promise<string> {
  return fetch(`${adminUrl}/health/ready`).then(
    (answer) => answer.text(),
    () => 'no answer'
  )
}

async function until(holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + WAIT_MS
  while (performance.now() < deadline) {
    if (await holds()) return true
    await sleep(100)
  }
  return false
}

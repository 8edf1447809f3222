import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Change, Row } from '@cellway/change'
import { openEmbeddedLog } from '@cellway/log'
import t from 'tap'
import { startApplierProcess } from './child.ts'
import { insert, memoryCenter, Origin, remove, snapshotOf, startApplier, startTarget, text, until, update } from './fixture.ts'

t.setTimeout(300_000)
const MIB = 1024 * 1024
const RSS_BYTES_MAX = 512 * MIB
/** `CELLWAY_HUGE_ROWS=1000000` runs the size of the goal. */
const ROWS = Number(process.env.CELLWAY_HUGE_ROWS ?? 200_000)

const target = await startTarget(['--max-allowed-packet=256M', '--innodb-log-file-size=512M', '--innodb-buffer-pool-size=256M'])
t.teardown(() => target[Symbol.asyncDispose]())
await target.session.run(
  `CREATE TABLE shop.many (id BIGINT PRIMARY KEY, n INT NOT NULL, name VARCHAR(60));
   CREATE TABLE shop.large (id INT PRIMARY KEY, bytes LONGBLOB, note TEXT)`
)
const [many, large] = [await target.identity('many'), await target.identity('large')]
const tables = ['many', 'large']

async function logFolder(): Promise<string> {
  await target.session.run('DELETE FROM cellway.checkpoint; DELETE FROM cellway.conflict; TRUNCATE shop.many; TRUNCATE shop.large')
  const folder = await mkdtemp(join(tmpdir(), 'cellway-apply-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

t.test('a transaction of very many rows is applied whole, in bounded memory', async (t) => {
  const folder = await logFolder()
  const log = await openEmbeddedLog({ folder })
  const origin = new Origin(memoryCenter(log))
  const rows = (function* (): Generator<Change> {
    for (let id = 1; id <= ROWS; id += 1) yield insert(many, [BigInt(id), id % 1000, text(`a name of some length ${id}`)])
  })()
  await origin.write([[insert(many, [0n, 0, null])]])
  await origin.write([rows as unknown as Change[]], {})
  await origin.write([[update(many, [1n, 1, text('a name of some length 1')], [1n, 2, text('behind')])]])
  await log[Symbol.asyncDispose]()
  const child = await startApplierProcess({ folder, mysql: target.config, epoch: 1, tables, until: origin.positionText })
  const counts = new Set<unknown>()
  const report = child.report.then((found) => ({ found }))
  for (;;) {
    const done = await Promise.race([report, sleep(100)])
    counts.add((await target.records('SELECT COUNT(*) AS n FROM shop.many'))[0]?.n)
    if (done === undefined) continue
    t.match(done.found, { conflicts: 0, lanes: { parts: 1 } })
    t.ok((done.found?.rssMaxBytes ?? Number.POSITIVE_INFINITY) <= RSS_BYTES_MAX, `${Math.round((done.found?.rssMaxBytes ?? 0) / MIB)} MiB`)
    break
  }
  t.same(
    [...counts].filter((count) => ![0, 1, ROWS + 1].includes(count as number)),
    [],
    'never a part of it'
  )
  t.same(await target.records('SELECT COUNT(*) AS n, MAX(id) AS last FROM shop.many'), [{ n: ROWS + 1, last: ROWS }])
  t.match((await target.records('SELECT position, applied FROM cellway.checkpoint'))[0], { position: '0-1-3', applied: 3 })
})

t.test('a row of 64 MiB', async (t) => {
  const folder = await logFolder()
  const log = await openEmbeddedLog({ folder })
  const origin = new Origin(memoryCenter(log))
  const bytes = Buffer.alloc(64 * MIB, "some bytes with a \u0000 and a ' and \\ in it; ")
  await origin.write([[insert(large, [1, bytes, text('note')])]])
  await log[Symbol.asyncDispose]()
  const child = await startApplierProcess({ folder, mysql: target.config, epoch: 1, tables, until: origin.positionText })
  const report = await child.report
  t.match(report, { conflicts: 0, lanes: { parts: 1 } })
  t.ok((report?.rssMaxBytes ?? Number.POSITIVE_INFINITY) <= RSS_BYTES_MAX, `${Math.round((report?.rssMaxBytes ?? 0) / MIB)} MiB`)
  t.same(await target.records('SELECT id, LENGTH(bytes) AS n, MD5(bytes) AS md5 FROM shop.large'), [
    { id: 1, n: bytes.length, md5: createHash('md5').update(bytes).digest('hex') }
  ])
})

t.test('large values of any bytes and character set are exact, quotes and all', async (t) => {
  await logFolder()
  await target.session.run(
    'CREATE TABLE shop.bytes (id INT PRIMARY KEY, b LONGBLOB, l LONGTEXT CHARACTER SET latin1, g LONGTEXT CHARACTER SET gbk, u LONGTEXT CHARACTER SET utf8mb4)'
  )
  const table = await target.identity('bytes')
  const center = memoryCenter()
  const origin = new Origin(center)
  const random = randomBytes(600 * 1024)
  const latin1 = Buffer.from(random.subarray(0, 300 * 1024).map((byte) => (byte < 32 ? 39 : byte)))
  // Lead bytes of GBK with trailing bytes that are a backslash, and quotes between.
  const gbk = Buffer.from(Array.from({ length: 100 * 1024 }, () => [0xd5, 0x5c, 0x27]).flat())
  const utf8 = Buffer.from("it's 中文 \\ 😀 ".repeat(20_000))
  const row: Row = [1, random, latin1, gbk, utf8]
  await using running = startApplier({ target, center, snapshot: snapshotOf(['bytes']) })
  await origin.write([[insert(table, row)]], { partBytes: 64 * 1024 })
  await running.caughtUp(origin)
  const [cells] = await target.session.rows('SELECT id, b, l, g, u FROM shop.bytes')
  const md5 = (bytes: unknown): string =>
    createHash('md5')
      .update(bytes as Buffer)
      .digest('hex')
  t.same(cells?.slice(1).map(md5), [random, latin1, gbk, utf8].map(md5))
  await origin.write([[update(table, row, [1, random, null, gbk, utf8])]], { partBytes: 64 * 1024 })
  await running.caughtUp(origin)
  t.same(running.counted.conflicts, [], 'and are compared as equal')
})

t.test('parts with updates, deletes, a conflict and a unique swap; one target transaction', async (t) => {
  await logFolder()
  await target.session.run("INSERT INTO shop.many VALUES (7, 7, 'here')")
  const center = memoryCenter()
  const origin = new Origin(center)
  const before: Row[] = Array.from({ length: 3000 }, (_, at) => [BigInt(at + 100), at, text(`name ${at}`)])
  await using running = startApplier({ target, center, snapshot: snapshotOf(tables) })
  await origin.write([before.map((row) => insert(many, row))])
  await running.caughtUp(origin)
  const changes: Change[] = before.map((row, at) => {
    if (at % 3 === 0) return remove(many, row)
    return at % 3 === 1 ? update(many, row, [row[0], 5, null]) : update(many, row, [BigInt(at + 10_000), 6, null])
  })
  await origin.write([[...changes, insert(many, [7n, 70, text('there')])]], { partBytes: 8 * 1024 })
  await origin.write([[insert(many, [8n, 8, null])]])
  await running.caughtUp(origin)
  t.same(running.counted.conflicts, [['insert_insert', 'apply']])
  t.ok(running.counted.batches.some(({ lane, rows }) => lane === 'parts' && rows === 3001))
  t.same(await target.records('SELECT n, COUNT(*) AS c FROM shop.many WHERE id > 8 GROUP BY n ORDER BY n'), [
    { n: 5, c: 1000 },
    { n: 6, c: 1000 }
  ])
  t.same(await target.records('SELECT id, n FROM shop.many WHERE id < 9 ORDER BY id'), [
    { id: 7, n: 70 },
    { id: 8, n: 8 }
  ])
})

t.test('a capture that begins a large transaction again: nothing of the first try stays', async (t) => {
  await logFolder()
  const center = memoryCenter()
  const origin = new Origin(center)
  await using running = startApplier({ target, center, snapshot: snapshotOf(tables) })
  const rows = Array.from({ length: 2000 }, (_, at) => insert(many, [BigInt(at), at, text('x'.repeat(40))]))
  await origin.write([rows], { partBytes: 8 * 1024, partsMax: 4 })
  await until('the first parts are read', () => (running.applier.status().log.read ?? 0) >= 5)
  origin.restart(0n)
  await origin.write([rows.slice(0, 1500)], { partBytes: 8 * 1024 })
  await running.caughtUp(origin)
  t.same(await target.records('SELECT COUNT(*) AS n FROM shop.many'), [{ n: 1500 }])
  t.match((await target.records('SELECT position, applied FROM cellway.checkpoint'))[0], { position: '0-1-1', applied: 1 })
})

t.test('a row that no packet holds says which variable to raise', async (t) => {
  await logFolder()
  await target.session.run('SET GLOBAL max_allowed_packet = 1048576')
  const center = memoryCenter()
  const origin = new Origin(center)
  const running = startApplier({ target, center, snapshot: snapshotOf(tables) })
  await origin.write([[insert(large, [1, Buffer.alloc(2 * MIB, 1), null])]])
  const cause = (await running.ended) as { code?: string }
  t.equal(cause.code, 'APL_ROW_TOO_LARGE')
  t.match(running.applier.status(), { state: 'stopped', statement: 'SET GLOBAL max_allowed_packet = 8388608' })
  await target.session.run('SET GLOBAL max_allowed_packet = 8388608')
  await using again = startApplier({ target, center, snapshot: snapshotOf(tables), epoch: 2 })
  await again.caughtUp(origin)
  t.same(await target.records('SELECT LENGTH(bytes) AS n FROM shop.large'), [{ n: 2 * MIB }])
})

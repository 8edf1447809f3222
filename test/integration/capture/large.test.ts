import { existsSync } from 'node:fs'
import t, { type Test } from 'tap'
import { mysql9Skip } from '../mysql9.ts'
import { centerOf, type RunningCapture, running, STREAM, type Store, startCapture, startStore, topologies, until } from './fixture.ts'
import { readStream } from './stream-check.ts'

/** Transactions that do not fit in memory, or in a record: whole or not at all. */

const MARIADB_SKIP = existsSync('/usr/sbin/mariadbd') ? false : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine'
const MIB = 1024 * 1024

for (const flavour of ['mariadb', 'mysql'] as const) {
  t.test(`large transactions of ${flavour}`, { skip: flavour === 'mariadb' ? MARIADB_SKIP : await mysql9Skip(), timeout: 400_000 }, async (t) => {
    await using store = await startStore(
      flavour,
      ['--max-allowed-packet=256M', '--innodb-log-file-size=256M'].slice(0, flavour === 'mariadb' ? 2 : 1)
    )
    await t.test('a hundred thousand rows', (t) => manyRows(t, store))
    await t.test('a row of many megabytes', (t) => longRow(t, store))
    await t.test('the link is cut in the middle of one', (t) => cut(t, store))
    await t.test('the center is slow: what waits is spilled, and the source is read no further than the bound', (t) => spill(t, store))
  })
}

async function manyRows(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center })
  await running(capture)
  await store.run("INSERT INTO shop.t VALUES (-1, 'before')")
  const sql = rows(0, 100_000, 60)
  const before = process.memoryUsage().rss
  let peak = before
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 5)
  await store.run(sql)
  await store.run("INSERT INTO shop.t VALUES (-2, 'behind')")
  await published(capture, 3)
  clearInterval(watch)
  const seen = await readStream(center, STREAM)
  t.same(
    seen.transactions.map(({ changes }) => changes.length),
    [1, 100_000, 1]
  )
  const ids = new Set(seen.transactions[1]?.changes.map((change) => (change.kind === 'insert' ? change.after[0] : undefined)))
  t.equal(ids.size, 100_000, 'each row once')
  t.ok(
    seen.envelopes.some(({ partIndex }) => partIndex > 0),
    'it went in parts'
  )
  // The log is in this process too, so what it holds counts; the rows are 8 MiB.
  t.ok(peak - before < 160 * MIB, `grew by ${Math.round((peak - before) / MIB)} MiB`)
  await store.run('DELETE FROM shop.t')
}

async function longRow(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await store.run('CREATE TABLE shop.big (id INT PRIMARY KEY, v LONGBLOB)')
  const topology = topologies()
  topology.declare({ table: 'shop.t' }, { table: 'shop.big' })
  await using capture = await startCapture({ store, center, topology, config: { codec: 'none' } })
  await running(capture)
  await store.run(`INSERT INTO shop.big VALUES (1, REPEAT('abcdefgh', ${(20 * MIB) / 8}))`)
  await store.run("UPDATE shop.big SET v = REPEAT('12345678', 3000000) WHERE id = 1")
  await published(capture, 2)
  const { transactions } = await readStream(center, STREAM)
  const [first, second] = transactions.map(({ changes }) => changes[0])
  t.equal(first?.kind === 'insert' && first.after[1] instanceof Uint8Array ? first.after[1].length : 0, 20 * MIB)
  t.equal(second?.kind === 'update' && second.after[1] instanceof Uint8Array ? second.after[1].length : 0, 24_000_000)
  t.equal(second?.kind === 'update' && second.before[1] instanceof Uint8Array ? second.before[1].length : 0, 20 * MIB)
  await store.run('DROP TABLE shop.big')
}

async function cut(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  // After its first part the outbox is full, and the rest stays at the source.
  const config = { outboxBytesMax: MIB, spillBytesMax: 2 * MIB, codec: 'none' as const }
  await using capture = await startCapture({ store, center, config })
  await running(capture)
  const gate = Promise.withResolvers<void>()
  center.gate = gate.promise
  // More than what the sockets of both sides hold: the rest is still at the server when the link is cut.
  await store.run(rows(0, 160_000, 190))
  await until(
    'a part is on its way',
    () => capture.status().waitingRecords > 0,
    () => capture.status()
  )
  t.equal(capture.status().counters.published, 0, 'and it is not whole yet')
  const connects = capture.status().counters.connects
  const links = await store.session.records("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
  for (const link of links) await store.session.run(`KILL ${link.id ?? link.ID}`).catch(() => undefined)
  center.gate = undefined
  gate.resolve()
  await until(
    'a new link',
    () => capture.status().counters.connects > connects,
    () => capture.status()
  )
  await store.run("INSERT INTO shop.t VALUES (-1, 'behind')")
  await published(capture, 2)
  const seen = await readStream(center, STREAM)
  t.same(
    seen.transactions.map(({ changes }) => changes.length),
    [160_000, 1]
  )
  t.equal(seen.abandoned, 1, 'its first parts are there twice, and the first time without an end')
  await store.run('DELETE FROM shop.t')
}

async function spill(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  const config = { outboxBytesMax: MIB, spillBytesMax: 4 * MIB, spillFileBytes: MIB, codec: 'none' as const }
  await using capture = await startCapture({ store, center, config })
  await running(capture)
  const gate = Promise.withResolvers<void>()
  center.gate = gate.promise
  let worst = 0
  for (let at = 0; at < 60; at += 1) {
    await store.run(rows(at * 2000, 2000, 150))
    worst = Math.max(worst, capture.status().spillBytes)
  }
  await until(
    'the spill is full',
    () => capture.status().spillBytes >= 4 * MIB,
    () => capture.status()
  )
  const stuck = capture.status().sourcePosition
  t.not(stuck, await store.position(), 'the source is not read any further')
  t.ok(worst < 12 * MIB, `${Math.round(worst / MIB)} MiB spilled`)
  t.equal(capture.status().counters.records, 0)
  center.gate = undefined
  gate.resolve()
  await published(capture, 60)
  const seen = await readStream(center, STREAM)
  t.equal(seen.transactions.length, 60)
  t.equal(seen.repeats, 0)
  await until(
    'the spill is empty',
    () => capture.status().spillBytes < MIB,
    () => capture.status()
  )
  await store.run('DELETE FROM shop.t')
}

function rows(first: number, count: number, bytes: number): string {
  const values = Array.from({ length: count }, (_, at) => `(${first + at}, '${`row ${first + at} `.padEnd(bytes, 'x')}')`)
  const statements: string[] = []
  for (let at = 0; at < count; at += 5000) statements.push(`INSERT INTO shop.t VALUES ${values.slice(at, at + 5000).join(',')}`)
  return `START TRANSACTION; ${statements.join(';')}; COMMIT`
}

async function published(capture: RunningCapture, count: number): Promise<void> {
  const has = (): boolean => capture.status().counters.published >= count && capture.status().waitingRecords === 0
  await until(`${count} transactions in the center`, has, () => [capture.status(), capture.lines.slice(-4)], 90_000)
}

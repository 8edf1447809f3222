import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { formatPosition, parsePosition } from '@cellway/change'
import { createMemoryLog } from '@cellway/log'
import t, { type Test } from 'tap'
import { mysql9Skip } from '../mysql9.ts'
import { centerOf, type Fault, type RunningCapture, running, STREAM, type Store, soon, startCapture, startStore, until } from './fixture.ts'
import { idsOf, startLoad } from './load.ts'
import { readStream } from './stream-check.ts'

/** Whatever breaks between the store and the center: every transaction is in the stream, and once. */

const MARIADB_SKIP = existsSync('/usr/sbin/mariadbd') ? false : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine'

for (const flavour of ['mariadb', 'mysql'] as const) {
  t.test(`faults with ${flavour}`, { skip: flavour === 'mariadb' ? MARIADB_SKIP : await mysql9Skip(), timeout: 400_000 }, async (t) => {
    await using store = await startStore(flavour)
    await t.test('the dump connection is killed again and again', (t) => killedLinks(t, store))
    await t.test('the center refuses, loses and forgets to answer', (t) => centerFaults(t, store))
    await t.test('a newer process fences the older one out', (t) => zombie(t, store))
    await t.test('a writer with a newer epoch in the center', (t) => fencedByLog(t, store))
    await t.test('a dead link is noticed', (t) => halfOpen(t, store))
    if (flavour === 'mariadb') await t.test('the server is killed and started again', (t) => restarted(t))
    if (flavour === 'mariadb') await t.test('a GTID that steps back', (t) => stepsBack(t, store))
    if (flavour === 'mysql') await t.test('over TLS', (t) => encrypted(t, store))
    await t.test('settings that lose changes, until they are put right', (t) => settings(t, store))
    await t.test('a center that was replaced', (t) => replacedCenter(t, store))
    await t.test('purged binlogs are never jumped over', (t) => purged(t, store))
    await t.test('a source that lost what was captured', (t) => behind(t, store))
  })
}

async function killedLinks(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center })
  await running(capture)
  const load = startLoad(store, { first: 100_000 })
  for (let kill = 1; kill <= 8; kill += 1) {
    const had = load.acknowledged.length
    await until('the load goes on', () => load.acknowledged.length > had + 40)
    const rows = await store.session.records("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
    for (const row of rows) await store.session.run(`KILL ${row.id ?? row.ID}`).catch(() => undefined)
    await until(
      'a new link',
      () => capture.status().counters.connects > kill,
      () => capture.status()
    )
  }
  await load.stop()
  await drained(store, capture)
  const seen = await readStream(center, STREAM)
  t.same(idsIn(seen, 100_000), await idsOf(store, 'id >= 100000'))
  t.equal(seen.repeats, 0)
  t.ok(capture.status().counters.connects > 8)
  await store.run('DELETE FROM shop.t')
}

async function centerFaults(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  const fates: Record<number, Fault> = {
    3: 'lost-after',
    5: 'lost-before',
    6: 'lost-after',
    9: 'refused',
    12: 'refused',
    13: 'lost-after',
    20: 'lost-before'
  }
  let landed = 0
  center.fault = (append) => {
    const fate = fates[append] ?? (append % 17 === 0 ? 'lost-after' : append % 23 === 0 ? 'lost-before' : undefined)
    if (fate !== undefined) landed += 1
    return fate
  }
  await using capture = await startCapture({ store, center })
  await running(capture)
  const load = startLoad(store, { first: 200_000, writers: 3 })
  await until(
    'faults have landed',
    () => landed >= 10,
    () => [landed, center.appends, capture.status()]
  )
  await load.stop()
  await drained(store, capture)
  const seen = await readStream(center, STREAM)
  t.same(idsIn(seen, 200_000), await idsOf(store, 'id >= 200000'))
  t.equal(seen.repeats, 0, 'a record whose answer was lost is not sent twice')
  t.equal(capture.status().state, 'running')
  await store.run('DELETE FROM shop.t')
}

async function zombie(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using older = await startCapture({ store, center })
  await running(older)
  await store.run("INSERT INTO shop.t VALUES (1, 'a')")
  await drained(store, older)
  await using newer = await startCapture({ store, center, epoch: 2 })
  t.match(await soon(older), { code: 'CAP_FENCED_BY_READER', retry: 'after-change' })
  await running(newer)
  await store.run("INSERT INTO shop.t VALUES (2, 'a')")
  await drained(store, newer)
  const seen = await readStream(center, STREAM)
  t.same(idsIn(seen, 0), [1, 2])
  t.same(
    seen.envelopes.map(({ streamEpoch }) => streamEpoch),
    [1, 2]
  )
  await store.run('DELETE FROM shop.t')
}

async function fencedByLog(t: Test, store: Store): Promise<void> {
  const log = createMemoryLog()
  const center = centerOf(log)
  const capture = await startCapture({ store, center })
  await running(capture)
  await store.run("INSERT INTO shop.t VALUES (1, 'a')")
  await drained(store, capture)
  for await (const { records } of log.read(STREAM, 'oldest', { maxBytes: 1_000_000, signal: AbortSignal.timeout(10_000) })) {
    const [record] = records
    if (record !== undefined) await log.append(STREAM, { epoch: 4, payload: record.payload }, { signal: AbortSignal.timeout(10_000) })
    break
  }
  await store.run("INSERT INTO shop.t VALUES (2, 'a')")
  t.match(await soon(capture), { code: 'CAP_FENCED', retry: 'never', details: { epoch: 1, current: 4 } })
  await capture[Symbol.asyncDispose]()
  await store.run('DELETE FROM shop.t')
}

async function halfOpen(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center, config: { heartbeatPeriodMs: 300 } })
  await running(capture)
  process.kill(store.server.pid, 'SIGSTOP')
  try {
    const begun = performance.now()
    await until(
      'the silence is noticed',
      () => capture.status().error?.code === 'CAP_SOURCE_LOST',
      () => capture.status()
    )
    const noticedMs = performance.now() - begun
    t.ok(noticedMs < 5000, `after ${Math.round(noticedMs)} ms`)
    t.equal(capture.status().state, 'connecting')
  } finally {
    process.kill(store.server.pid, 'SIGCONT')
  }
  await store.run("INSERT INTO shop.t VALUES (1, 'a')")
  await drained(store, capture)
  t.same(idsIn(await readStream(center, STREAM), 0), [1])
  await store.run('DELETE FROM shop.t')
}

/** SIGKILL, and the same command again. */
async function restarted(t: Test): Promise<void> {
  const center = centerOf()
  await using own = await startStore('mariadb', ['--sync-binlog=1'])
  await using capture = await startCapture({ store: own, center })
  await running(capture)
  const [again = '', ...ownArgs] = (await readFile(`/proc/${own.server.pid}/cmdline`, 'utf8')).split('\0').slice(0, -1)
  const load = startLoad(own, { first: 500_000 })
  await until('the load runs', () => load.acknowledged.length > 50)
  process.kill(own.server.pid, 'SIGKILL')
  await until(
    'the capture sees it',
    () => capture.status().state === 'connecting',
    () => capture.status()
  )
  const child = spawn(again, ownArgs, { stdio: 'ignore' })
  try {
    const had = load.acknowledged.length
    await until(
      'the load goes on',
      () => load.acknowledged.length > had + 50,
      () => capture.status()
    )
    await load.stop()
    const session = await own.open()
    const ids = (await session.rows('SELECT id FROM shop.t WHERE id >= 500000 ORDER BY id')).map(([id]) => Number(id?.toString()))
    const [row] = await session.rows('SELECT @@gtid_binlog_pos')
    const end = row?.[0]?.toString()
    await until(
      'everything is in the center',
      () => capture.status().centerPosition === end,
      () => [end, capture.status()]
    )
    t.same(idsIn(await readStream(center, STREAM), 500_000), ids)
    await session.close()
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

async function stepsBack(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center })
  await running(capture)
  await store.run("INSERT INTO shop.t VALUES (1, 'a')")
  await drained(store, capture)
  const session = await store.open()
  await session.run("SET GLOBAL gtid_strict_mode = OFF; SET SESSION gtid_seq_no = 3; INSERT INTO shop.t VALUES (2, 'a')")
  t.match(await soon(capture), { code: 'CAP_GTID_ORDER', details: { gtid: /-3$/, fix: /gtid_strict_mode/ } })
  await session.run('SET GLOBAL gtid_strict_mode = ON; DELETE FROM shop.t')
  await session.close()
}

async function encrypted(t: Test, store: Store): Promise<void> {
  await store.run("CREATE USER secret IDENTIFIED BY 'word' REQUIRE SSL; GRANT ALL ON *.* TO secret")
  const center = centerOf()
  const account = { ...store.mysql, user: 'secret', password: 'word' }
  await using open = await startCapture({ store, center, config: { mysql: account } })
  t.match(await soon(open), { code: 'STO_CONNECT_FAILED' }, 'the account is refused without')
  await using capture = await startCapture({ store, center, config: { mysql: { ...account, tls: { verify: false } } } })
  await running(capture)
  await store.run("INSERT INTO shop.t VALUES (1, 'a')")
  await drained(store, capture)
  t.same(idsIn(await readStream(center, STREAM), 0), [1])
  await store.run('DELETE FROM shop.t')
}

async function settings(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await store.run("SET GLOBAL binlog_row_image = 'MINIMAL'")
  await using capture = await startCapture({ store, center })
  await until(
    'it says so',
    () => capture.status().error?.code === 'CAP_SOURCE_SETTINGS',
    () => capture.status()
  )
  t.match(capture.status().error?.details, {
    problems: [{ variable: 'binlog_row_image', value: 'MINIMAL', fix: "SET GLOBAL binlog_row_image = 'FULL'" }]
  })
  await store.run("SET GLOBAL binlog_row_image = 'FULL'")
  await running(capture)
  t.equal(capture.status().error, undefined)
}

async function replacedCenter(t: Test, store: Store): Promise<void> {
  const first = centerOf()
  const older = await startCapture({ store, center: first })
  await running(older)
  await store.run("INSERT INTO shop.t VALUES (1, 'a')")
  await drained(store, older)
  const middle = older.status().centerPosition
  await store.run("INSERT INTO shop.t VALUES (2, 'a')")
  await drained(store, older)
  await older[Symbol.asyncDispose]()
  const second = centerOf()
  await using newer = await startCapture({ store, center: second, epoch: 2 })
  await until(
    'it asks for readers',
    () => newer.status().error?.code === 'CAP_READERS_UNKNOWN',
    () => newer.status()
  )
  t.same(newer.status().error?.details.missing, ['shanghai'])
  t.equal(newer.status().state, 'waiting')
  await second.reportReader(STREAM, 'shanghai', middle)
  await running(newer)
  await drained(store, newer)
  t.same(idsIn(await readStream(second, STREAM), 0), [2], 'from where the reader is')
  await store.run('DELETE FROM shop.t')
  // And while a capture runs: what it had sent is gone.
  await lostInProcess(t, store)
}

async function lostInProcess(t: Test, store: Store): Promise<void> {
  const logs = [createMemoryLog(), createMemoryLog()] as const
  let at = 0
  const center = centerOf({
    adapter: 'memory',
    append: (stream, batch, options) => (logs[at] ?? logs[0]).append(stream, batch, options),
    read: (stream, from, options) => (logs[at] ?? logs[0]).read(stream, from, options),
    bounds: (stream) => (logs[at] ?? logs[0]).bounds(stream),
    trim: (stream, before) => (logs[at] ?? logs[0]).trim(stream, before),
    identity: (stream) => (logs[at] ?? logs[0]).identity(stream),
    streams: () => (logs[at] ?? logs[0]).streams(),
    retain: (stream, reader, from) => (logs[at] ?? logs[0]).retain(stream, reader, from),
    release: (stream, reader) => (logs[at] ?? logs[0]).release(stream, reader),
    [Symbol.asyncDispose]: async () => {}
  })
  await using capture = await startCapture({ store, center })
  await running(capture)
  await store.run("INSERT INTO shop.t VALUES (11, 'a')")
  await drained(store, capture)
  const known = capture.status().centerPosition
  await store.run("INSERT INTO shop.t VALUES (12, 'a')")
  await drained(store, capture)
  center.fault = (append) => (append === center.appends ? 'lost-before' : undefined)
  at = 1
  await store.run("INSERT INTO shop.t VALUES (13, 'a')")
  await until(
    'it asks for readers',
    () => capture.status().error?.code === 'CAP_READERS_UNKNOWN',
    () => capture.status()
  )
  center.fault = () => undefined
  await center.reportReader(STREAM, 'shanghai', known)
  await until(
    'it goes on',
    () => capture.status().state === 'running',
    () => capture.status()
  )
  await drained(store, capture)
  t.same(idsIn(await readStream(logs[1], STREAM), 0), [12, 13], 'nothing that the reader lacks is left out')
  await store.run('DELETE FROM shop.t')
}

async function purged(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  const first = await startCapture({ store, center })
  await running(first)
  await store.run("INSERT INTO shop.t VALUES (1, 'a')")
  await drained(store, first)
  await first[Symbol.asyncDispose]()
  await store.run("INSERT INTO shop.t VALUES (2, 'lost'); FLUSH BINARY LOGS; INSERT INTO shop.t VALUES (3, 'a'); FLUSH BINARY LOGS")
  const logs = await store.session.rows('SHOW BINARY LOGS')
  await store.run(`PURGE BINARY LOGS TO '${logs.at(-1)?.[0]?.toString()}'`)
  await using second = await startCapture({ store, center, epoch: 2 })
  t.match(await soon(second), { code: 'CAP_POSITION_LOST', retry: 'after-change', details: { fix: /[Bb]ootstrap/, position: /.+/, purged: /.+/ } })
  t.equal((await readStream(center, STREAM)).transactions.length, 1, 'no jump')
  await store.run('DELETE FROM shop.t')
}

async function behind(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  const first = await startCapture({ store, center })
  await running(first)
  await store.run("INSERT INTO shop.t VALUES (1, 'a')")
  await drained(store, first)
  await first[Symbol.asyncDispose]()
  await store.run(store.flavour === 'mariadb' ? 'RESET MASTER' : 'RESET BINARY LOGS AND GTIDS')
  await using second = await startCapture({ store, center, epoch: 2 })
  t.match(await soon(second), { code: 'CAP_SOURCE_BEHIND', retry: 'after-change', details: { fix: /force/ } })
  await using third = await startCapture({ store, center, epoch: 3 })
  third.capture.force(parsePosition(store.flavour, ''))
  await running(third)
  t.match(third.status().startedFrom, `forced ${formatPosition(parsePosition(store.flavour, ''))}`)
}

/** Everything that the store has is in the center. */
async function drained(store: Store, capture: RunningCapture): Promise<void> {
  const end = await store.position()
  const done = (): boolean => capture.status().sourcePosition === end && capture.status().waitingRecords === 0
  await until('everything is in the center', done, () => [end, capture.status(), capture.lines.slice(-4)])
  await until(
    'the last record is acknowledged',
    () => capture.status().centerPosition !== '',
    () => capture.status()
  )
}

function idsIn({ transactions }: Awaited<ReturnType<typeof readStream>>, from: number): number[] {
  const ids = transactions.flatMap(({ changes }) => changes.flatMap((change) => (change.kind === 'insert' ? [Number(change.after[0])] : [])))
  return ids.filter((id) => id >= from).sort((left, right) => left - right)
}

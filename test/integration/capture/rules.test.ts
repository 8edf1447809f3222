import { existsSync } from 'node:fs'
import t, { type Test } from 'tap'
import { mysql9Skip } from '../mysql9.ts'
import {
  centerOf,
  type Flavour,
  type RunningCapture,
  running,
  STREAM,
  type Store,
  soon,
  startCapture,
  startStore,
  topologies,
  until
} from './fixture.ts'
import { readStream, summary } from './stream-check.ts'

/** What leaves a cell and what does not: each rule on real servers of both flavours. */

const MARIADB_SKIP = existsSync('/usr/sbin/mariadbd') ? false : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine'

for (const flavour of ['mariadb', 'mysql'] as const) {
  t.test(`rules of ${flavour}`, { skip: flavour === 'mariadb' ? MARIADB_SKIP : await mysql9Skip(), timeout: 400_000 }, async (t) => {
    await using store = await startStore(flavour)
    await t.test('declared, local and undeclared tables', (t) => classes(t, store))
    await t.test('echoes go nowhere, and their position does', (t) => echoes(t, store))
    await t.test('marks that do not agree stop the stream', (t) => marks(t, store, flavour))
    await t.test('rows of fences and barriers mark their record', (t) => fences(t, store))
    await t.test('schema changes are told, and the rows behind them fit', (t) => schemaChanges(t, store))
    await t.test('writes in statement format stop the stream', (t) => statements(t, store))
    await t.test('a transaction that is prepared only stops the stream', (t) => prepared(t, store))
    await t.test('the position moves without transactions', (t) => quiet(t, store))
  })
}

async function classes(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  const topology = topologies()
  await using capture = await startCapture({ store, center, topology })
  await running(capture)
  await store.run("INSERT INTO shop.t VALUES (1, 'a'), (2, 'b'); INSERT INTO shop.own VALUES (1)")
  await store.run(
    "START TRANSACTION; UPDATE shop.t SET v = 'c' WHERE id = 1; INSERT INTO shop.own VALUES (2); DELETE FROM shop.t WHERE id = 2; COMMIT"
  )
  await store.run('INSERT INTO shop.more VALUES (7)')
  await until(
    'it waits',
    () => capture.status().error?.code === 'CAP_TABLE_UNDECLARED',
    () => capture.status()
  )
  t.equal(capture.status().state, 'waiting')
  t.match(capture.status().error?.details, { table: 'shop.more', fix: /Declare shop.more/, gtid: /.+/ })
  await store.run("INSERT INTO shop.t VALUES (3, 'behind')")
  t.same(
    summary(await readStream(center, STREAM)),
    [
      ['insert t 1', 'insert t 2'],
      ['update t 1', 'delete t 2']
    ],
    'what is before it is in the center'
  )
  topology.declare({ table: 'shop.t' }, { table: 'shop.own', class: 'local' }, { table: 'shop.more' })
  await published(capture, 4)
  t.same(summary(await readStream(center, STREAM)).slice(2), [['insert more 7'], ['insert t 3']], 'it goes on by itself')
  t.equal(capture.status().state, 'running')
  t.equal(capture.status().reason, '')
}

async function echoes(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center, config: { positionMoveMs: 1000 } })
  await running(capture)
  const applier = await store.open('applier')
  await store.run("INSERT INTO cellway.checkpoint VALUES ('shanghai', 'mysql', '', 0, 1, '', 0, NOW(6))")
  const echo = (id: number): string =>
    `START TRANSACTION; UPDATE cellway.checkpoint SET applied = applied + 1; INSERT INTO shop.t VALUES (${id}, 'echo'); COMMIT`
  await applier.run(echo(100))
  await store.run("INSERT INTO shop.t VALUES (101, 'own')")
  await applier.run(echo(102))
  await until(
    'both echoes were seen',
    () => capture.status().counters.echoes >= 2,
    () => capture.status()
  )
  const end = await store.position()
  await until(
    'the position of the echo is published',
    () => capture.status().centerPosition === end,
    () => [capture.status(), end]
  )
  const seen = await readStream(center, STREAM)
  t.same(
    summary(seen).filter((changes) => changes.length > 0),
    [['insert t 101']]
  )
  t.equal(seen.position, end)
  t.equal(capture.status().counters.published, 1)
  await applier.close()
}

async function marks(t: Test, store: Store, flavour: Flavour): Promise<void> {
  const rows = "INSERT INTO shop.t VALUES (201, 'x')"
  const cases: [name: string, role: 'plain' | 'applier', sql: string][] = [
    ['a checkpoint row that is not the first', 'plain', `START TRANSACTION; ${rows}; UPDATE cellway.checkpoint SET applied = applied + 1; COMMIT`],
    ...(flavour === 'mariadb'
      ? (
          [
            [
              'a checkpoint row without the server id',
              'plain',
              `START TRANSACTION; UPDATE cellway.checkpoint SET applied = applied + 1; ${rows}; COMMIT`
            ],
            ['the server id without a checkpoint row', 'applier', rows]
          ] as const
        ).map((one): [string, 'plain' | 'applier', string] => [...one])
      : [])
  ]
  for (const [name, role, sql] of cases) {
    const center = centerOf()
    await using capture = await startCapture({ store, center })
    await running(capture)
    await store.run("INSERT INTO shop.t VALUES (200, 'before')")
    const session = await store.open(role)
    await session.run(sql)
    t.match(await soon(capture), { code: 'CAP_MARK_MISMATCH', details: { file: /bin/, gtid: /.+/, fix: /skip/ } }, name)
    t.same(summary(await readStream(center, STREAM)), [['insert t 200']], 'what came before is in the center')
    await store.run('DELETE FROM shop.t WHERE id IN (200, 201)')
    await session.close()
  }
  // Our own housekeeping alone needs no marks.
  const center = centerOf()
  await using capture = await startCapture({ store, center })
  await running(capture)
  await store.run('UPDATE cellway.checkpoint SET applied = applied + 1')
  await store.run("INSERT INTO shop.t VALUES (202, 'x')")
  await published(capture, 1)
  t.equal(capture.status().state, 'running')
}

async function fences(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center })
  await running(capture)
  const sql: [string, { fence: boolean; barrier: boolean }][] = [
    ["INSERT INTO cellway.bucket_owner VALUES ('users', '1', 'beijing', 5, 'owned', 0)", { fence: true, barrier: false }],
    ["INSERT INTO cellway.opened VALUES ('users', '1', 7, 'beijing', '{}')", { fence: true, barrier: false }],
    ["INSERT INTO cellway.barrier VALUES ('b1', 'beijing', 'shift', '', 1)", { fence: false, barrier: true }],
    ["INSERT INTO cellway.heartbeat VALUES ('beijing', 'mysql', 1, 1)", { fence: false, barrier: false }],
    [
      "INSERT INTO cellway.skipped (source_cell, store, source_gtid, reason, by_whom, content) VALUES ('a', 'b', 'c', 'd', 'e', 'f')",
      { fence: false, barrier: false }
    ]
  ]
  for (const [statement] of sql) {
    await store.run(statement)
    const end = await store.position()
    await until(
      'it is read',
      () => capture.status().sourcePosition === end,
      () => [capture.status(), end]
    )
  }
  await until('all are in the center', () => capture.status().counters.records === 4)
  const { transactions } = await readStream(center, STREAM)
  t.same(
    transactions.map(({ marks }) => marks),
    sql.slice(0, 4).map(([, want]) => want)
  )
  await store.run('DELETE FROM cellway.bucket_owner; DELETE FROM cellway.opened; DELETE FROM cellway.barrier; DELETE FROM cellway.heartbeat')
}

async function schemaChanges(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center })
  await running(capture)
  await store.run(
    "INSERT INTO shop.t VALUES (300, 'a'); ALTER TABLE shop.t ADD w BINARY(4) DEFAULT 0x01; INSERT INTO shop.t (id, v) VALUES (301, 'b')"
  )
  await store.run('ALTER TABLE shop.t DROP w; DELETE FROM shop.t WHERE id IN (300, 301)')
  await published(capture, 5)
  const seen = await readStream(center, STREAM)
  t.same(summary(seen), [
    ['insert t 300'],
    ['schema ALTER TABLE shop.t ADD w BINARY(4) DEFAU'],
    ['insert t 301'],
    ['schema ALTER TABLE shop.t DROP w'],
    ['delete t 300', 'delete t 301']
  ])
  const [, , added] = seen.transactions
  const [change] = added?.changes ?? []
  t.equal(change?.kind === 'insert' ? change.table.columns.length : 0, 3)
  t.same(change?.kind === 'insert' ? change.after[2] : undefined, Buffer.from([1, 0, 0, 0]), 'padded as it is declared')
  await rowsWithinDdl(t, store)
}

async function rowsWithinDdl(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  const topology = topologies()
  topology.declare({ table: 'shop.t' }, { table: 'shop.copy' })
  await using capture = await startCapture({ store, center, topology })
  await running(capture)
  await store.run("INSERT INTO shop.t VALUES (310, 'a'); CREATE TABLE shop.copy (PRIMARY KEY (id)) AS SELECT * FROM shop.t WHERE id = 310")
  await published(capture, 2)
  const changes = summary(await readStream(center, STREAM)).flat()
  t.ok(changes.includes('insert copy 310'), 'rows of CREATE TABLE … SELECT')
  await store.run('DROP TABLE shop.copy; DELETE FROM shop.t WHERE id = 310')
}

async function statements(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  const before = await store.position()
  t.ok(before)
  const first = await startCapture({ store, center })
  await running(first)
  await store.run("INSERT INTO shop.t VALUES (400, 'a')")
  const session = await store.open()
  await session.run(
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET SESSION binlog_format = 'STATEMENT'; UPDATE shop.t SET v = 'b' WHERE id = 400"
  )
  await store.run("INSERT INTO shop.t VALUES (401, 'a')")
  const error = await soon(first)
  t.match(error, { code: 'CAP_STATEMENT_WRITE', retry: 'after-change', details: { statement: /UPDATE shop.t/, fix: /skip its GTID/, file: /bin/ } })
  t.equal(first.status().state, 'stopped')
  const gtid = (error as { details: { gtid: string } }).details.gtid
  await first[Symbol.asyncDispose]()
  await using second = await startCapture({ store, center, epoch: 2 })
  second.capture.skip({ gtid, by: 'operator', reason: 'test' })
  await published(second, 1)
  t.same(summary(await readStream(center, STREAM)), [['insert t 400'], ['insert t 401']], 'a skipped transaction is passed, and nothing else')
  await session.close()
}

async function prepared(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center })
  await running(capture)
  await store.run("XA START 'x'; INSERT INTO shop.t VALUES (500, 'a'); XA END 'x'; XA PREPARE 'x'")
  t.match(await soon(capture), { code: 'CAP_XA_PREPARED', details: { gtid: /.+/, fix: /ONE PHASE/ } })
  await store.run("XA ROLLBACK 'x'")
}

async function quiet(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center, config: { positionMoveMs: 1000 } })
  await running(capture)
  await store.run('DELETE FROM shop.own; INSERT INTO shop.own VALUES (10)')
  const end = await store.position()
  await until(
    'the position is in the center',
    () => capture.status().centerPosition === end,
    () => [capture.status(), end]
  )
  const seen = await readStream(center, STREAM)
  t.same(
    seen.transactions.map(({ changes }) => changes.length),
    [0],
    'one transaction without changes'
  )
  t.equal(seen.position, end)
}

async function published(capture: RunningCapture, count: number): Promise<void> {
  const has = (): boolean => capture.status().counters.published >= count && capture.status().waitingRecords === 0
  await until(`${count} transactions in the center`, has, () => [capture.status(), capture.lines.slice(-4)])
}

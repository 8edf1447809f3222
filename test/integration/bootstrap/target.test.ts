/** The target in one process with its source: what it refuses, what it waits for, and that a chunk is never written over newer rows. */
import { Writable } from 'node:stream'
import { systemClock } from '@cellway/base'
import { createMemoryLog } from '@cellway/log'
import { createLogger } from '@cellway/telemetry'
import { type CellId, compileSnapshot } from '@cellway/topology'
import t, { type Test } from 'tap'
import { AppliedPositions } from '../../../services/replicator/src/apply/applied-positions.ts'
import { type BootstrapGate, loadGate } from '../../../services/replicator/src/bootstrap/apply-gate.ts'
import { Bootstrap } from '../../../services/replicator/src/bootstrap/bootstrap.ts'
import { ChunkWriter } from '../../../services/replicator/src/bootstrap/chunk-writer.ts'
import { NO_BOOTSTRAP_METRICS, NO_SOURCE_METRICS } from '../../../services/replicator/src/bootstrap/metrics.ts'
import type { ChunkAnswer } from '../../../services/replicator/src/bootstrap/protocol.ts'
import { ensureBootstrapSchema } from '../../../services/replicator/src/bootstrap/schema.ts'
import { SnapshotSource } from '../../../services/replicator/src/bootstrap/snapshot-source.ts'
import { TargetPlans } from '../../../services/replicator/src/bootstrap/target-prepare.ts'
import { beginCopying, readTables, type TableState } from '../../../services/replicator/src/bootstrap/target-state.ts'
import type { CellContext } from '../../../services/replicator/src/context.ts'
import { placeCheckpoint, readCheckpoint } from '../../../services/replicator/src/store/checkpoint.ts'
import { ensureSchema } from '../../../services/replicator/src/store/schema.ts'
import type { Session } from '../../../services/replicator/src/store/session.ts'
import { centerOf } from '../capture/fixture.ts'
import { startMysql9 } from '../mysql9.ts'
import { startMariadb, type TestServer } from '../servers.ts'
import { sessionOn, snapshotOf, topologyOf } from './cells.ts'
import { until } from './cluster.ts'

t.setTimeout(180_000)

const [SOURCE, TARGET] = ['beijing', 'shanghai'] as const
const ARGS = ['--log-bin=binlog', '--binlog-format=ROW', '--binlog-row-metadata=FULL', '--gtid-strict-mode=ON']

interface Side {
  readonly context: CellContext
  readonly server: TestServer
  readonly session: Session
}

type StartServer = (number: number) => Promise<TestServer>
const mariadb: StartServer = (number) => startMariadb({ args: [...ARGS, `--server-id=${number}01`, `--gtid-domain-id=${number}`] })
const mysql: StartServer = () => startMysql9()

interface Pair extends AsyncDisposable {
  readonly source: Side
  readonly target: Side
  /** A cell more that owns buckets. */
  own(cell: string): void
}

async function startPair(start: readonly [StartServer, StartServer] = [mariadb, mariadb]): Promise<Pair> {
  const stack = new AsyncDisposableStack()
  const center = centerOf(createMemoryLog())
  const topology = topologyOf([{ table: 'shop.users', space: 'users', column: 'id' }], [SOURCE, TARGET])
  let owner: string = SOURCE
  const view = {
    current: () => compileSnapshot(snapshotOf(topology, (entry) => ({ ...entry, owner: owner as CellId }))),
    newerThan: () => new Promise<never>(() => undefined)
  }
  const log = createLogger({ service: 'replicator', stream: new Writable({ write: (_chunk, _encoding, done) => done() }) })
  const side = async (cell: string, number: number): Promise<Side> => {
    const server = stack.use(await (start[number - 1] ?? mariadb)(number))
    const session = stack.use(await sessionOn(server))
    await ensureSchema(session)
    await ensureBootstrapSchema(session)
    return { context: { cell, store: 'mysql', log, clock: systemClock, center, topology: view }, server, session }
  }
  const [source, target] = [await side(SOURCE, 1), await side(TARGET, 2)]
  await source.session.run(
    "CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(20) UNIQUE); INSERT INTO shop.users VALUES (1, 'a'), (2, 'b'), (3, 'c')"
  )
  return {
    source,
    target,
    own: (cell) => {
      owner = cell
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync()
  }
}

interface Running extends AsyncDisposable {
  readonly bootstrap: Bootstrap
  readonly gate: BootstrapGate
  readonly positions: AppliedPositions
  /** To the error that ended it. */
  readonly ended: Promise<unknown>
  readonly calls: string[]
}

async function startTarget({ context, server, session }: Side): Promise<Running> {
  const life = new AbortController()
  const gate = await loadGate(session)
  const calls: string[] = []
  const positions = new AppliedPositions()
  const bootstrap = new Bootstrap({
    context,
    gate,
    epoch: 5,
    positions,
    openSession: (role, signal) => sessionOn(server, { role, signal, reservedServerId: 4_000_000_001 }),
    appliers: {
      stop: async () => {
        calls.push('stop')
      },
      start: () => calls.push('start')
    },
    limits: { silenceMs: 7000 },
    metrics: NO_BOOTSTRAP_METRICS
  })
  const ended = bootstrap.run(life.signal).then(
    () => undefined,
    (cause: unknown) => cause
  )
  return {
    bootstrap,
    gate,
    positions,
    ended,
    calls,
    [Symbol.asyncDispose]: async () => {
      life.abort()
      await ended
    }
  }
}

function startSource({ context, server }: Side): AsyncDisposable {
  const life = new AbortController()
  const source = new SnapshotSource({ context, epoch: 3, openSession: (_role, signal) => sessionOn(server, { signal }), metrics: NO_SOURCE_METRICS })
  const ran = source.run(life.signal)
  return {
    [Symbol.asyncDispose]: async () => {
      life.abort()
      await ran
    }
  }
}

t.test('what is refused, and what a run waits for', async (t) => {
  await using pair = await startPair()
  await using running = await startTarget(pair.target)
  const { bootstrap } = running
  await t.rejects(bootstrap.request({ sourceCell: TARGET }), { code: 'BOO_REQUEST_INVALID' }, 'itself')
  await t.rejects(bootstrap.request({ sourceCell: 'paris' }), { code: 'BOO_REQUEST_INVALID' }, 'a cell that is not there')
  await t.rejects(bootstrap.request({ sourceCell: SOURCE, rowsPerSecond: -1 }), { code: 'BOO_REQUEST_INVALID' }, 'a rate that is none')
  pair.own(TARGET)
  await t.rejects(bootstrap.request({ sourceCell: SOURCE }), { code: 'BOO_TARGET_OWNS' }, 'a cell that serves writes')
  pair.own(SOURCE)
  t.equal((await bootstrap.request({ sourceCell: SOURCE })).phase, 'requested')
  await t.rejects(bootstrap.request({ sourceCell: SOURCE }), { code: 'BOO_RUN_ACTIVE' })
  t.notOk(running.gate.appliersMayStart)
  t.match(await running.ended, { code: 'BOO_SOURCE_SILENT' }, 'nobody answers: said after the time that was set')
  t.match(bootstrap.status(), { phase: 'requested', reason: /BOO_SOURCE_SILENT/ })
  t.notOk((await loadGate(pair.target.session)).appliersMayStart, 'and remembered by the next process')
  t.equal((await bootstrap.cancel()).phase, 'cancelled')
  t.notOk((await loadGate(pair.target.session)).appliersMayStart, 'what is cancelled stays incomplete')
})

t.test('rows that are there need a word', async (t) => {
  await using pair = await startPair()
  await using source = startSource(pair.source)
  await pair.target.session.run(
    "CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(20) UNIQUE); INSERT INTO shop.users VALUES (9, 'mine')"
  )
  {
    await using running = await startTarget(pair.target)
    await running.bootstrap.request({ sourceCell: SOURCE })
    t.match(await running.ended, { code: 'BOO_TARGET_NOT_EMPTY', details: { table: 'shop.users' } })
    t.same(await pair.target.session.records('SELECT id FROM shop.users'), [{ id: 9 }], 'nothing was touched')
    await running.bootstrap.cancel()
  }
  await using running = await startTarget(pair.target)
  await running.bootstrap.request({ sourceCell: SOURCE, wipe: true })
  await until('it waits for its own writes', async () => /has not applied shanghai up to 2-201-/.test(running.bootstrap.status().reason))
  t.same(await pair.target.session.records('SELECT id FROM shop.users'), [{ id: 9 }], 'what the source has not seen is not wiped')
  // As the source's applier of this cell would, once it has all of it.
  await placeCheckpoint(pair.source.session, { sourceCell: TARGET, store: 'mysql', position: '2-201-999', epoch: 1 })
  await finishes(t, { pair, running })
  t.ok(source)
})

t.test('an empty cell', async (t) => {
  await using pair = await startPair()
  await using source = startSource(pair.source)
  await using running = await startTarget(pair.target)
  await running.bootstrap.request({ sourceCell: SOURCE })
  await finishes(t, { pair, running })
  t.same(running.calls, ['stop', 'start'])
  const checkpoint = await readCheckpoint(pair.target.session, SOURCE, 'mysql')
  t.match(checkpoint, { position: /^1-101-\d+$/, applied: 1n, applierEpoch: 5 }, 'the appliers begin where the copy does')
  const [created] = await pair.target.session.records('SHOW CREATE TABLE shop.users')
  t.match(created?.['Create Table'], /UNIQUE KEY `name`/)
  t.ok(source)
})

const ODD = `ALTER TABLE shop.users ADD COLUMN price DECIMAL(20,6), ADD COLUMN size FLOAT, ADD COLUMN born DATETIME(6), ADD COLUMN body LONGBLOB,
  ADD COLUMN mood ENUM('so-so', 'good'), ADD COLUMN big BIGINT UNSIGNED, ADD COLUMN words TEXT COLLATE utf8mb4_bin, ADD KEY by_mood (mood);
  UPDATE shop.users SET price = id / 7, size = 1.1, born = '2024-02-29 23:59:59.000001', body = X'00FF27', mood = 'good', big = 18446744073709551615, words = '😀;'`
const SHOWN =
  'SELECT id, HEX(name) AS n, price, CAST(size AS DOUBLE) AS s, born, HEX(body) AS b, mood, big, HEX(words) AS t FROM shop.users ORDER BY id'

for (const [from, to, start] of [
  ['MySQL', 'MariaDB', [mysql, mariadb]],
  ['MariaDB', 'MySQL', [mariadb, mysql]]
] as const) {
  t.test(`from ${from} to ${to}`, async (t) => {
    await using pair = await startPair(start)
    await pair.source.session.run(ODD)
    await using source = startSource(pair.source)
    await using running = await startTarget(pair.target)
    await running.bootstrap.request({ sourceCell: SOURCE })
    await until('all chunks are in', async () => running.bootstrap.status().phase === 'settling')
    t.same(await pair.target.session.records(SHOWN), await pair.source.session.records(SHOWN))
    const [created] = await pair.target.session.records('SHOW CREATE TABLE shop.users')
    t.match(created?.['Create Table'], /UNIQUE KEY `name`[\s\S]*KEY `by_mood`/)
    const checkpoint = await readCheckpoint(pair.target.session, SOURCE, 'mysql')
    t.match(checkpoint?.position, from === 'MySQL' ? /^[0-9a-f-]{36}:1-/ : /^1-101-/)
    t.ok(source)
  })
}

/** The applier of the source is played by hand: it arrives behind the high mark. */
async function finishes(t: Test, { pair, running }: { pair: Pair; running: Running }): Promise<void> {
  const { bootstrap, positions, gate } = running
  await until('all chunks are in', async () => bootstrap.status().phase === 'settling')
  await until('it waits for the applier', async () => /waiting for the applier of beijing/.test(bootstrap.status().reason))
  t.match(bootstrap.status(), { rowsDone: 3, rowsEstimated: 3, tablesDone: 0, tablesTotal: 1 })
  const during = await gate.enter(AbortSignal.timeout(10_000))
  t.equal(during.treatment({ schema: 'shop', name: 'users' }), 'overwrite', 'until the applier is behind the chunks')
  t.notOk(during.foreignKeyChecks)
  during.leave()
  positions.set(SOURCE, { kind: 'mariadb', gtids: [{ kind: 'mariadb-gtid', domain: 1, server: 101, sequence: 1_000_000n }] })
  await until('it is done', async () => bootstrap.status().phase === 'done')
  const after = await gate.enter(AbortSignal.timeout(10_000))
  t.notOk(after.active)
  after.leave()
  t.same(
    await pair.target.session.records('SELECT id, name FROM shop.users ORDER BY id'),
    await pair.source.session.records('SELECT id, name FROM shop.users ORDER BY id')
  )
}

t.test('a chunk is written only over what it contains', async (t) => {
  await using pair = await startPair()
  const { session, server } = pair.target
  await session.run(
    "CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(20) UNIQUE); INSERT INTO shop.users VALUES (7, 'b')"
  )
  const state: TableState = { schema: 'shop', name: 'users', level: 0, state: 'waiting', afterKey: null, high: {}, rowsDone: 0, rowsEstimated: 2 }
  await beginCopying(session, [state], false)
  await placeCheckpoint(session, { sourceCell: SOURCE, store: 'mysql', position: '1-101-50', epoch: 5 })
  await using applier = await sessionOn(server, { role: 'applier', reservedServerId: 4_000_000_001 })
  const writer = new ChunkWriter({ session: applier, plans: new TargetPlans(applier), sourceCell: SOURCE, store: 'mysql', epoch: 5 })
  await writer.prepare()
  const head = (low: string): ChunkAnswer => ({
    kind: 'chunk',
    requestId: 'r',
    target: TARGET,
    index: 0,
    last: true,
    table: { schema: 'shop', name: 'users' },
    low: { [SOURCE]: low },
    high: { [SOURCE]: '1-101-60' },
    rows: 2,
    lastKey: '{"id": 2}',
    tableDone: true
  })
  const table = {
    schema: 'shop',
    name: 'users',
    columns: [
      { name: 'id', type: 'int(11)', characterSet: '' },
      { name: 'name', type: 'varchar(20)', characterSet: 'utf8mb4' }
    ],
    keyColumns: [0]
  }
  const rows = [
    [1, Buffer.from('a')],
    [2, Buffer.from('b')]
  ]
  const copying: TableState = { ...state, state: 'copying', rowsDone: 2, afterKey: '{"id": 2}', high: { [SOURCE]: '1-101-60' } }
  const write = (low: string, before: TableState): Promise<boolean> =>
    writer.write(head(low), { head: head(low), table, rows }, { before, after: copying })
  t.notOk(await write('1-101-49', { ...state, state: 'copying' }), 'the applier has a change that the chunk may not have')
  t.same(await session.records('SELECT id FROM shop.users'), [{ id: 7 }])
  t.equal((await readTables(session))[0]?.state, 'waiting', 'its progress is not written either')
  t.ok(await write('1-101-50', { ...state, state: 'copying' }))
  t.same(
    await session.records('SELECT id, name FROM shop.users ORDER BY id'),
    [
      { id: 1, name: 'a' },
      { id: 2, name: 'b' }
    ],
    'an older row that holds the same name gives way'
  )
  t.match((await readTables(session))[0], copying)
  const [last] = await applier.records('SELECT @@last_gtid AS gtid')
  t.match(last?.gtid, /^2-4000000001-/, 'chunks carry the mark of applied changes')
  await session.run("INSERT INTO shop.users VALUES (8, 'stray')")
  t.ok(await write('1-101-50', state))
  t.equal((await session.records('SELECT id FROM shop.users')).length, 2, 'the first chunk begins with an empty table')
  await session.run("UPDATE cellway.checkpoint SET applier_epoch = 6 WHERE store = 'mysql-snapshot'")
  await t.rejects(write('1-101-50', copying), { code: 'BOO_FENCED' }, 'a newer process writes chunks')
})

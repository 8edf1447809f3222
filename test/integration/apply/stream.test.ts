import { isCellwayError } from '@cellway/base'
import t from 'tap'
import { AppliedPositions } from '../../../services/replicator/src/apply/applied-positions.ts'
import { placeCheckpoint } from '../../../services/replicator/src/store/checkpoint.ts'
import {
  cellwayTable,
  insert,
  memoryCenter,
  Origin,
  SELF,
  type StartOptions,
  snapshotOf,
  startApplier,
  startTarget,
  THIRD,
  text,
  until,
  update
} from './fixture.ts'

const target = await startTarget()
t.teardown(() => target[Symbol.asyncDispose]())
const snapshot = snapshotOf(['one', 'late', 'grows'])
await target.session.run('CREATE TABLE shop.one (id INT PRIMARY KEY, n INT NOT NULL)')
const one = await target.identity('one')

async function fresh() {
  await target.session.run(
    'DELETE FROM cellway.checkpoint; DELETE FROM cellway.conflict; DELETE FROM cellway.stream_state; DELETE FROM cellway.skipped; DELETE FROM shop.one'
  )
  const center = memoryCenter()
  return { center, origin: new Origin(center), start: (more: Partial<StartOptions> = {}) => startApplier({ target, center, snapshot, ...more }) }
}

function codeOf(cause: unknown): string {
  return isCellwayError(cause) ? cause.code : String(cause)
}

const ids = async (): Promise<unknown[]> => (await target.records('SELECT id FROM shop.one ORDER BY id')).map(({ id }) => id)

t.test('a gap is never jumped over', async (t) => {
  const { origin, start } = await fresh()
  await origin.write([[insert(one, [1, 1])]])
  const running = start()
  await running.caughtUp(origin)
  origin.restart(5n)
  await origin.write([[insert(one, [6, 6])]])
  const cause = await running.ended
  t.equal(codeOf(cause), 'APL_POSITION_LOST')
  t.match(cause, { details: { applied: '0-1-1', found: '0-1-5', fix: /bootstrap/ } })
  t.same(await ids(), [1])
  t.match(running.applier.status(), { state: 'stopped', reason: /APL_POSITION_LOST/ })
})

t.test('a stream whose beginning is gone needs a bootstrap; one whose position was placed goes on', async (t) => {
  const { center, start } = await fresh()
  const origin = new Origin(center, { sequence: 9n })
  await origin.write([[insert(one, [10, 10])]])
  t.equal(codeOf(await start().ended), 'APL_POSITION_LOST')
  await placeCheckpoint(target.session, { sourceCell: 'a', store: 'mysql', position: '0-1-9', epoch: 1 })
  await using running = start({ epoch: 2 })
  await running.caughtUp(origin)
  t.same(await ids(), [10])
})

t.test('a center that lost its log is read from its oldest record, and nothing is applied twice', async (t) => {
  const { origin, start } = await fresh()
  {
    await using running = start()
    await origin.write([[insert(one, [1, 1])], [insert(one, [2, 2])]])
    await running.caughtUp(origin)
  }
  const other = memoryCenter()
  const again = new Origin(other)
  await again.write([[insert(one, [1, 1])], [insert(one, [2, 2])], [insert(one, [3, 3])]])
  await using running = startApplier({ target, center: other, snapshot, epoch: 2 })
  await running.caughtUp(again)
  t.same(await ids(), [1, 2, 3])
  t.same(running.counted.conflicts, [])
})

t.test('how far it is is known from the start, not only after the first commit', async (t) => {
  const { start } = await fresh()
  await placeCheckpoint(target.session, { sourceCell: 'a', store: 'mysql', position: '0-1-9', epoch: 1 })
  await using running = start({ epoch: 2 })
  await running.positions.waitFor('a', '0-1-8', AbortSignal.timeout(10_000))
  t.notOk(running.positions.includes('a', '0-1-10'))
})

t.test('of two appliers the one with the older epoch stops', async (t) => {
  const { origin, start } = await fresh()
  const first = start({ epoch: 1 })
  await origin.write([[insert(one, [1, 1])]])
  await first.caughtUp(origin)
  await using second = start({ epoch: 2 })
  await until(
    'the second has the checkpoint',
    async () => (await target.records('SELECT applier_epoch FROM cellway.checkpoint'))[0]?.applier_epoch === 2
  )
  await origin.write([[insert(one, [2, 2])], [update(one, [1, 1], [1, 10])]])
  await second.caughtUp(origin)
  t.equal(codeOf(await first.ended), 'APL_FENCED')
  t.equal(codeOf(await start({ epoch: 1 }).ended), 'APL_FENCED', 'nor may an older one begin')
  t.same(await target.records('SELECT * FROM shop.one ORDER BY id'), [
    { id: 1, n: 10 },
    { id: 2, n: 2 }
  ])
  t.same(second.counted.conflicts, [])
})

t.test('paused and resumed, and paused still after a restart', async (t) => {
  const { origin, start } = await fresh()
  {
    await using running = start()
    await origin.write([[insert(one, [1, 1])]])
    await running.caughtUp(origin)
    await running.applier.pause()
    await origin.write([[insert(one, [2, 2])]])
    await until('it says that it is paused', () => running.applier.status().state === 'paused')
    t.same(await ids(), [1])
  }
  await using running = start({ epoch: 2 })
  await until('paused after the restart', () => running.applier.status().state === 'paused')
  t.match((await target.records('SELECT state FROM cellway.stream_state'))[0], { state: 'paused' })
  t.same(await ids(), [1])
  await running.applier.resume()
  await running.caughtUp(origin)
  t.same(await ids(), [1, 2])
})

t.test('a table that is not there parks the stream with its statement, and goes on by itself', async (t) => {
  const { origin, start } = await fresh()
  await target.session.run('CREATE TABLE shop.late (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL)')
  const late = await target.identity('late')
  await target.session.run('DROP TABLE shop.late')
  await using running = start()
  await origin.write([[insert(one, [1, 1])], [insert(late, [1, text('waits')])], [insert(one, [2, 2])]])
  await until('it is parked', () => running.applier.status().state === 'parked')
  t.same(await ids(), [1], 'what was before is in, what is behind waits')
  const { statement } = running.applier.status()
  t.match(statement, /CREATE TABLE/)
  t.match((await target.records('SELECT state, statement FROM cellway.stream_state'))[0], { state: 'parked', statement })
  await target.session.run(String(statement))
  await running.caughtUp(origin)
  t.same(await target.records('SELECT * FROM shop.late'), [{ id: 1, name: 'waits' }])
  t.same(await ids(), [1, 2])
})

t.test('a column that came at the origin parks, its ALTER lets go; a parked transaction can be skipped with a record', async (t) => {
  const { origin, start } = await fresh()
  await target.session.run('CREATE TABLE shop.grows (id INT PRIMARY KEY)')
  const narrow = await target.identity('grows')
  await target.session.run('ALTER TABLE shop.grows ADD COLUMN extra INT NULL')
  const wide = await target.identity('grows')
  await target.session.run('ALTER TABLE shop.grows DROP COLUMN extra')
  await using running = start()
  await origin.write([[insert(narrow, [1])]])
  await running.caughtUp(origin)
  const [gtid = ''] = await origin.write([[insert(wide, [2, 20])], [insert(wide, [3, 30])]])
  await until('it is parked', () => running.applier.status().state === 'parked')
  await running.applier.skip(gtid, 'ops@example', 'not wanted')
  t.match((await target.records('SELECT source_gtid, by_whom, reason, LENGTH(content) AS bytes FROM cellway.skipped'))[0], {
    source_gtid: gtid,
    by_whom: 'ops@example',
    reason: 'not wanted'
  })
  await until('the next one is parked', () => running.applier.status().state === 'parked')
  const { statement } = running.applier.status()
  t.match(statement, /ALTER TABLE .*extra/s)
  await target.session.run(String(statement))
  await running.caughtUp(origin)
  t.same(await target.records('SELECT * FROM shop.grows ORDER BY id'), [
    { id: 1, extra: null },
    { id: 3, extra: 30 }
  ])
  t.equal(codeOf(await running.applier.skip(gtid, 'ops', 'again').catch((cause) => cause)), 'APL_SKIP_UNKNOWN')
})

t.test('a column dropped at the target under the applier parks as well', async (t) => {
  const { origin, start } = await fresh()
  await target.session.run('DROP TABLE shop.grows; CREATE TABLE shop.grows (id INT PRIMARY KEY, extra INT NULL)')
  const wide = await target.identity('grows')
  await using running = start()
  await origin.write([[insert(wide, [1, 1])]])
  await running.caughtUp(origin)
  await target.session.run('ALTER TABLE shop.grows DROP COLUMN extra')
  await origin.write([[insert(wide, [2, 2])]])
  await until('it is parked', () => running.applier.status().state === 'parked')
  await target.session.run('ALTER TABLE shop.grows ADD COLUMN extra INT NULL')
  await running.caughtUp(origin)
  t.equal((await target.records('SELECT COUNT(*) AS n FROM shop.grows'))[0]?.n, 2)
})

t.test('what was opened elsewhere waits for the former owner', async (t) => {
  const { center, origin } = await fresh()
  const opened = await cellwayTable(target, 'opened')
  const third = new Origin(center, { cell: THIRD })
  const positions = new AppliedPositions()
  // The bucket moved from the third cell to the origin: the origin's rows come after the third's.
  await using running = startApplier({ target, center, snapshot, positions })
  await origin.write([
    [
      insert(
        opened,
        opened.columns.map(({ name }) => openedRow(name, { [THIRD]: '0-1-2' }))
      )
    ],
    [insert(one, [1, 100])]
  ])
  await until('it waits for the third cell', () => /waits for c up to 0-1-2/.test(running.applier.status().reason))
  t.same(await ids(), [])
  // The stream of the third cell is applied by an applier of its own.
  await using other = startApplier({
    target,
    center,
    snapshot: snapshotOf(['one'], (entry) => ({ ...entry, owner: THIRD as typeof entry.owner })),
    positions,
    sourceCell: THIRD
  })
  await third.write([[insert(one, [1, 1])]])
  await until('the first is in', async () => (await ids()).length === 1)
  t.equal((await target.records('SELECT n FROM shop.one'))[0]?.n, 1)
  await third.write([[{ kind: 'delete', table: one, before: [1, 1] }]])
  await running.caughtUp(origin)
  t.same(await target.records('SELECT * FROM shop.one'), [{ id: 1, n: 100 }])
  t.same([...running.counted.conflicts, ...other.counted.conflicts], [])
})

t.test('what the former owner sends after the cutoff is late', async (t) => {
  const { center, origin, start } = await fresh()
  const opened = await cellwayTable(target, 'opened')
  const positions = new AppliedPositions()
  // A change of the origin's before the cutoff, and one behind it; the bucket is this cell's by now.
  const moved = snapshotOf(['one'], (entry) => ({ ...entry, owner: THIRD as typeof entry.owner, epoch: 7 as typeof entry.epoch }))
  await using running = start({ positions, snapshot: moved })
  await origin.write([[insert(one, [1, 1])]])
  await running.caughtUp(origin)
  const third = new Origin(center, { cell: THIRD })
  await using other = start({ positions, snapshot: moved, sourceCell: THIRD })
  await third.write([
    [
      insert(
        opened,
        opened.columns.map(({ name }) => openedRow(name, { [String(origin.cell)]: '0-1-1' }, THIRD))
      )
    ]
  ])
  await other.caughtUp(third)
  await origin.write([[update(one, [1, 1], [1, 2])]])
  await running.caughtUp(origin)
  t.same(await target.records('SELECT * FROM shop.one'), [{ id: 1, n: 1 }])
  t.same(running.counted.conflicts, [['late', 'keep']])
})

t.test('heartbeats are measured, and by themselves do not write', async (t) => {
  const { center, origin, start } = await fresh()
  const heartbeat = await cellwayTable(target, 'heartbeat')
  const beat = (number: number) => [insert(heartbeat, [text('a'), text('mysql'), BigInt(number), BigInt(Date.now() * 1000)])]
  await using running = start()
  await origin.write([[insert(one, [1, 1])]])
  await running.caughtUp(origin)
  for (let number = 1; number <= 5; number += 1) await origin.write([beat(number)])
  await until('they are measured', () => running.counted.heartbeats.length === 5)
  t.ok(running.counted.heartbeats.every((us) => us >= 0 && us < 5_000_000))
  t.match((await target.records('SELECT position FROM cellway.checkpoint'))[0], { position: '0-1-1' })
  t.equal((await target.records('SELECT COUNT(*) AS n FROM cellway.heartbeat'))[0]?.n, 0, 'never applied as data')
  const waiting = running.positions.waitFor('a', origin.positionText, AbortSignal.timeout(10_000))
  await origin.write([beat(6)])
  await waiting
  t.match((await target.records('SELECT position, applied FROM cellway.checkpoint'))[0], { position: '0-1-7', applied: 7 })
  await until('the center is told', () => center.reported.get('a/mysql b') === '0-1-7')
})

t.test('what comes back to its cell is dropped and counted', async (t) => {
  const { origin, start } = await fresh()
  const checkpoint = await cellwayTable(target, 'checkpoint')
  await using running = start()
  const row = checkpoint.columns.map(({ name, type }) => (/int/.test(type) ? 1n : name === 'updated_at' ? '2024-01-01 00:00:00.000000' : text('x')))
  await origin.write([[insert(checkpoint, row), insert(one, [1, 1])], [insert(one, [2, 2])]])
  await running.caughtUp(origin)
  t.same(await ids(), [2])
  t.equal(running.counted.echoes, 1)
})

t.test('a stream that does not exist yet is waited for', async (t) => {
  const { center, start } = await fresh()
  await using running = start()
  await until('it runs', () => running.applier.status().state === 'running')
  const origin = new Origin(center)
  await origin.write([[insert(one, [1, 1])]])
  await running.caughtUp(origin)
  t.same(await ids(), [1])
  t.not(SELF, origin.cell)
})

function openedRow(name: string, requires: Record<string, string>, owner = 'a') {
  const values: Record<string, unknown> = {
    space: text('global'),
    bucket: text('all'),
    epoch: 7n,
    owner: text(owner),
    requires_positions: text(JSON.stringify(requires))
  }
  return values[name] as Buffer
}

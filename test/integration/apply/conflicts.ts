import type { Change, RowChange } from '@cellway/change'
import type { ConflictClass } from '@cellway/conflict'
import type { Test } from 'tap'
import { encodeImages } from '../../../services/replicator/src/repair/images.ts'
import {
  cellwayTable,
  insert,
  memoryCenter,
  Origin,
  remove,
  SELF,
  type StartOptions,
  snapshotOf,
  startApplier,
  type Target,
  THIRD,
  text,
  update
} from './fixture.ts'

/** Classes, policies, parking, clashes and repairs, on each flavour of target. */
export async function testConflicts(t: Test, target: Target): Promise<void> {
  const snapshot = snapshotOf(['one', 'uniq', 'strict', 'parent', 'child'])
  await target.session.run(
    `CREATE TABLE shop.one (id INT PRIMARY KEY, n INT NOT NULL, name VARCHAR(60));
   CREATE TABLE shop.keyed (id INT PRIMARY KEY, owner VARCHAR(9) CHARACTER SET ascii NOT NULL, u INT NULL, UNIQUE KEY by_u (u));
   CREATE TABLE shop.strict (id INT PRIMARY KEY, n INT NOT NULL, CHECK (n < 100));
   CREATE TABLE shop.parent (id INT PRIMARY KEY);
   CREATE TABLE shop.child (id INT PRIMARY KEY, parent_id INT NOT NULL, FOREIGN KEY (parent_id) REFERENCES shop.parent (id))`
  )
  const [one, keyed, strict, child] = [
    await target.identity('one'),
    await target.identity('keyed'),
    await target.identity('strict'),
    await target.identity('child')
  ]

  async function fresh() {
    const { session } = target
    await session.run(
      'DELETE FROM cellway.checkpoint; DELETE FROM cellway.conflict; DELETE FROM cellway.parked_change; DELETE FROM cellway.parked_key'
    )
    await session.run('DELETE FROM shop.one; DELETE FROM shop.keyed; DELETE FROM shop.strict; DELETE FROM shop.child; DELETE FROM shop.parent')
    const center = memoryCenter()
    return { center, origin: new Origin(center), start: (more: Partial<StartOptions> = {}) => startApplier({ target, center, snapshot, ...more }) }
  }

  const CONFLICTS =
    'SELECT class, policy, decision, before_image, after_image, current_image, result_image, key_text, source_gtid, reemit, space, bucket FROM cellway.conflict ORDER BY id'

  t.test('each class is recorded with its three images, in the transaction of its decision, and the owner wins', async (t) => {
    const { origin, start } = await fresh()
    await target.session.run("INSERT INTO shop.one VALUES (1, 1, 'here'), (2, 2, 'here'), (4, 4, 'here')")
    await using running = start()
    const gtids = await origin.write([
      [insert(one, [1, 10, text('there')])],
      [update(one, [2, 20, text('there')], [2, 21, text('there')])],
      [update(one, [3, 30, text('there')], [3, 31, text('there')])],
      [remove(one, [4, 40, text('there')])],
      [remove(one, [5, 50, text('there')])],
      [insert(one, [6, 60, text('fine')])]
    ])
    await running.caughtUp(origin)
    const found = await target.records(CONFLICTS)
    const classes: ConflictClass[] = ['insert_insert', 'update_update', 'update_delete', 'delete_update', 'delete_delete']
    t.same(
      found.map((row) => [row.class, row.decision, row.source_gtid]),
      classes.map((name, at) => [name, name === 'delete_delete' ? 'keep' : 'apply', gtids[at]])
    )
    t.match(found[1], {
      before_image: '{"id": 2, "n": 20, "name": "there"}',
      after_image: '{"id": 2, "n": 21, "name": "there"}',
      current_image: '{"id": 2, "n": 2, "name": "here"}',
      result_image: '{"id": 2, "n": 21, "name": "there"}',
      key_text: '{"id": 2}',
      space: 'global',
      bucket: 'all',
      policy: 'owner-wins'
    })
    t.same(await target.records('SELECT id, n FROM shop.one ORDER BY id'), [
      { id: 1, n: 10 },
      { id: 2, n: 21 },
      { id: 3, n: 31 },
      { id: 6, n: 60 }
    ])
    t.equal(running.applier.status().conflicts, 5)
  })

  t.test('a result that is there already is no conflict', async (t) => {
    const { origin, start } = await fresh()
    await target.session.run("INSERT INTO shop.one VALUES (1, 1, 'same'), (2, 3, 'same')")
    await using running = start()
    await origin.write([[insert(one, [1, 1, text('same')])], [update(one, [2, 2, text('same')], [2, 3, text('same')])]])
    await running.caughtUp(origin)
    t.same(running.counted.conflicts, [])
    t.equal((await target.records('SELECT COUNT(*) AS n FROM cellway.conflict'))[0]?.n, 0)
  })

  t.test('what the origin does not own is kept out, and the owner here answers', async (t) => {
    const { origin, start } = await fresh()
    await target.session.run("INSERT INTO shop.keyed VALUES (1, 'xb', NULL), (2, 'xc', NULL)")
    await using running = start()
    await origin.write([
      [update(keyed, [1, text('xb'), null], [1, text('xb'), 7])],
      [remove(keyed, [2, text('xc'), null])],
      [insert(keyed, [3, text('xa'), null])],
      [insert(keyed, [4, text('xb'), null])]
    ])
    await running.caughtUp(origin)
    t.same(
      (await target.records(CONFLICTS)).map((row) => [row.class, row.decision, row.reemit, row.bucket]),
      [
        ['foreign_owner', 'keep', 'pending', 'xb'],
        ['foreign_owner', 'keep', 'pending', 'xc'],
        ['foreign_owner', 'keep', 'pending', 'xb']
      ]
    )
    t.same(
      (await target.records('SELECT id, u FROM shop.keyed ORDER BY id')).map(({ id, u }) => [id, u]),
      [
        [1, null],
        [2, null],
        [3, null]
      ]
    )
  })

  t.test('a policy parks the key and nothing else, and changes queue behind it', async (t) => {
    const { origin, start } = await fresh()
    await target.session.run("INSERT INTO shop.keyed VALUES (1, 'xb', 1)")
    const policies = { tables: [{ table: 'shop.keyed', policy: 'park' as const }] }
    {
      await using running = start({ policies })
      await origin.write([
        [update(keyed, [1, text('xb'), 5], [1, text('xb'), 6]), insert(keyed, [2, text('xa'), 2])],
        [update(keyed, [1, text('xb'), 6], [1, text('xb'), 7])],
        [insert(keyed, [3, text('xa'), 3])]
      ])
      await running.caughtUp(origin)
    }
    t.same(await target.records('SELECT id, u FROM shop.keyed ORDER BY id'), [
      { id: 1, u: 1 },
      { id: 2, u: 2 },
      { id: 3, u: 3 }
    ])
    const parked = 'SELECT key_text, reason, (SELECT COUNT(*) FROM cellway.parked_change) AS changes FROM cellway.parked_key'
    t.same(await target.records(parked), [{ key_text: '{"id": 1}', reason: 'foreign_owner', changes: 2 }])
    t.same(
      (await target.records(CONFLICTS)).map((row) => [row.class, row.decision]),
      [['foreign_owner', 'park']]
    )
  })

  t.test('a value that a row here holds: left out and asked for again; as a repair it makes room', async (t) => {
    const { origin, start } = await fresh()
    await target.session.run("INSERT INTO shop.keyed VALUES (1, 'xc', 7), (2, 'xb', 8)")
    await using running = start()
    await origin.write([[insert(keyed, [10, text('xa'), 7])], [insert(keyed, [11, text('xa'), 8])], [insert(keyed, [12, text('xa'), 9])]])
    await running.caughtUp(origin)
    // Row 2 is this cell's own, whose number is higher than the origin's: this cell gives way.
    t.same(
      (await target.records(CONFLICTS)).map((row) => [row.class, row.decision, row.reemit, row.key_text]),
      [
        ['unique_clash', 'keep', 'request', '{"id": 10}'],
        ['unique_clash', 'displace', 'pending', '{"id": 2}']
      ]
    )
    t.same(
      (await target.records('SELECT id FROM shop.keyed ORDER BY id')).map(({ id }) => id),
      [1, 11, 12]
    )
    const repair = await cellwayTable(target, 'repair')
    await origin.write([[insert(repair, repairRow(repair, [insert(keyed, [10, text('xa'), 7])]))]])
    await running.caughtUp(origin)
    t.same(
      (await target.records('SELECT id FROM shop.keyed ORDER BY id')).map(({ id }) => id),
      [10, 11, 12]
    )
    t.match((await target.records(CONFLICTS)).at(-1), { class: 'unique_clash', decision: 'displace', reemit: 'request', key_text: '{"id": 1}' })
  })

  t.test('a repair of the owner is applied without comparing; one of anybody else is not', async (t) => {
    const { origin, start, center } = await fresh()
    await target.session.run("INSERT INTO shop.one VALUES (1, 1, 'wrong'), (2, 2, 'too much')")
    const repair = await cellwayTable(target, 'repair')
    await using running = start()
    await origin.write([
      [
        insert(
          repair,
          repairRow(repair, [insert(one, [1, 5, text('right')]), remove(one, [2, undefined, undefined]), insert(one, [3, 3, text('missing')])])
        )
      ]
    ])
    await running.caughtUp(origin)
    t.same(await target.records('SELECT * FROM shop.one ORDER BY id'), [
      { id: 1, n: 5, name: 'right' },
      { id: 3, n: 3, name: 'missing' }
    ])
    t.same(running.counted.conflicts, [])
    const third = new Origin(center, { cell: THIRD })
    await using other = start({ sourceCell: THIRD })
    await third.write([[insert(repair, repairRow(repair, [insert(one, [1, 99, text('not yours')])]))]])
    await other.caughtUp(third)
    t.same((await target.records('SELECT n FROM shop.one WHERE id = 1'))[0]?.n, 5)
    t.same(other.counted.conflicts, [['foreign_owner', 'keep']])
  })

  t.test('a row that does not fit is parked with its key, and the rest goes on; the answer of its owner releases it', async (t) => {
    const { origin, start } = await fresh()
    const repair = await cellwayTable(target, 'repair')
    await using running = start()
    await origin.write([[insert(strict, [1, 1])], [insert(strict, [2, 500])], [insert(strict, [3, 3])]])
    await running.caughtUp(origin)
    await origin.write([[update(strict, [2, 500], [2, 50])], [update(strict, [3, 3], [3, 4])]])
    await running.caughtUp(origin)
    t.same(await target.records('SELECT id, n FROM shop.strict ORDER BY id'), [
      { id: 1, n: 1 },
      { id: 3, n: 4 }
    ])
    t.same(
      (await target.records(CONFLICTS)).map((row) => [row.class, row.decision, row.key_text]),
      [['schema_drift', 'park', '{"id": 2}']]
    )
    t.equal((await target.records('SELECT COUNT(*) AS n FROM cellway.parked_change'))[0]?.n, 2)
    await origin.write([[insert(repair, repairRow(repair, [insert(strict, [2, 50])]))], [update(strict, [2, 50], [2, 51])]])
    await running.caughtUp(origin)
    t.equal((await target.records('SELECT n FROM shop.strict WHERE id = 2'))[0]?.n, 51)
    t.same(await target.records('SELECT (SELECT COUNT(*) FROM cellway.parked_key) AS k, (SELECT COUNT(*) FROM cellway.parked_change) AS c'), [
      { k: 0, c: 0 }
    ])
  })

  t.test('a child whose parent another stream is about to bring waits for it', async (t) => {
    const { origin, start } = await fresh()
    await using running = start()
    await origin.write([[insert(child, [1, 1])], [insert(child, [2, 1])]])
    const before = running.positions.get('a')
    setTimeout(() => void target.session.run('INSERT INTO shop.parent VALUES (1)'), 200)
    await running.caughtUp(origin)
    t.equal(before, undefined)
    t.same(await target.records('SELECT id FROM shop.child ORDER BY id'), [{ id: 1 }, { id: 2 }])
    t.same(running.counted.conflicts, [])
  })

  t.test('a row locked by somebody else is waited for', async (t) => {
    const { origin, start } = await fresh()
    await target.session.run("INSERT INTO shop.one VALUES (1, 1, 'held')")
    await target.session.run("START TRANSACTION; UPDATE shop.one SET name = 'changing' WHERE id = 1")
    await using running = start()
    await origin.write([[update(one, [1, 1, text('held')], [1, 2, text('new')])]])
    t.equal(running.positions.get('a'), undefined)
    await target.session.run('ROLLBACK')
    await running.caughtUp(origin)
    t.same(running.counted.conflicts, [])
    t.equal((await target.records('SELECT n FROM shop.one'))[0]?.n, 2)
  })
}

function repairRow(table: Awaited<ReturnType<typeof cellwayTable>>, changes: Change[]) {
  const values: Record<string, unknown> = {
    id: Buffer.from(`r-${Math.random()}`),
    cell: Buffer.from(SELF),
    kind: Buffer.from('repair'),
    reason: Buffer.from('verify'),
    conflict_id: null,
    created_us: 1n,
    images: encodeImages(changes as RowChange[])
  }
  return table.columns.map(({ name }) => values[name] as Buffer)
}

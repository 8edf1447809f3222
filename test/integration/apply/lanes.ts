import type { Test } from 'tap'
import { insert, memoryCenter, Origin, remove, SELF, snapshotOf, startApplier, type Target, text, update } from './fixture.ts'
import { expectedRows, randomHistory } from './history.ts'

/** What both lanes have to do on each flavour of target. */
export function testLanes(t: Test, target: Target): void {
  const snapshot = snapshotOf(['one', 'random', 'parent', 'child', 'uniq', 'multi', 'cascade', 'cascaded', 'folding'])

  /** Its own stream and checkpoint for each test. */
  async function fresh() {
    await target.session.run(
      'DELETE FROM cellway.checkpoint; DELETE FROM cellway.conflict; DELETE FROM cellway.parked_change; DELETE FROM cellway.parked_key'
    )
    const center = memoryCenter()
    return { center, origin: new Origin(center) }
  }

  t.test('inserts, updates and deletes of many transactions become one', async (t) => {
    await target.session.run('CREATE TABLE shop.one (id BIGINT PRIMARY KEY, n INT NOT NULL, name VARCHAR(60))')
    const table = await target.identity('one')
    const { center, origin } = await fresh()
    await origin.write([
      [insert(table, [1n, 1, text('one')])],
      [insert(table, [2n, 2, null]), insert(table, [3n, 3, text("it's; \\ \n é")])],
      [update(table, [1n, 1, text('one')], [1n, 10, text('uno')])],
      [remove(table, [2n, 2, null])],
      [update(table, [1n, 10, text('uno')], [4n, 10, text('uno')])]
    ])
    await using running = startApplier({ target, center, snapshot })
    await running.caughtUp(origin)
    t.same(await target.records('SELECT * FROM shop.one ORDER BY id'), [
      { id: 3, n: 3, name: "it's; \\ \n é" },
      { id: 4, n: 10, name: 'uno' }
    ])
    t.same(running.counted.conflicts, [])
    t.same(
      running.counted.batches.map(({ lane, transactions }) => [lane, transactions]),
      [['batch', 5]]
    )
    t.match(running.applier.status(), { state: 'running', position: '0-1-5', transactions: 5, conflicts: 0 })
    const [checkpoint] = await target.records("SELECT position, applied, applier_epoch FROM cellway.checkpoint WHERE source_cell = 'a'")
    t.match(checkpoint, { position: '0-1-5', applied: 5, applier_epoch: 1 })
  })

  t.test('random histories end as they ended at the origin, whatever the batches are; a suffix again changes nothing', async (t) => {
    await target.session.run('CREATE TABLE shop.random (id BIGINT PRIMARY KEY, u INT NULL, name VARCHAR(20), UNIQUE KEY by_u (u))')
    const table = await target.identity('random')
    for (const seed of [1, 7, 1234, 99_999]) {
      await target.session.run('DELETE FROM shop.random')
      const { center, origin } = await fresh()
      const random = randomHistory(table, seed)
      const { history } = random
      {
        await using running = startApplier({ target, center, snapshot })
        for (let at = 0; at < history.length; ) {
          const size = 1 + ((at * 7 + seed) % 60)
          await origin.write(history.slice(at, at + size))
          at += size
        }
        await running.caughtUp(origin)
        t.same(running.counted.conflicts, [], `seed ${seed}: no conflict`)
      }
      const found = await target.records('SELECT id, u, name FROM shop.random ORDER BY id')
      t.same(found, expectedRows(random), `seed ${seed}: the rows of the origin`)
      const digest = await target.digest('random')
      origin.restart(BigInt(history.length >> 1))
      {
        await using again = startApplier({ target, center, snapshot, epoch: 2 })
        await origin.write(history.slice(history.length >> 1))
        await origin.write([[]])
        await again.caughtUp(origin)
        t.same(again.counted.conflicts, [], `seed ${seed}: nothing is compared twice`)
      }
      t.equal(await target.digest('random'), digest, `seed ${seed}: a suffix again changes nothing`)
    }
  })

  t.test('one by one they end the same', async (t) => {
    // The bucket has moved here: what the former owner still sends is looked at change by change.
    const moved = snapshotOf(['random'], (entry) => ({ ...entry, owner: SELF as typeof entry.owner, epoch: 2 as typeof entry.epoch }))
    const table = await target.identity('random')
    for (const seed of [1, 7]) {
      const digests: string[] = []
      for (const [lane, used] of [
        ['batch', snapshot],
        ['exact', moved]
      ] as const) {
        await target.session.run('DELETE FROM shop.random')
        const { center, origin } = await fresh()
        await using running = startApplier({ target, center, snapshot: used })
        await origin.write(randomHistory(table, seed).history)
        await running.caughtUp(origin)
        const lanes = new Set(running.counted.batches.map((one) => one.lane))
        t.ok(lanes.has(lane), `${[...lanes].join()} with ${lane}`)
        t.same(running.counted.conflicts, [])
        digests.push(await target.digest('random'))
      }
      t.equal(digests[0], digests[1], `seed ${seed}`)
    }
  })

  t.test('parents and children, in both directions; what cascades is not overwritten', async (t) => {
    await target.session.run(
      `CREATE TABLE shop.parent (id INT PRIMARY KEY, name VARCHAR(9));
     CREATE TABLE shop.child (id INT PRIMARY KEY, parent_id INT NOT NULL, FOREIGN KEY (parent_id) REFERENCES shop.parent (id));
     CREATE TABLE shop.cascade (id INT PRIMARY KEY, name VARCHAR(9));
     CREATE TABLE shop.cascaded (id INT PRIMARY KEY, cascade_id INT NOT NULL, FOREIGN KEY (cascade_id) REFERENCES shop.cascade (id) ON DELETE CASCADE ON UPDATE CASCADE)`
    )
    const [parent, child, top, below] = [
      await target.identity('parent'),
      await target.identity('child'),
      await target.identity('cascade'),
      await target.identity('cascaded')
    ]
    const { center, origin } = await fresh()
    await using running = startApplier({ target, center, snapshot })
    await origin.write([
      [insert(parent, [1, text('p')]), insert(child, [10, 1])],
      [insert(parent, [2, text('q')]), update(child, [10, 1], [10, 2]), remove(parent, [1, text('p')])],
      [remove(child, [10, 2]), remove(parent, [2, text('q')]), insert(parent, [3, text('r')]), insert(child, [11, 3])]
    ])
    await running.caughtUp(origin)
    t.same(await target.records('SELECT * FROM shop.child'), [{ id: 11, parent_id: 3 }])
    t.same(await target.records('SELECT * FROM shop.parent'), [{ id: 3, name: 'r' }])
    // The binlog has no row of the cascade: deleted and inserted again, the parent has no children any more.
    await origin.write([
      [insert(top, [1, text('t')]), insert(below, [1, 1]), insert(below, [2, 1])],
      [remove(top, [1, text('t')])],
      [insert(top, [1, text('new')])],
      [insert(below, [3, 1])],
      [update(top, [1, text('new')], [5, text('new')])]
    ])
    await running.caughtUp(origin)
    t.same(await target.records('SELECT * FROM shop.cascaded'), [{ id: 3, cascade_id: 5 }])
    t.same(running.counted.conflicts, [])
  })

  t.test('values of unique keys that change hands', async (t) => {
    await target.session.run('CREATE TABLE shop.uniq (id INT PRIMARY KEY, u INT, UNIQUE KEY (u))')
    const table = await target.identity('uniq')
    const { center, origin } = await fresh()
    await using running = startApplier({ target, center, snapshot })
    await origin.write([[insert(table, [1, 10]), insert(table, [2, 20])]])
    await running.caughtUp(origin)
    await origin.write([
      [update(table, [1, 10], [1, null]), update(table, [2, 20], [2, 10]), update(table, [1, null], [1, 20])],
      [remove(table, [1, 20]), insert(table, [3, 20])],
      [remove(table, [2, 10])],
      [update(table, [3, 20], [3, 10])]
    ])
    await running.caughtUp(origin)
    t.same(await target.records('SELECT * FROM shop.uniq'), [{ id: 3, u: 10 }])
    t.same(running.counted.conflicts, [])
  })

  t.test('keys of several columns, and keys that the target holds for equal', async (t) => {
    await target.session.run(
      `CREATE TABLE shop.multi (a VARCHAR(9) CHARACTER SET latin1, b BIGINT UNSIGNED, c DATETIME(3), v INT, PRIMARY KEY (a, b, c));
     CREATE TABLE shop.folding (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)`
    )
    const [multi, folding] = [await target.identity('multi'), await target.identity('folding')]
    const { center, origin } = await fresh()
    const latin1 = Buffer.from('é', 'latin1')
    await using running = startApplier({ target, center, snapshot })
    await origin.write([
      [insert(multi, [latin1, 18_446_744_073_709_551_615n, '2024-01-01 00:00:00.001', 1])],
      [insert(multi, [latin1, 18_446_744_073_709_551_615n, '2024-01-01 00:00:00.002', 2])],
      [update(multi, [latin1, 18_446_744_073_709_551_615n, '2024-01-01 00:00:00.001', 1], [latin1, 0n, '2024-01-01 00:00:00.001', 1])],
      [insert(folding, [text('Key'), 1])],
      [update(folding, [text('Key'), 1], [text('KEY'), 2])],
      [remove(folding, [text('KEY'), 2]), insert(folding, [text('key'), 3])],
      [insert(folding, [text('é'), 1])]
    ])
    await running.caughtUp(origin)
    await origin.write([[remove(folding, [text('é'), 1]), insert(folding, [text('e'), 2])], [update(folding, [text('e'), 2], [text('É'), 3])]])
    await running.caughtUp(origin)
    t.same(await target.records('SELECT HEX(a) AS a, CAST(b AS CHAR) AS b, CAST(c AS CHAR) AS c, v FROM shop.multi ORDER BY v'), [
      { a: 'E9', b: '0', c: '2024-01-01 00:00:00.001', v: 1 },
      { a: 'E9', b: '18446744073709551615', c: '2024-01-01 00:00:00.002', v: 2 }
    ])
    t.same(
      await target.records('SELECT k, v FROM shop.folding ORDER BY v, k'),
      [
        { k: 'key', v: 3 },
        { k: 'É', v: 3 }
      ].sort((left, right) => (left.k < right.k ? 1 : -1))
    )
    t.same(running.counted.conflicts, [])
  })
}

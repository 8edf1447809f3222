import t from 'tap'
import { insert, memoryCenter, Origin, remove, snapshotOf, startApplier, startTarget, text, update } from './fixture.ts'

const target = await startTarget()
t.teardown(() => target[Symbol.asyncDispose]())
const snapshot = snapshotOf(['one', 'parent', 'child', 'uniq', 'multi'])

t.test('inserts, updates and deletes of many transactions become one', async (t) => {
  await target.session.run('CREATE TABLE shop.one (id BIGINT PRIMARY KEY, n INT NOT NULL, name VARCHAR(60))')
  const table = await target.identity('one')
  const center = memoryCenter()
  const origin = new Origin(center)
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

import t from 'tap'
import type { ApplyGate, Treatment } from '../../../services/replicator/src/bootstrap/gate.ts'
import { insert, memoryCenter, Origin, remove, snapshotOf, startApplier, startTarget, text, update } from './fixture.ts'

const target = await startTarget()
t.teardown(() => target[Symbol.asyncDispose]())
const tables = ['copied', 'later', 'done', 'parent', 'child']
await target.session.run(
  `CREATE TABLE shop.copied (id INT PRIMARY KEY, n INT, name VARCHAR(9));
   CREATE TABLE shop.later (id INT PRIMARY KEY, n INT);
   CREATE TABLE shop.done (id INT PRIMARY KEY, n INT);
   CREATE TABLE shop.parent (id INT PRIMARY KEY);
   CREATE TABLE shop.child (id INT PRIMARY KEY, parent_id INT NOT NULL, FOREIGN KEY (parent_id) REFERENCES shop.parent (id))`
)
const [copied, later, done, child] = [
  await target.identity('copied'),
  await target.identity('later'),
  await target.identity('done'),
  await target.identity('child')
]

function gateOf(treatments: Readonly<Record<string, Treatment>>): ApplyGate & { readonly open: () => number; readonly entered: () => number } {
  let [open, entered] = [0, 0]
  return {
    open: () => open,
    entered: () => entered,
    async enter() {
      open += 1
      entered += 1
      return {
        active: true,
        foreignKeyChecks: false,
        treatment: ({ name }) => treatments[name] ?? 'compare',
        leave: () => {
          open -= 1
        }
      }
    }
  }
}

t.test('while a bootstrap copies: the stream wins, what is not copied yet is left out, what is done is compared', async (t) => {
  await target.session.run(
    "INSERT INTO shop.copied VALUES (1, 99, 'newer'), (2, 99, 'newer'), (3, 99, 'newer'); INSERT INTO shop.later VALUES (1, 1); INSERT INTO shop.done VALUES (1, 1)"
  )
  const center = memoryCenter()
  const origin = new Origin(center)
  const gate = gateOf({ copied: 'overwrite', later: 'skip', child: 'overwrite' })
  await using running = startApplier({ target, center, snapshot: snapshotOf(tables), gate })
  await origin.write([
    [update(copied, [1, 5, text('old')], [1, 6, text('new')])],
    [remove(copied, [2, 5, text('old')])],
    [insert(copied, [4, 4, text('new')]), update(copied, [3, 3, null], [30, 3, null])],
    [insert(copied, [1, 1, null])],
    [insert(later, [2, 2]), remove(later, [1, 1])],
    // No parent is here yet: it is copied later, and the checks are off until then.
    [insert(child, [1, 7])],
    [update(done, [1, 1], [1, 2])]
  ])
  await running.caughtUp(origin)
  t.same(await target.records('SELECT * FROM shop.copied ORDER BY id'), [
    { id: 1, n: 1, name: null },
    { id: 4, n: 4, name: 'new' },
    { id: 30, n: 3, name: null }
  ])
  t.same(await target.records('SELECT * FROM shop.later'), [{ id: 1, n: 1 }])
  t.same(await target.records('SELECT * FROM shop.done'), [{ id: 1, n: 2 }])
  t.same(await target.records('SELECT * FROM shop.child'), [{ id: 1, parent_id: 7 }])
  t.same(running.counted.conflicts, [])
  // A conflict sends the batch through the exact lane: the same treatment there.
  await origin.write([[update(done, [1, 50], [1, 51])], [update(copied, [4, 0, null], [5, 0, null]), insert(later, [9, 9])]])
  await running.caughtUp(origin)
  t.same(running.counted.conflicts, [['update_update', 'apply']])
  t.same(await target.records('SELECT id FROM shop.copied ORDER BY id'), [{ id: 1 }, { id: 5 }, { id: 30 }])
  t.same(await target.records('SELECT id FROM shop.later'), [{ id: 1 }])
  t.equal(gate.open(), 0, 'each pass was left')
  t.ok(gate.entered() > 1)
})

t.test('a large transaction is treated the same', async (t) => {
  await target.session.run('DELETE FROM shop.copied; DELETE FROM cellway.checkpoint')
  await target.session.run('INSERT INTO shop.copied SELECT seq, 99, NULL FROM shop.seq_1_to_500')
  const center = memoryCenter()
  const origin = new Origin(center)
  const gate = gateOf({ copied: 'overwrite', later: 'skip' })
  await using running = startApplier({ target, center, snapshot: snapshotOf(tables), gate })
  const changes = Array.from({ length: 1000 }, (_, at) => insert(copied, [at + 1, at, text('stream')]))
  await origin.write([[...changes, insert(later, [77, 7])]], { partBytes: 4096 })
  await running.caughtUp(origin)
  t.same(await target.records("SELECT COUNT(*) AS n, SUM(name = 'stream') AS streamed FROM shop.copied"), [{ n: 1000, streamed: '1000' }])
  t.same(await target.records('SELECT id FROM shop.later'), [{ id: 1 }])
  t.equal(gate.open(), 0)
})

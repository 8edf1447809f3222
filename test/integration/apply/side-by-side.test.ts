import type { Change, Row } from '@cellway/change'
import t from 'tap'
import { AppliedPositions } from '../../../services/replicator/src/apply/applied-positions.ts'
import { insert, memoryCenter, ORIGIN, Origin, remove, snapshotOf, startApplier, startTarget, THIRD, text, update } from './fixture.ts'
import { randomOf } from './history.ts'

t.setTimeout(120_000)
const TRANSACTIONS = 1500
const target = await startTarget()
t.teardown(() => target[Symbol.asyncDispose]())
await target.session.run(
  'CREATE TABLE shop.keyed (id INT PRIMARY KEY, owner VARCHAR(9) CHARACTER SET ascii NOT NULL, u INT NULL, UNIQUE KEY by_u (u), KEY by_owner (owner))'
)
const keyed = await target.identity('keyed')

/** Rows of one owner, whose keys and unique values lie between those of the other. */
function historyOf(owner: string, offset: number, seed: number): { history: Change[][]; rows: Map<number, Row> } {
  const random = randomOf(seed)
  const rows = new Map<number, Row>()
  const value = text(owner)
  const one = (): Change => {
    const id = random(200) * 2 + offset
    const before = rows.get(id)
    const after: Row = [id, value, before !== undefined && random(2) === 0 ? null : id * 10 + offset]
    if (before === undefined) {
      rows.set(id, after)
      return insert(keyed, after)
    }
    if (random(3) === 0) {
      rows.delete(id)
      return remove(keyed, before)
    }
    rows.set(id, after)
    return update(keyed, before, after)
  }
  return { history: Array.from({ length: TRANSACTIONS }, () => Array.from({ length: 1 + random(3) }, one)), rows }
}

t.test('appliers of two origins and a local writer work in one table at once', async (t) => {
  const center = memoryCenter()
  const positions = new AppliedPositions()
  const snapshot = snapshotOf([])
  const [first, second] = [new Origin(center, { cell: ORIGIN }), new Origin(center, { cell: THIRD })]
  const [ofFirst, ofSecond] = [historyOf('xa', 0, 11), historyOf('xc', 1, 12)]
  await using one = startApplier({ target, center, snapshot, positions, sourceCell: ORIGIN })
  await using other = startApplier({ target, center, snapshot, positions, sourceCell: THIRD })
  let local = 0
  for (let at = 0; at < TRANSACTIONS; at += 50) {
    await Promise.all([first.write(ofFirst.history.slice(at, at + 50)), second.write(ofSecond.history.slice(at, at + 50))])
    local += 1
    await target.session.run(`INSERT INTO shop.keyed VALUES (${100_000 + local}, 'xb', ${1_000_000 + local})`)
  }
  await Promise.all([one.caughtUp(first), other.caughtUp(second)])
  const found = await target.records("SELECT id, owner, u FROM shop.keyed WHERE owner <> 'xb' ORDER BY id")
  const want = [...ofFirst.rows.values(), ...ofSecond.rows.values()]
    .sort((left, right) => Number(left[0]) - Number(right[0]))
    .map(([id, owner, u]) => ({ id, owner: String(owner), u }))
  t.same(found, want)
  t.same([...one.counted.conflicts, ...other.counted.conflicts], [])
  t.equal((await target.records("SELECT COUNT(*) AS n FROM shop.keyed WHERE owner = 'xb'"))[0]?.n, local)
  t.comment(`${one.counted.retried + other.counted.retried} retries`)
})

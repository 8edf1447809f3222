import { createMemoryStore } from '@cellway/store'
import { type BucketState, buildSnapshot, compileSnapshot, encodeSnapshot, initialLedger, parseCellId, parseTopology } from '@cellway/topology'
import t from 'tap'
import { EXAMPLE_TOPOLOGY } from '../testing.ts'
import { type LedgerChange, planLedgerChanges } from './change-ledger.ts'
import type { Published } from './current.ts'

const checked = parseTopology(EXAMPLE_TOPOLOGY)
if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
const ledger = initialLedger(checked.value)
const snapshot = buildSnapshot({ version: 5, topology: checked.value, ledger })
const published: Published = {
  snapshot,
  text: encodeSnapshot(snapshot),
  topologyVersion: 5,
  revisions: { version: 9, ledger: new Map(ledger.map((entry) => [`state/ledger/${entry.space}/${encodeURIComponent(entry.bucket)}`, 3])) },
  compiled: () => compileSnapshot(snapshot)
}
const OWNED: BucketState = { kind: 'owned' }
const moving = (from: string, to: string): BucketState => ({ kind: 'moving', from: parseCellId(from), to: parseCellId(to), shift: 's' })
const change = (over: Partial<LedgerChange>): LedgerChange => ({
  space: 'areas',
  bucket: 'bj',
  expectedEpoch: 1,
  owner: 'shanghai',
  state: OWNED,
  ...over
})

t.test('a change raises the epoch by one and compares its row and the version', async (t) => {
  const plan = planLedgerChanges([change({}), change({ space: 'users', bucket: 'pin:vip-42', state: moving('shanghai', 'beijing') })], published)
  if (plan.kind !== 'change') throw new Error('a change')
  t.match(plan.response.body, {
    version: 6,
    entries: [
      { space: 'areas', bucket: 'bj', owner: 'shanghai', epoch: 2 },
      { bucket: 'pin:vip-42', epoch: 2, state: { shift: 's' } }
    ]
  })
  t.same(plan.compare, [
    { key: 'state/version', revision: 9 },
    { key: 'state/ledger/areas/bj', revision: 3 },
    { key: 'state/ledger/users/pin%3Avip-42', revision: 3 }
  ])
  t.match(plan.before, [
    { owner: 'beijing', epoch: 1 },
    { owner: 'shanghai', epoch: 1 }
  ])
  await using store = createMemoryStore()
  t.equal((await store.commit({ puts: plan.puts })).kind, 'committed', 'the store takes the keys')
})

t.test('what cannot be is refused with every problem', async (t) => {
  const rows: [string, LedgerChange[], string[]][] = [
    ['unknown space', [change({ space: 'nowhere' })], ['changes[0].space']],
    ['prototype name as space', [change({ space: 'constructor' })], ['changes[0].space']],
    ['unknown bucket', [change({ bucket: 'gd' })], ['changes[0].bucket']],
    ['unknown owner', [change({ owner: 'xian' })], ['changes[0].owner']],
    ['moving from another cell than the owner', [change({ state: moving('beijing', 'shanghai') })], ['changes[0].state.from']],
    ['moving to itself', [change({ state: moving('shanghai', 'shanghai') })], ['changes[0].state.to']],
    ['twice', [change({}), change({})], ['changes[1]']],
    [
      'several',
      [change({ space: 'x' }), change({ owner: 'y' }), change({ bucket: 'z' })],
      ['changes[0].space', 'changes[1].owner', 'changes[2].bucket']
    ]
  ]
  for (const [name, changes, paths] of rows) {
    t.throws(
      () => planLedgerChanges(changes, published),
      { code: 'CTL_LEDGER_CHANGE_INVALID', details: { problems: paths.map((path) => ({ path })) } },
      name
    )
  }
  t.throws(() => planLedgerChanges([change({})], undefined), { code: 'CTL_NO_TOPOLOGY' })
})

t.test('another epoch is a conflict that names all buckets concerned', async (t) => {
  const changes = [
    change({ expectedEpoch: 2 }),
    change({ bucket: 'sh', owner: 'beijing' }),
    change({ space: 'global', bucket: 'all', expectedEpoch: 7 })
  ]
  t.throws(() => planLedgerChanges(changes, published), {
    code: 'CTL_EPOCH_CONFLICT',
    details: {
      conflicts: [
        { bucket: 'bj', expectedEpoch: 2, epoch: 1, owner: 'beijing' },
        { bucket: 'all', expectedEpoch: 7, epoch: 1 }
      ]
    }
  })
})

import fc from 'fast-check'
import t from 'tap'
import { exampleTopology, snapshotOf } from '../fixtures/example.ts'
import { extendLedger, initialLedger, largestRemainder } from './assign.ts'
import type { LedgerEntry } from './ledger.ts'

function ownersOf(ledger: readonly LedgerEntry[], space: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const entry of ledger) if (entry.space === space) counts[entry.owner] = (counts[entry.owner] ?? 0) + 1
  return counts
}

t.test('the first ledger follows weights, places, pins and primaries', async (t) => {
  const ledger = initialLedger(exampleTopology())
  t.same(ownersOf(ledger, 'users'), { beijing: 512, shanghai: 257, shenzhen: 256 }, 'the pin is a bucket of its own')
  t.same(
    Object.fromEntries(ledger.filter(({ space }) => space === 'areas').map(({ bucket, owner }) => [bucket, owner])),
    { bj: 'beijing', hb: 'shanghai', sh: 'shanghai', zj: 'shanghai', gd: 'shenzhen' },
    'by distance'
  )
  t.same(ownersOf(ledger, 'business'), { beijing: 2, shanghai: 1, shenzhen: 1 })
  t.same(ledger.at(-1), { space: 'global', bucket: 'all', owner: 'beijing', epoch: 1, state: { kind: 'owned' } })
  t.ok(
    ledger.every(({ owner }) => owner !== 'xian'),
    'a standby owns nothing'
  )
})

t.test('an explicit assignment is kept', async (t) => {
  const topology = exampleTopology({
    'values: [order, payment, community, post]': 'values: [order, community], assign: {order: shenzhen, community: beijing}'
  })
  t.same(ownersOf(initialLedger(topology), 'business'), { shenzhen: 1, beijing: 1 })
})

t.test('shares add up, and none is more than one off its quota', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 70_000 }),
      fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 16 }),
      (count, weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        const shares = largestRemainder(count, weights)
        const near = shares.every((share, index) => Math.abs(share - (count * (weights[index] ?? 0)) / total) < 1)
        return near && shares.reduce((sum, share) => sum + share, 0) === count
      }
    )
  )
})

t.test('extending keeps every row and adds the new ones', async (t) => {
  const before = snapshotOf(exampleTopology(), (entry) => ({ ...entry, epoch: 7 as LedgerEntry['epoch'] })).ledger
  const grown = exampleTopology({
    '[bj, hb, sh, zj, gd]': '[bj, hb, sh, zj, gd, hi]',
    'post]}': 'post, chat]}',
    '{"vip-42": shanghai}': '{"vip-42": shanghai, "vip-43": shenzhen}'
  })
  const after = extendLedger(before, grown)
  t.same(
    after.filter(({ bucket }) => !['hi', 'chat', 'pin:vip-43'].includes(bucket)),
    before
  )
  const added = Object.fromEntries(after.filter((entry) => !before.includes(entry)).map(({ bucket, owner, epoch }) => [bucket, `${owner} ${epoch}`]))
  t.match(added, { hi: 'shenzhen 1', chat: 'beijing 1' })
  t.match(added['pin:vip-43'], / 7$/, 'a new pin of a running space starts where its key is now: with the epoch of its hash bucket')
  t.same(extendLedger(after, grown), after, 'nothing left to add')
})

t.test('a new pin cannot take a key out of a moving bucket', async (t) => {
  const moving = snapshotOf(exampleTopology()).ledger.map((entry): LedgerEntry => {
    return entry.space === 'users' ? { ...entry, state: { kind: 'frozen', reason: 'test' } } : entry
  })
  const grown = exampleTopology({ '{"vip-42": shanghai}': '{"vip-42": shanghai, "vip-43": shenzhen}' })
  t.throws(() => extendLedger(moving, grown), { code: 'TOPO_INVALID' })
})

t.test('a ledger with rows that the topology lost is refused', async (t) => {
  const before = snapshotOf(exampleTopology()).ledger
  t.throws(() => extendLedger(before, exampleTopology({ 'community, post]': 'community]' })), { code: 'TOPO_INVALID' })
})

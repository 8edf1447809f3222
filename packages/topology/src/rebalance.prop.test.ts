import fc from 'fast-check'
import t from 'tap'
import { exampleTopology } from '../fixtures/example.ts'
import { initialLedger } from './assign.ts'
import type { CellConfig, Topology } from './config.ts'
import type { CellId, SpaceId } from './ids.ts'
import type { LedgerEntry } from './ledger.ts'
import { planRebalance } from './rebalance.ts'

const USERS = 'users' as SpaceId

function topologyOf(weights: readonly number[], buckets: number): Topology {
  const base = exampleTopology()
  const model = Object.values(base.cells)[0] as CellConfig
  const cells = Object.fromEntries(
    weights.map((weight, number) => [`c${number}`, { ...model, number, weight, role: weight === 0 ? ('standby' as const) : ('active' as const) }])
  )
  return { ...base, cells, spaces: { [USERS]: { kind: 'hash', buckets, fold: 'none', keyType: 'auto' } }, pins: {}, routes: [] }
}

function ledgerOf(owners: readonly number[]): readonly LedgerEntry[] {
  return owners.map((owner, index) => ({
    space: USERS,
    bucket: String(index),
    owner: `c${owner}`,
    epoch: 1,
    state: { kind: 'owned' }
  })) as unknown as readonly LedgerEntry[]
}

/** Tries every way to round the quotas, and counts the moves each would take. */
function fewestMoves(weights: readonly number[], owners: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const quotas = weights.map((weight) => (owners.length * weight) / total)
  let fewest = Number.POSITIVE_INFINITY
  for (let choice = 0; choice < 2 ** weights.length; choice++) {
    const targets = quotas.map((quota, index) => ((choice >> index) & 1 ? Math.ceil(quota) : Math.floor(quota)))
    if (targets.reduce((sum, target) => sum + target, 0) !== owners.length) continue
    const moves = targets.reduce((sum, target, cell) => sum + Math.max(0, owners.filter((owner) => owner === cell).length - target), 0)
    fewest = Math.min(fewest, moves)
  }
  return fewest
}

const world = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 6 }).chain((given) => {
  const weights = given.some((weight) => weight > 0) ? given : [...given.slice(1), 1]
  return fc.record({
    weights: fc.constant(weights),
    owners: fc.array(fc.integer({ min: 0, max: weights.length - 1 }), { minLength: 1, maxLength: 60 })
  })
})

t.test('a rebalance balances, with as few moves as the slow twin finds', async () => {
  fc.assert(
    fc.property(world, ({ weights, owners }) => {
      const topology = topologyOf(weights, owners.length)
      const ledger = ledgerOf(owners)
      const moves = planRebalance(topology, ledger)
      const after = new Map(ledger.map(({ bucket, owner }) => [bucket, owner]))
      for (const { bucket, from, to } of moves) {
        if (after.get(bucket) !== from || from === to) return false
        after.set(bucket, to)
      }
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const balanced = weights.every((weight, cell) => {
        const count = [...after.values()].filter((owner) => owner === `c${cell}`).length
        return Math.abs(count - (owners.length * weight) / total) < 1
      })
      return balanced && moves.length === fewestMoves(weights, owners)
    }),
    { numRuns: 1000 }
  )
})

t.test('adding a fourth equal cell to 1024 buckets moves 256, and a second look moves none', async (t) => {
  const ledger = initialLedger(topologyOf([1, 1, 1], 1024))
  const grown = topologyOf([1, 1, 1, 1], 1024)
  const moves = planRebalance(grown, ledger)
  t.equal(moves.length, 256)
  t.ok(moves.every(({ to }) => to === 'c3'))
  const to = new Map(moves.map((move) => [move.bucket, move.to]))
  t.same(
    planRebalance(
      grown,
      ledger.map((entry) => ({ ...entry, owner: to.get(entry.bucket) ?? entry.owner }))
    ),
    []
  )
})

t.test('moving and frozen buckets are left out; a moving one counts at its target', async (t) => {
  const topology = topologyOf([1, 1], 4)
  const states: readonly LedgerEntry['state'][] = [
    { kind: 'moving', from: 'c0' as CellId, to: 'c1' as CellId, shift: 's1' },
    { kind: 'moving', from: 'c0' as CellId, to: 'c1' as CellId, shift: 's1' },
    { kind: 'owned' },
    { kind: 'owned' }
  ]
  const ledger = ledgerOf([0, 0, 0, 0]).map((entry, index) => ({ ...entry, state: states[index] ?? entry.state }))
  t.same(planRebalance(topology, ledger), [], 'two are on their way already')
  const frozen = ledgerOf([0, 0, 0, 0]).map((entry): LedgerEntry => ({ ...entry, state: { kind: 'frozen', reason: 'test' } }))
  t.same(planRebalance(topology, frozen), [])
})

t.test('values, primaries and pins go where the file says', async (t) => {
  const topology = exampleTopology()
  const away = initialLedger(topology).map(
    (entry): LedgerEntry => (entry.space === 'users' && entry.bucket !== 'pin:vip-42' ? entry : { ...entry, owner: 'xian' as CellId })
  )
  const moves = Object.fromEntries(planRebalance(topology, away).map(({ space, bucket, to }) => [`${space} ${bucket}`, to]))
  t.match(moves, { 'users pin:vip-42': 'shanghai', 'areas bj': 'beijing', 'areas gd': 'shenzhen', 'global all': 'beijing' })
  t.equal(Object.keys(moves).length, 11)
})

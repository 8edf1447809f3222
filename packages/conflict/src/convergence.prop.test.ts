import type { Row } from '@cellway/change'
import fc from 'fast-check'
import t from 'tap'
import type { Cell, Fault, World } from './convergence-model.ts'
import { applyNext, COLUMN, open, release, resolveParked, runRepairer, write } from './convergence-model.ts'
import type { Policy } from './policy.ts'

/**
 * Cells with their fences off write the same rows at the same time; streams arrive in any interleaving that keeps each one's order;
 * repairs are in flight while the next writes are made. When nothing is left to do, all cells have the same rows.
 */

type Step =
  | {
      readonly do: 'write'
      readonly cell: number
      readonly key: number
      readonly what: 'stock' | 'note' | 'code' | 'delete' | 'put' | 'back'
      readonly value: number
    }
  | { readonly do: 'apply'; readonly cell: number; readonly from: number; readonly count: number }
  | { readonly do: 'repair'; readonly cell: number }
  | { readonly do: 'resolve'; readonly cell: number; readonly key: number; readonly apply: boolean }
  | { readonly do: 'release'; readonly cell: number; readonly key: number; readonly to: number }
  | { readonly do: 'open'; readonly cell: number; readonly key: number; readonly from: number }

const NAMES = ['ams', 'bjs', 'chi', 'del']
const KEYS = ['k0', 'k1']
const POLICIES: readonly Policy[] = [
  { policy: 'owner-wins' },
  { policy: 'latest-wins', column: 'version' },
  { policy: 'cell-priority' },
  { policy: 'merge-columns' },
  { policy: 'delta', columns: ['stock'] },
  { policy: 'keep-local' },
  { policy: 'apply-remote' },
  { policy: 'park' }
]
/** Rounds until quiet: each pass lets every stream and every repairer run dry once; an answer to an answer needs a few. */
const ROUNDS_MAX = 40
const RUNS = Number(process.env.CELLWAY_PROP_RUNS ?? 600)

const index = fc.nat({ max: 3 })
const key = fc.nat({ max: KEYS.length - 1 })
const writing = fc.record({
  do: fc.constant('write' as const),
  cell: index,
  key,
  what: fc.constantFrom('stock' as const, 'note' as const, 'code' as const, 'delete' as const, 'put' as const, 'back' as const),
  value: fc.nat({ max: 3 })
})
const applying = fc.record({ do: fc.constant('apply' as const), cell: index, from: index, count: fc.nat({ max: 3 }) })
const repairing = fc.record({ do: fc.constant('repair' as const), cell: index })
const resolving = fc.record({ do: fc.constant('resolve' as const), cell: index, key, apply: fc.boolean() })
const releasing = fc.record({ do: fc.constant('release' as const), cell: index, key, to: index })
const opening = fc.record({ do: fc.constant('open' as const), cell: index, key, from: index })

const owners = fc.array(fc.option(index, { nil: undefined }), { minLength: KEYS.length, maxLength: KEYS.length })
const size = fc.integer({ min: 2, max: 4 })
const standing = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: writing },
    { weight: 8, arbitrary: applying },
    { weight: 3, arbitrary: repairing },
    { weight: 1, arbitrary: resolving }
  ),
  { maxLength: 60, size: 'max' }
)
const shifting = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: writing },
    { weight: 9, arbitrary: applying },
    { weight: 3, arbitrary: repairing },
    { weight: 2, arbitrary: releasing },
    { weight: 3, arbitrary: opening }
  ),
  { maxLength: 60, size: 'max' }
)

function createWorld(cells: number, owned: readonly (number | undefined)[], policy: Policy, fault?: Fault): World {
  const names = NAMES.slice(0, cells)
  const first: Row = ['k0', 1, 10n, 'a', 1]
  return {
    policy,
    ...(fault === undefined ? {} : { fault }),
    // Priorities against the order of the numbers.
    ranks: names.map((cell, number) => ({ cell, number, priority: cells - number })),
    cells: names.map((name) => ({
      name,
      rows: new Map([['k0', first]]),
      stream: [],
      applied: new Map(),
      owners: new Map(
        KEYS.map((each, at) => {
          const owner = owned[at]
          return [each, { owner: owner === undefined ? undefined : names[owner % cells], epoch: 1, opened: true, former: [] }]
        })
      ),
      pending: new Map(),
      requests: new Set(),
      parked: new Map(),
      released: new Map()
    }))
  }
}

function take(world: World, step: Step): void {
  const at = (number: number): Cell => world.cells[number % world.cells.length] as Cell
  const cell = at(step.cell)
  const keyOf = (number: number): string => KEYS[number] ?? 'k0'
  switch (step.do) {
    case 'write':
      write(cell, keyOf(step.key), (current) => written(keyOf(step.key), current, step))
      return
    case 'apply':
      for (let each = 0; each <= step.count; each += 1) if (at(step.from) !== cell) applyNext(world, cell, at(step.from))
      return
    case 'repair':
      runRepairer(world, cell)
      return
    case 'resolve':
      resolveParked(cell, keyOf(step.key), step.apply ? 'apply' : 'keep')
      return
    case 'release':
      release(cell, keyOf(step.key), at(step.to).name)
      return
    case 'open':
      open(cell, at(step.from), keyOf(step.key))
  }
}

/** Few values, so that rows return to what they were: the cases that comparing images cannot see. */
function written(id: string, current: Row | undefined, { what, value }: Extract<Step, { do: 'write' }>): Row | undefined {
  if (what === 'delete') return undefined
  if (what === 'put') return [id, value, BigInt(value), 'p', value]
  if (current === undefined) return [id, null, 0n, 'n', value]
  if (what === 'back') return ['k0', 1, 10n, 'a', 1].with(COLUMN.id, id) as Row
  if (what === 'code') return current.with(COLUMN.code, value)
  if (what === 'note') return current.with(COLUMN.note, 'abcd'[value] ?? 'a').with(COLUMN.version, Number(current[COLUMN.version]) + 1)
  return current.with(COLUMN.stock, BigInt(current[COLUMN.stock] as bigint) + BigInt(value) + 1n)
}

/** Lets everything arrive. @returns undefined, or what is wrong */
function settle(world: World): string | undefined {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    let moved = false
    for (const cell of world.cells) {
      for (const from of world.cells) {
        if (from === cell) continue
        for (const each of KEYS) moved = open(cell, from, each) || moved
        while (applyNext(world, cell, from)) moved = true
      }
      for (const each of cell.parked.keys()) {
        resolveParked(cell, each, 'keep')
        moved = true
      }
      moved = runRepairer(world, cell) || moved
    }
    if (!moved) return difference(world)
  }
  return `still busy after ${ROUNDS_MAX} rounds`
}

function difference(world: World): string | undefined {
  const texts = world.cells.map(({ rows }) => text(rows))
  return texts.every((one) => one === texts[0]) ? undefined : texts.map((one, at) => `${NAMES[at]}: ${one}`).join(' | ')
}

function text(rows: ReadonlyMap<string, Row>): string {
  return [...rows]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([, row]) => row.map((value) => `${String(value)}`).join(','))
    .join('; ')
}

function run(world: World, steps: readonly Step[]): string | undefined {
  for (const step of steps) take(world, step)
  return settle(world)
}

for (const policy of POLICIES) {
  t.test(`${policy.policy}: all cells end with the same rows`, async (t) => {
    fc.assert(
      fc.property(size, owners, standing, (cells, owned, steps) => {
        const wrong = run(createWorld(cells, owned, policy), steps)
        if (wrong !== undefined) throw new Error(wrong)
      }),
      { numRuns: RUNS }
    )
    t.pass()
  })
}

for (const policy of POLICIES.filter((one) => one.policy !== 'park')) {
  t.test(`${policy.policy}: and when buckets change their owner meanwhile`, async (t) => {
    fc.assert(
      fc.property(size, owners, shifting, (cells, owned, steps) => {
        const wrong = run(createWorld(cells, owned, policy), steps)
        if (wrong !== undefined) throw new Error(wrong)
      }),
      { numRuns: RUNS }
    )
    t.pass()
  })
}

t.test('delta: whatever arrives when, each cell has the sum of all that was added anywhere', async (t) => {
  const adding = fc.array(fc.oneof(fc.record({ ...writingStock() }), applying, repairing), { maxLength: 80, size: 'max' })
  fc.assert(
    fc.property(size, owners, adding, (cells, owned, steps) => {
      const world = createWorld(cells, owned, { policy: 'delta', columns: ['stock'] })
      const wrong = run(world, steps)
      const sum = steps.reduce((total, step) => (step.do === 'write' ? total + BigInt(step.value) + 1n : total), 10n)
      const found = world.cells[0]?.rows.get('k0')?.[COLUMN.stock]
      if (wrong !== undefined || found !== sum) throw new Error(wrong ?? `${String(found)} instead of ${sum}`)
    }),
    { numRuns: RUNS }
  )
  t.pass()
})

function writingStock() {
  return { do: fc.constant('write' as const), cell: index, key: fc.constant(0), what: fc.constant('stock' as const), value: fc.nat({ max: 3 }) }
}

t.test('in legal operation nothing is answered', async (t) => {
  fc.assert(
    fc.property(size, standing, (cells, steps) => {
      const world = createWorld(cells, [0, 1], { policy: 'owner-wins' })
      // Each key is written by its owner alone; codes are left out, for two owners can clash in them.
      const legal = steps.filter(
        (step) => step.do !== 'write' || (step.cell % cells === step.key % cells && !['code', 'put', 'back'].includes(step.what))
      )
      const wrong = run(world, legal)
      const answers = world.cells.flatMap(({ stream }) => stream).filter(({ type }) => type !== 'change').length
      if (wrong !== undefined || answers > 0) throw new Error(wrong ?? `${answers} answers`)
    }),
    { numRuns: RUNS }
  )
  t.pass()
})

const CANARIES: readonly { readonly fault: Fault; readonly policy: Policy; readonly steps: typeof standing | typeof shifting }[] = [
  { fault: 'answers-only-conflicts', policy: { policy: 'apply-remote' }, steps: standing },
  { fault: 'third-cells-decide', policy: { policy: 'delta', columns: ['stock'] }, steps: standing },
  { fault: 'no-answer', policy: { policy: 'owner-wins' }, steps: standing },
  { fault: 'clash-ignored', policy: { policy: 'owner-wins' }, steps: standing },
  { fault: 'handover-forgets', policy: { policy: 'apply-remote' }, steps: shifting }
]

for (const { fault, policy, steps } of CANARIES) {
  t.test(`the check notices: ${fault}`, async (t) => {
    const found = fc.check(
      fc.property(
        size,
        owners,
        steps as typeof shifting,
        (cells, owned, taken) => run(createWorld(cells, owned, policy, fault), taken) === undefined
      ),
      { numRuns: 20_000, seed: 3, endOnFailure: true }
    )
    t.equal(found.failed, true)
  })
}

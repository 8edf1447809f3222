import t from 'tap'
import { createBudget } from './budget.ts'

const never = new AbortController().signal

t.test('room is given first come first served', async (t) => {
  const budget = createBudget(100)
  t.equal(budget.take(60, never), undefined, 'at once')
  const order: string[] = []
  const large = budget.take(80, never)?.then(() => order.push('large'))
  const small = budget.take(10, never)?.then(() => order.push('small'))
  t.ok(large !== undefined && small !== undefined, 'the small one waits behind the large one, or that would never come')
  budget.give(60)
  await Promise.all([large, small])
  t.same(order, ['large', 'small'])
  t.equal(budget.used, 90)
})

t.test('what is larger than all of it goes alone', async (t) => {
  const budget = createBudget(100)
  t.equal(budget.take(1, never), undefined)
  const huge = budget.take(1000, never)
  budget.give(1)
  await huge
  t.equal(budget.used, 1000)
  let second = false
  const after = budget.take(1, never)?.then(() => {
    second = true
  })
  t.notOk(second)
  budget.give(1000)
  await after
  t.equal(budget.used, 1)
})

t.test('who gives up leaves its place', async (t) => {
  const budget = createBudget(100)
  t.equal(budget.take(100, never), undefined)
  const controller = new AbortController()
  const first = budget.take(100, controller.signal)
  const second = budget.take(50, never)
  controller.abort(new Error('gone'))
  await t.rejects(first ?? Promise.resolve(), /gone/)
  budget.give(100)
  await second
  t.equal(budget.used, 50)
  await t.rejects(budget.take(100, controller.signal) ?? Promise.resolve(), /gone/, 'and is not let in later')
})

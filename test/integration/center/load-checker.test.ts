import t from 'tap'
import type { SeenRecord } from './load-checker.ts'
import { findProblems, payloadOf, seen } from './load-checker.ts'

/** A checker that cannot fail proves nothing: each fault it is there for is planted once. */

const good: readonly SeenRecord[] = [1, 2, 3, 4, 5].map((number) => ({ sequence: number, number }))
const acknowledged = new Map(good.map(({ sequence, number }) => [sequence, number]))
const check = (records: readonly SeenRecord[]): string[] => findProblems('beijing/mysql', { acknowledged, reads: new Map([['shanghai', records]]) })

t.test('what is right passes', async (t) => {
  t.same(check(good), [])
  const twice = [1, 2, 3, 2, 3, 4].map((number, at) => ({ sequence: at + 1, number }))
  t.same(findProblems('s', { acknowledged: new Map([[6, 4]]), reads: new Map([['r', twice]]) }), [], 'brought again after a lost answer')
})

t.test('each fault is found', async (t) => {
  t.match(check(good.slice(0, 4)), [/nothing at 5/], 'a record is lost at the end')
  t.match(check([...good.slice(0, 2), ...good.slice(3)]), [/record 4 in the place of 3/], 'one is left out')
  t.match(check([...good.slice(0, 3), { sequence: 3, number: 3 }, ...good.slice(3)]), [/record 3 in the place of 4/], 'one is read twice')
  t.match(
    check([{ sequence: 1, number: 1 }, { sequence: 2, number: 3 }, { sequence: 3, number: 2 }, ...good.slice(3)]),
    [/before 2/],
    'two have changed places'
  )
  t.match(check([...good.slice(0, 4), { sequence: 5, number: 4 }]), [/4 at 5, acknowledged as 5/], 'another record at the acknowledged place')
  const [payload, sequence] = [payloadOf(3, 100), 3]
  t.same(seen({ sequence, payload }), { sequence, number: 3 })
  t.same(seen({ sequence, payload: payload.subarray(0, 50) }), { sequence, number: -1 }, 'half a record')
})

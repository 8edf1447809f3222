import type { RouteConfig } from '@cellway/topology'
import t from 'tap'
import { Admission } from '../admission.ts'
import { type BreakerState, breakerAdmits, breakerOnFailure, breakerOnSend, breakerOnSuccess, CLOSED } from './breaker.ts'
import { RetryBudget } from './retry-budget.ts'

const LIMITS = { failuresToOpen: 3, openMs: 100, openMsMax: 1000 }

t.test('breaker: opens after failures in a row, lets one through later, closes on success', async (t) => {
  let state: BreakerState = CLOSED
  for (let at = 0; at < 2; at++) state = breakerOnFailure(state, 0, LIMITS)
  t.equal(breakerAdmits(state, 0), true, 'two failures are not three')
  state = breakerOnFailure(breakerOnSuccess(state), 0, LIMITS)
  t.match(state, { kind: 'closed', failures: 1 }, 'a success starts the count over')
  for (let at = 0; at < 2; at++) state = breakerOnFailure(state, 0, LIMITS)
  t.match(state, { kind: 'open', untilMs: 100 })
  t.equal(breakerAdmits(state, 99), false)
  t.equal(breakerAdmits(state, 100), true)
  state = breakerOnSend(state, 100)
  t.equal(breakerAdmits(state, 100), false, 'one is on its way, the next must wait')
  t.same(breakerOnSuccess(state), CLOSED)
})

t.test('breaker: the pause doubles with each opening in a row, up to its limit', async (t) => {
  let state: BreakerState = { kind: 'half-open', openings: 1 }
  const pauses: number[] = []
  for (let at = 0; at < 6; at++) {
    state = breakerOnFailure(state, 0, LIMITS)
    if (state.kind === 'open') pauses.push(state.untilMs)
    state = breakerOnSend(state, 10_000)
  }
  t.same(pauses, [200, 400, 800, 1000, 1000, 1000])
})

t.test('retry budget: a burst, then a tenth of the requests', async (t) => {
  const budget = new RetryBudget(0.1, 2)
  t.same([budget.take(), budget.take(), budget.take()], [true, true, false])
  let taken = 0
  for (let at = 0; at < 1000; at++) {
    budget.onRequest()
    if (budget.take()) taken += 1
  }
  t.ok(taken >= 99 && taken <= 100, `${taken} retries of 1,000 requests`)
})

t.test('admission: token bucket per route, shedding by priority', async (t) => {
  const admission = new Admission({ inFlightMax: 100 })
  const limited = { name: 'limited', priority: 'normal', rateLimit: { perSecond: 10, burst: 2 } } as unknown as RouteConfig
  const admits = (route: RouteConfig, inFlight: number, nowMs: number): boolean => {
    try {
      admission.admit(route, inFlight, nowMs)
      return true
    } catch {
      return false
    }
  }
  t.same([admits(limited, 0, 0), admits(limited, 0, 0), admits(limited, 0, 0)], [true, true, false])
  t.same([admits(limited, 0, 100), admits(limited, 0, 100)], [true, false], 'a tenth of a second earns one')
  const route = (priority: string): RouteConfig => ({ name: priority, priority }) as unknown as RouteConfig
  t.same(
    [admits(route('low'), 76, 0), admits(route('normal'), 76, 0), admits(route('normal'), 101, 0), admits(route('high'), 500, 0)],
    [false, true, false, true]
  )
})

import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { BootstrapGate } from './apply-gate.ts'
import type { TableState } from './target-state.ts'

/** A timer that keeps the process alive, unlike that of AbortSignal.timeout. */
function after(ms: number): AbortSignal {
  const controller = new AbortController()
  setTimeout(() => controller.abort(new DOMException('time is up', 'TimeoutError')), ms)
  return controller.signal
}

const never = new AbortController().signal

function table(name: string, state: TableState['state']): TableState {
  return { schema: 's', name, level: 0, state, afterKey: null, high: {}, rowsDone: 0, rowsEstimated: 0 }
}

t.test('without a bootstrap every table is compared, and passes are still counted', async (t) => {
  const gate = new BootstrapGate()
  const pass = await gate.enter(never)
  t.match(pass, { active: false, foreignKeyChecks: true })
  t.equal(pass.treatment({ schema: 's', name: 'a' }), 'compare')
  let held = false
  const holding = gate.hold(never).then((release) => {
    held = true
    return release
  })
  await turn()
  t.notOk(held, 'a copy that begins waits for the transaction that is open')
  pass.leave()
  pass.leave()
  const release = await holding
  let entered = false
  const entering = gate.enter(never).then((next) => {
    entered = true
    return next
  })
  await turn()
  t.notOk(entered, 'no transaction begins while chunks are written')
  gate.adopt([table('a', 'waiting'), table('b', 'copying'), table('c', 'copied'), table('d', 'done')], false)
  release()
  const later = await entering
  t.match(later, { active: true, foreignKeyChecks: false }, 'who waited sees what was decided meanwhile')
  t.same(
    ['a', 'b', 'c', 'd', 'e'].map((name) => later.treatment({ schema: 's', name })),
    ['skip', 'overwrite', 'overwrite', 'compare', 'compare']
  )
  later.leave()
})

t.test('a wait ends with its signal, and nothing stays held', async (t) => {
  const gate = new BootstrapGate()
  const pass = await gate.enter(never)
  await t.rejects(gate.hold(after(5)), { name: 'TimeoutError' })
  const other = await gate.enter(never)
  other.leave()
  pass.leave()
  const release = await gate.hold(never)
  await t.rejects(gate.enter(after(5)), { name: 'TimeoutError' })
  release()
  release()
  const last = await gate.enter(never)
  last.leave()
})

t.test('two holders take turns', async (t) => {
  const gate = new BootstrapGate()
  const first = await gate.hold(never)
  let second = false
  const waiting = gate.hold(never).then((release) => {
    second = true
    return release
  })
  await turn()
  t.notOk(second)
  first()
  const release = await waiting
  release()
})

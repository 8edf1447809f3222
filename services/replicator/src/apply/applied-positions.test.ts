import type { Position } from '@cellway/change'
import { parsePosition } from '@cellway/change'
import t from 'tap'
import { AppliedPositions } from './applied-positions.ts'

const at = (text: string): Position => parsePosition('mariadb', text)

t.test('waits until everything up to the position is applied', async (t) => {
  const positions = new AppliedPositions()
  let done = false
  const waiting = positions.waitFor('a', '0-1-10,1-1-3', AbortSignal.timeout(5000)).then(() => {
    done = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(positions.isAwaited('a'))
  positions.set('b', at('0-1-99,1-1-99'))
  positions.set('a', at('0-1-10'))
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(done, false)
  positions.set('a', at('0-2-12,1-1-3'))
  await waiting
  t.notOk(positions.isAwaited('a'))
  await positions.waitFor('a', '0-1-11', AbortSignal.timeout(5000))
  await positions.waitFor('c', '', AbortSignal.timeout(5000))
})

t.test('a waiter goes with its signal, and one whose position is no position of that store is told', async (t) => {
  const positions = new AppliedPositions()
  const stop = new AbortController()
  const waiting = positions.waitFor('a', '0-1-1', stop.signal)
  stop.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  t.notOk(positions.isAwaited('a'))
  const wrong = positions.waitFor('a', '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5', AbortSignal.timeout(5000))
  positions.set('a', at('0-1-1'))
  await t.rejects(wrong, { code: 'CHANGE_POSITION_INVALID' })
})

t.test('of the openings of a bucket the newest counts', (t) => {
  const positions = new AppliedPositions()
  const opening = (epoch: number, owner: string) => ({ space: 's', bucket: '7', epoch, owner, requires: {} })
  t.equal(positions.openingOf('s', '7'), undefined)
  positions.noteOpening(opening(5, 'b'))
  positions.noteOpening(opening(3, 'a'))
  t.match(positions.openingOf('s', '7'), { owner: 'b' })
  const version = positions.openingsVersion
  positions.noteOpening(opening(5, 'b'))
  t.equal(positions.openingsVersion, version)
  t.end()
})

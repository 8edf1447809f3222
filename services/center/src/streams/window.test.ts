import t from 'tap'
import { createSendWindow } from './window.ts'

const batch = (next: number, bytes: number) => ({
  records: [{ sequence: next - 1, epoch: 1, appendedMs: 0, payload: Buffer.alloc(bytes) }],
  next: { logId: 'x', sequence: next },
  durableNext: next
})

t.test('one batch more than the window is out, then it waits for what was taken', async (t) => {
  const window = createSendWindow(100)
  const { signal } = new AbortController()
  await window.room(signal)
  window.sent(batch(2, 60))
  await window.room(signal)
  window.sent(batch(3, 60))
  let room = false
  const waiting = window.room(signal).then(() => {
    room = true
  })
  window.taken(1)
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(room, 'nothing of it was taken')
  window.taken(2)
  await waiting
  window.taken(1_000_000)
  await window.room(signal)
})

t.test('a wait ends with its signal', async (t) => {
  const window = createSendWindow(1)
  const controller = new AbortController()
  window.sent(batch(2, 5))
  const waiting = window.room(controller.signal)
  controller.abort(new Error('gone'))
  await t.rejects(waiting, /gone/)
})

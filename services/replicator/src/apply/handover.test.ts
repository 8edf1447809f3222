import t from 'tap'
import { Handover } from './handover.ts'

const never = new AbortController().signal

t.test('items come out in order, and who puts waits while it is full', async (t) => {
  const queue = new Handover<number>(100)
  await queue.put(1, 60, never)
  let second = false
  const putting = queue.put(2, 60, never).then(() => {
    second = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(second, false)
  t.equal(queue.length, 1)
  t.equal(queue.take(), 1)
  await putting
  t.equal(await queue.peek(never), 2)
  t.equal(queue.take(), 2)
  t.equal(queue.take(), undefined)
})

t.test('one item may be larger than the bound', async (t) => {
  const queue = new Handover<string>(10)
  await queue.put('large', 1000, never)
  t.equal(queue.take(), 'large')
})

t.test('whoever waits is woken by an item, or by its signal', async (t) => {
  const queue = new Handover<string>(10)
  const peeking = queue.peek(never)
  await queue.put('here', 1, never)
  t.equal(await peeking, 'here')
  const stop = new AbortController()
  const putting = queue.put('full', 10, stop.signal)
  stop.abort(new Error('enough'))
  await t.rejects(putting, { message: 'enough' })
  await t.rejects(new Handover<string>(1).peek(AbortSignal.abort(new Error('over'))), { message: 'over' })
})

t.test('thousands pass without the queue growing', async (t) => {
  const queue = new Handover<number>(1000)
  for (let at = 0; at < 10_000; at += 1) {
    await queue.put(at, 1, never)
    if (queue.take() !== at) t.fail(`item ${at}`)
  }
  t.equal(queue.length, 0)
})

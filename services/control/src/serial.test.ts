import t from 'tap'
import { createSerial } from './serial.ts'

t.test('jobs run one after the other, a failed one does not stop the next', async (t) => {
  const serial = createSerial({ waitingMax: 10 })
  const log: string[] = []
  const job =
    (name: string, fails = false) =>
    async () => {
      log.push(`${name} starts`)
      await new Promise((resolve) => setImmediate(resolve))
      log.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    }
  const results = await Promise.allSettled([serial.run(job('a')), serial.run(job('b', true)), serial.run(job('c'))])
  t.same(
    results.map((result) => result.status),
    ['fulfilled', 'rejected', 'fulfilled']
  )
  t.same(log, ['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends'])
  await serial.idle()
})

t.test('the queue is bounded', async (t) => {
  const serial = createSerial({ waitingMax: 2 })
  const gate = Promise.withResolvers<void>()
  const waiting = [serial.run(() => gate.promise), serial.run(async () => undefined)]
  await t.rejects(
    serial.run(async () => undefined),
    { code: 'CTL_BUSY', details: { waiting: 2 } }
  )
  gate.resolve()
  await Promise.all(waiting)
  await serial.run(async () => undefined)
})

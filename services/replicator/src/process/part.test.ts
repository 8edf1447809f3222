import { setTimeout as delay } from 'node:timers/promises'
import { defineError } from '@cellway/base'
import { createLogger } from '@cellway/telemetry'
import t from 'tap'
import { Part, type PartOptions, type Runnable } from './part.ts'

const make = (code: string, retry: 'later' | 'never' | 'after-change') =>
  defineError<{ statement?: string; table?: string }>({ code, message: `The ${code}`, statusCode: 503, origin: 'operator', retry })
const passing = make('TST_PASSING', 'later')
const lasting = make('TST_LASTING', 'after-change')
const fencing = make('TST_FENCED', 'never')

function partOf(run: (signal: AbortSignal, attempt: number) => Promise<void>, options: Partial<PartOptions<Runnable>> = {}): Part<Runnable> {
  let attempt = 0
  return new Part({
    name: 'part',
    make: () => {
      attempt += 1
      const mine = attempt
      return { run: (signal) => run(signal, mine) }
    },
    log: createLogger({ service: 'test', level: 'silent' }),
    restartMs: 1,
    restartMsMax: 5,
    isFenced: (error) => error instanceof Error && 'code' in error && error.code === 'TST_FENCED',
    onFenced: () => undefined,
    ...options
  })
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(10_000)
  while (!holds()) await delay(2, undefined, { signal: deadline })
}

t.test('what can succeed later is tried until it does; what ends by itself, too', async (t) => {
  const stop = new AbortController()
  const part = partOf(async (signal, attempt) => {
    if (attempt === 1) throw passing({})
    if (attempt === 2) return
    if (attempt === 3) throw new TypeError('a bug')
    await untilAborted(signal)
  })
  const running = part.run(stop.signal)
  await until(() => part.status.restarts === 3 && part.status.phase === 'running')
  t.equal(part.status.reason, null, 'a part that runs has nothing to explain')
  stop.abort()
  await running
})

t.test('what cannot succeed stays stopped with its reason, until an operator says otherwise', async (t) => {
  const stop = new AbortController()
  const part = partOf(async (signal, attempt) => {
    if (attempt === 1) throw lasting({ statement: 'ALTER TABLE t ADD c INT', table: 'shop.t' })
    await untilAborted(signal)
  })
  const running = part.run(stop.signal)
  await until(() => part.status.phase === 'stopped')
  await delay(30)
  t.match(part.status, {
    phase: 'stopped',
    code: 'TST_LASTING',
    reason: 'The TST_LASTING: table shop.t',
    statement: 'ALTER TABLE t ADD c INT',
    restarts: 0
  })
  part.runAgain()
  await until(() => part.status.phase === 'running')
  stop.abort()
  await running
})

t.test('being fenced is told, and nothing is tried again', async (t) => {
  let told: unknown
  let attempts = 0
  const part = partOf(
    async () => {
      attempts += 1
      throw fencing({})
    },
    { onFenced: (error) => (told = error) }
  )
  await part.run(new AbortController().signal)
  t.match(told, { code: 'TST_FENCED' })
  t.equal(attempts, 1)
})

t.test('a stop ends a pause at once', async (t) => {
  const stop = new AbortController()
  const part = partOf(
    async () => {
      throw passing({})
    },
    { restartMs: 600_000, restartMsMax: 600_000 }
  )
  const running = part.run(stop.signal)
  await until(() => part.status.phase === 'restarting')
  stop.abort()
  await running
  t.pass()
})

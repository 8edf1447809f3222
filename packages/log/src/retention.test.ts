import t from 'tap'
import { openEmbeddedLog } from './embedded.ts'
import type { LogEvent, LogPosition } from './log.ts'
import { createSimulatedFiles } from './simulated-files.ts'
import { append, codeOf, readSome, soon } from './testing.ts'

const S = 'beijing/main'
const PAYLOAD = Buffer.alloc(960, 1)
const DAY_MS = 24 * 3600 * 1000

/** Four records in a segment. */
const limits = { segmentBytes: 4000, retentionBytes: 20_000, streamBytesMax: 40_000, retentionMs: DAY_MS, freeBytesMin: 0 }

interface World {
  readonly clock: { ms: number; nowMs(): number; monotonicMs(): number }
  readonly events: LogEvent[]
}

function world(): World {
  const clock = {
    ms: 1_700_000_000_000,
    nowMs: () => clock.ms,
    monotonicMs: () => clock.ms
  }
  return { clock, events: [] }
}

t.test('by size, in whole segments', async (t) => {
  const { clock, events } = world()
  await using log = await openEmbeddedLog({
    folder: '/log',
    files: createSimulatedFiles().boot(),
    clock,
    ...limits,
    onEvent: (event) => events.push(event)
  })
  for (let at = 0; at < 100; at += 1) await append(log, S, PAYLOAD)
  const { first, next } = await log.bounds(S)
  t.equal(next, 101)
  t.ok(next - first >= 16 && next - first <= 24, `${next - first} records are kept`)
  t.ok(events.length > 10 && events.every((event) => event.kind === 'trimmed' && event.why === 'size'))
  t.equal((await readSome(log, S, 'oldest', next - first)).length, next - first)
})

t.test('by age', async (t) => {
  const { clock, events } = world()
  await using log = await openEmbeddedLog({
    folder: '/log',
    files: createSimulatedFiles().boot(),
    clock,
    ...limits,
    onEvent: (event) => events.push(event)
  })
  for (let at = 0; at < 8; at += 1) await append(log, S, PAYLOAD)
  clock.ms += DAY_MS / 2
  for (let at = 0; at < 2; at += 1) await append(log, S, PAYLOAD)
  await log.sweep()
  t.equal((await log.bounds(S)).first, 1)
  clock.ms += DAY_MS / 2 + 1
  await log.sweep()
  t.equal((await log.bounds(S)).first, 9, 'what is older than a day')
  clock.ms += 10 * DAY_MS
  await log.sweep()
  t.equal((await log.bounds(S)).first, 9, 'the newest segment stays')
  t.same(events, [{ kind: 'trimmed', stream: S, first: 9, why: 'age' }])
})

t.test('a known reader holds what it needs, and the writers wait for it', async (t) => {
  const { clock } = world()
  await using log = await openEmbeddedLog({ folder: '/log', files: createSimulatedFiles().boot(), clock, ...limits })
  const { logId } = await append(log, S, PAYLOAD)
  const at = (sequence: number): LogPosition => ({ logId, sequence })
  await log.retain(S, 'shanghai', at(1))
  let refusal: unknown
  for (let count = 0; count < 100 && refusal === undefined; count += 1) await append(log, S, PAYLOAD).catch((cause: unknown) => (refusal = cause))
  t.match(refusal, { code: 'LOG_OVERLOADED', details: { reason: 'retention', heldBy: 'shanghai' } })
  t.equal((await log.bounds(S)).first, 1)
  clock.ms += 10 * DAY_MS
  await log.sweep()
  t.equal((await log.bounds(S)).first, 1, 'age does not take it away either')
  const { next } = await log.bounds(S)
  await log.retain(S, 'shanghai', at(next))
  t.ok((await log.bounds(S)).first > 1, 'once it has read, the rest goes at once')
  await append(log, S, PAYLOAD)
  t.pass('and appends go on')
})

t.test('a reader that is too far behind is given up, if that was asked for, and hears of it', async (t) => {
  const { clock, events } = world()
  const options = { ...limits, readerTooFarBehind: 'give-up-reader', onEvent: (event: LogEvent) => events.push(event) } as const
  await using log = await openEmbeddedLog({ folder: '/log', files: createSimulatedFiles().boot(), clock, ...options })
  const { logId } = await append(log, S, PAYLOAD)
  await log.retain(S, 'shanghai', { logId, sequence: 1 })
  for (let at = 0; at < 100; at += 1) await append(log, S, PAYLOAD)
  t.same(
    events.filter(({ kind }) => kind === 'reader-lost'),
    [{ kind: 'reader-lost', stream: S, reader: 'shanghai', position: 1 }]
  )
  t.equal(await codeOf(log.read(S, { logId, sequence: 1 }, { maxBytes: 10, signal: soon() }).next()), 'LOG_POSITION_LOST')
})

t.test('limits that contradict each other are refused', async (t) => {
  const files = createSimulatedFiles().boot()
  t.equal(
    await codeOf(openEmbeddedLog({ folder: '/log', files, segmentBytes: 1000, retentionBytes: 9000, streamBytesMax: 10_000 })),
    'LOG_REQUEST_INVALID'
  )
})

import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import type { Test } from 'tap'
import type { DurableLog } from './contract-durability.ts'
import { testDurability } from './contract-durability.ts'
import { RECORD_BYTES_MAX } from './limits.ts'
import type { Log, LogPosition } from './log.ts'
import { append, codeOf, firstBatch, readSome, soon, textOf, tick } from './testing.ts'

export interface LogFactory {
  readonly name: string
  /** An empty log; disposed of by the suite. */
  open(options: { readonly streamBytesMax?: number }): Promise<Log>
  /** For adapters that outlive their process. */
  readonly durable?: () => DurableLog
}

const S = 'beijing/main'

/** What every adapter of the log must do. */
export async function testLogContract(t: Test, factory: LogFactory): Promise<void> {
  await t.test(`${factory.name}: append and read`, async (t) => testAppendAndRead(t, factory))
  await t.test(`${factory.name}: many appends at once`, async (t) => testConcurrentAppends(t, factory))
  await t.test(`${factory.name}: readers follow the end`, async (t) => testFollow(t, factory))
  await t.test(`${factory.name}: bounds and refusals`, async (t) => testRefusals(t, factory))
  await t.test(`${factory.name}: fencing by epoch`, async (t) => testFencing(t, factory))
  await t.test(`${factory.name}: trim, and positions that are lost`, async (t) => testTrim(t, factory))
  await t.test(`${factory.name}: known readers hold the log`, async (t) => testHolds(t, factory))
  await t.test(`${factory.name}: positions of another log`, async (t) => testReplaced(t, factory))
  await t.test(`${factory.name}: full`, async (t) => testFull(t, factory))
  await t.test(`${factory.name}: close`, async (t) => testClose(t, factory))
  await t.test(`${factory.name}: agrees with a dumb twin`, async (t) => testAgainstTwin(t, factory))
  const { durable } = factory
  if (durable !== undefined) await t.test(`${factory.name}: what was acknowledged is there after a crash`, async (t) => testDurability(t, durable()))
}

async function testAppendAndRead(t: Test, { open }: LogFactory): Promise<void> {
  await using log = await open({})
  t.same(await log.streams(), [])
  const first = await append(log, S, 'one')
  t.equal(first.sequence, 1)
  const { logId, epoch } = await log.identity(S)
  t.equal(first.logId, logId)
  t.equal(epoch, 1)
  t.same(await append(log, S, 'two', 3), { logId, sequence: 2 })
  t.same(await append(log, S, 'drei ✓', 3), { logId, sequence: 3 })
  t.same(await log.bounds(S), { logId, first: 1, next: 4 })
  t.same(await log.identity(S), { logId, epoch: 3 })
  const records = await readSome(log, S, 'oldest', 3)
  t.same(
    records.map(({ sequence, epoch, payload }) => [sequence, epoch, payload.toString()]),
    [
      [1, 1, 'one'],
      [2, 3, 'two'],
      [3, 3, 'drei ✓']
    ]
  )
  t.ok(records.every(({ appendedMs }) => appendedMs > 1_600_000_000_000))
  t.same(textOf(await readSome(log, S, { logId, sequence: 3 }, 1)), ['drei ✓'], 'a position is the first record wanted')
  await append(log, 'shanghai/cache', 'other')
  t.same(await log.streams(), ['beijing/main', 'shanghai/cache'])
  t.same(textOf(await readSome(log, 'shanghai/cache', 'oldest', 1)), ['other'], 'streams do not mix')
  t.equal((await log.bounds('shanghai/cache')).next, 2)

  const sizes = [1, 5000, 200_000, 3, 1_500_000, 10]
  for (const size of sizes) await append(log, S, Buffer.alloc(size, size), 3)
  for (const maxBytes of [1, 6000, 1_000_000, 10_000_000]) {
    const found = await readSome(log, S, { logId, sequence: 4 }, sizes.length, { maxBytes })
    t.ok(
      found.every(({ payload }, at) => payload.equals(Buffer.alloc(sizes[at] ?? 0, sizes[at]))),
      `with batches of ${maxBytes} bytes`
    )
  }
}

async function testConcurrentAppends(t: Test, { open }: LogFactory): Promise<void> {
  await using log = await open({})
  const calls = Array.from({ length: 300 }, (_, at) => append(log, S, `a${at} ${'x'.repeat((at * 37) % 900)}`))
  const others = Array.from({ length: 50 }, (_, at) => append(log, 'shenzhen/main', `b${at}`))
  const positions = await Promise.all(calls)
  await Promise.all(others)
  t.same(
    positions.map(({ sequence }) => sequence),
    positions.map((_, at) => at + 1),
    'records stand in the order of the calls'
  )
  const found = textOf(await readSome(log, S, 'oldest', 300, { maxBytes: 5000 }))
  t.ok(found.every((text, at) => text.startsWith(`a${at} `)))
  const stopped = new AbortController()
  stopped.abort(new Error('changed my mind'))
  await t.rejects(log.append(S, { epoch: 1, payload: Buffer.from('x') }, { signal: stopped.signal }), /changed my mind/)
}

async function testFollow(t: Test, { open }: LogFactory): Promise<void> {
  await using log = await open({})
  const { logId } = await append(log, S, '0')
  const readers = [1, 2, 3].map((from) => readSome(log, S, { logId, sequence: from === 3 ? 2 : from }, 100, { maxBytes: 200 }))
  for (let at = 1; at < 105; at += 1) {
    await append(log, S, String(at))
    if (at % 10 === 0) await tick()
  }
  for (const [index, records] of (await Promise.all(readers)).entries()) {
    const start = Math.min(index, 1)
    t.same(
      textOf(records),
      Array.from({ length: 100 }, (_, at) => String(at + start)),
      'each record once, in order'
    )
  }
  const controller = new AbortController()
  const waiting = log.read(S, { logId, sequence: 106 }, { maxBytes: 1000, signal: controller.signal }).next()
  await tick()
  controller.abort()
  t.same(await waiting, { value: undefined, done: true }, 'an aborted read ends')
  const batch = await firstBatch(log, S, { logId, sequence: 100 }, 1)
  t.same([batch?.next, batch?.durableNext], [{ logId, sequence: 101 }, 106], 'a batch tells where to go on and how far the end is')
}

async function testRefusals(t: Test, { open }: LogFactory): Promise<void> {
  await using log = await open({})
  const { logId } = await append(log, S, 'one')
  const code = async (call: Promise<unknown>): Promise<string> => codeOf(call)
  for (const name of ['', 'beijing', 'Beijing/main', '../main', 'a/b/c', 'a/', `${'a'.repeat(40)}/main`, 'a/b+c']) {
    t.equal(await code(append(log, name, 'x')), 'LOG_REQUEST_INVALID', `stream ${name}`)
  }
  for (const epoch of [0, -1, 1.5, Number.NaN]) t.equal(await code(append(log, S, 'x', epoch)), 'LOG_REQUEST_INVALID', `epoch ${epoch}`)
  t.equal(await code(append(log, S, '')), 'LOG_REQUEST_INVALID', 'an empty record')
  t.equal(await code(append(log, S, Buffer.alloc(RECORD_BYTES_MAX + 1))), 'LOG_RECORD_TOO_LARGE')
  for (const maxBytes of [0, -1, 1.5, 1e12]) t.equal(await code(firstBatch(log, S, 'oldest', maxBytes)), 'LOG_REQUEST_INVALID')
  for (const sequence of [0, -1, 1.5]) t.equal(await code(firstBatch(log, S, { logId, sequence }, 1)), 'LOG_REQUEST_INVALID')
  const unknown = 'tokyo/main'
  t.equal(await code(firstBatch(log, unknown, 'oldest', 1)), 'LOG_STREAM_UNKNOWN')
  t.equal(await code(log.bounds(unknown)), 'LOG_STREAM_UNKNOWN')
  t.equal(await code(log.identity(unknown)), 'LOG_STREAM_UNKNOWN')
  t.equal(await code(log.trim(unknown, { logId, sequence: 1 })), 'LOG_STREAM_UNKNOWN')
  t.equal(await code(log.retain(unknown, 'tokyo', { logId, sequence: 1 })), 'LOG_STREAM_UNKNOWN')
  t.equal(await code(log.retain(S, 'To kyo', { logId, sequence: 1 })), 'LOG_REQUEST_INVALID')
  t.same(textOf(await readSome(log, S, 'oldest', 1)), ['one'])
  t.same(await log.bounds(S), { logId, first: 1, next: 2 }, 'nothing of it was written')
  await append(log, S, Buffer.alloc(RECORD_BYTES_MAX, 5))
  t.equal((await readSome(log, S, { logId, sequence: 2 }, 1, { maxBytes: 1 }))[0]?.payload.length, RECORD_BYTES_MAX, 'the largest record')
}

async function testFencing(t: Test, { open }: LogFactory): Promise<void> {
  await using log = await open({})
  await append(log, S, 'old', 4)
  const racing = await Promise.allSettled([append(log, S, 'old 2', 4), append(log, S, 'new', 5), append(log, S, 'zombie', 4)])
  t.same(
    racing.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
    'from the first append of the new one on'
  )
  t.equal(await codeOf(append(log, S, 'zombie', 4)), 'LOG_FENCED')
  await append(log, 'beijing/cache', 'its own epochs', 1)
  await append(log, S, 'new 2', 5)
  t.same(textOf(await readSome(log, S, 'oldest', 4)), ['old', 'old 2', 'new', 'new 2'])
}

async function testTrim(t: Test, { open }: LogFactory): Promise<void> {
  await using log = await open({})
  const { logId } = await append(log, S, '1')
  for (let at = 2; at <= 10; at += 1) await append(log, S, String(at))
  const at = (sequence: number): LogPosition => ({ logId, sequence })
  const slow = log.read(S, 'oldest', { maxBytes: 1, signal: soon() })
  t.equal((await slow.next()).value?.records[0]?.sequence, 1)
  t.same(await log.trim(S, at(5)), { logId, first: 5, next: 11 })
  t.same(await log.trim(S, at(3)), { logId, first: 5, next: 11 }, 'never back')
  t.same(textOf(await readSome(log, S, 'oldest', 6)), ['5', '6', '7', '8', '9', '10'])
  t.equal(await codeOf(firstBatch(log, S, at(4), 10)), 'LOG_POSITION_LOST', 'no jump')
  t.equal(await codeOf(slow.next()), 'LOG_POSITION_LOST', 'not for a reader that is on its way either')
  t.equal(await codeOf(firstBatch(log, S, at(12), 10)), 'LOG_POSITION_LOST', 'a position that never was')
  const next = firstBatch(log, S, at(11), 10)
  await append(log, S, '11')
  t.equal((await next)?.records[0]?.sequence, 11, 'the next one is no loss')
  t.same(await log.trim(S, at(1000)), { logId, first: 12, next: 12 }, 'everything there is')
  t.same(await append(log, S, '12'), at(12), 'sequences are not used twice')
  t.same(textOf(await readSome(log, S, 'oldest', 1)), ['12'])
}

async function testHolds(t: Test, { open }: LogFactory): Promise<void> {
  await using log = await open({})
  const { logId } = await append(log, S, '1')
  for (let at = 2; at <= 10; at += 1) await append(log, S, String(at))
  const at = (sequence: number): LogPosition => ({ logId, sequence })
  await log.retain(S, 'shanghai', at(4))
  await log.retain(S, 'shenzhen', at(8))
  t.equal(await codeOf(log.trim(S, at(5))), 'LOG_TRIM_HELD')
  t.same(await log.bounds(S), { logId, first: 1, next: 11 }, 'and nothing went')
  t.equal((await log.trim(S, at(4))).first, 4)
  await log.retain(S, 'shanghai', at(11))
  t.equal(await codeOf(log.trim(S, at(9))), 'LOG_TRIM_HELD', 'the other one')
  await log.release(S, 'shenzhen')
  await log.release(S, 'nobody')
  t.equal((await log.trim(S, at(9))).first, 9)
  t.equal(await codeOf(log.retain(S, 'shenzhen', at(8))), 'LOG_POSITION_LOST', 'too late')
  t.equal(await codeOf(log.retain(S, 'shenzhen', at(12))), 'LOG_POSITION_LOST', 'too early')
}

async function testReplaced(t: Test, { open }: LogFactory): Promise<void> {
  await using old = await open({})
  await using log = await open({})
  const stale = await append(old, S, 'old')
  const { logId } = await append(log, S, 'new')
  await append(log, 'beijing/cache', 'new')
  t.not(stale.logId, logId)
  t.equal(await codeOf(firstBatch(log, S, stale, 10)), 'LOG_REPLACED')
  t.equal(await codeOf(log.trim(S, stale)), 'LOG_REPLACED')
  t.equal(await codeOf(log.retain(S, 'shanghai', stale)), 'LOG_REPLACED')
  t.not((await log.identity('beijing/cache')).logId, logId, 'a stream is not taken for another one')
}

async function testFull(t: Test, { open }: LogFactory): Promise<void> {
  await using log = await open({ streamBytesMax: 100_000 })
  const payload = Buffer.alloc(9000)
  let last: LogPosition | undefined
  let refused = ''
  for (let at = 0; at < 20 && refused === ''; at += 1) {
    try {
      last = await append(log, S, payload)
      if (at === 0) await log.retain(S, 'shanghai', last)
    } catch (cause) {
      refused = isCellwayError(cause) ? cause.code : String(cause)
    }
  }
  t.equal(refused, 'LOG_OVERLOADED')
  t.ok(last !== undefined && last.sequence >= 5, `${last?.sequence} records`)
  if (last === undefined) return
  await log.release(S, 'shanghai')
  await log.trim(S, { ...last, sequence: last.sequence + 1 })
  t.equal((await append(log, S, 'room again')).sequence, last.sequence + 1, 'nothing of what was refused is there')
}

async function testClose(t: Test, { open }: LogFactory): Promise<void> {
  const log = await open({})
  const { logId } = await append(log, S, 'one')
  const waiting = codeOf(firstBatch(log, S, { logId, sequence: 2 }, 10))
  await tick()
  await log[Symbol.asyncDispose]()
  await log[Symbol.asyncDispose]()
  t.equal(await waiting, 'LOG_CLOSED')
  t.equal(await codeOf(append(log, S, 'two')), 'LOG_CLOSED')
  t.equal(await codeOf(firstBatch(log, S, 'oldest', 10)), 'LOG_CLOSED')
  t.equal(await codeOf(log.bounds(S)), 'LOG_CLOSED')
  t.equal(await codeOf(log.streams()), 'LOG_CLOSED')
}

type Step = { readonly kind: 'append'; readonly size: number } | { readonly kind: 'trim' | 'read'; readonly at: number }

async function testAgainstTwin(t: Test, { open }: LogFactory): Promise<void> {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), size: fc.integer({ min: 1, max: 600 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), at: fc.nat({ max: 60 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), at: fc.nat({ max: 60 }) }) }
  )
  const property = fc.asyncProperty(fc.array(step, { maxLength: 50 }), fc.integer({ min: 1, max: 1500 }), async (steps, maxBytes) => {
    await using log = await open({})
    const { logId } = await append(log, S, 'first')
    const twin = ['first']
    let first = 1
    for (const { kind, ...own } of steps) {
      const sequence = 'at' in own ? 1 + (own.at % (twin.length + 2)) : 0
      if ('size' in own) {
        twin.push(`${twin.length} ${'x'.repeat(own.size)}`)
        await append(log, S, twin.at(-1) ?? '')
      } else if (kind === 'trim') {
        first = Math.max(first, Math.min(sequence, twin.length + 1))
        await log.trim(S, { logId, sequence })
      } else if (sequence < first || sequence > twin.length + 1) {
        const code = await codeOf(firstBatch(log, S, { logId, sequence }, maxBytes))
        if (code !== 'LOG_POSITION_LOST') throw new Error(`${code} at ${sequence} of ${first} to ${twin.length}`)
      } else {
        const found = await readSome(log, S, { logId, sequence }, twin.length + 1 - sequence, { maxBytes })
        if (textOf(found).join('|') !== twin.slice(sequence - 1).join('|')) throw new Error(`other records from ${sequence} on`)
        if (found.some((record, at) => record.sequence !== sequence + at)) throw new Error('other sequences')
      }
      const bounds = await log.bounds(S)
      if (bounds.first !== first || bounds.next !== twin.length + 1) throw new Error(`bounds ${JSON.stringify(bounds)}`)
    }
  })
  const result = await fc.check(property, { numRuns: 60, interruptAfterTimeLimit: 6000, markInterruptAsFailure: false })
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? `seed ${result.seed}, ${result.numRuns} runs`)
  t.ok(result.numRuns >= 3, `seed ${result.seed}, ${result.numRuns} runs`)
}

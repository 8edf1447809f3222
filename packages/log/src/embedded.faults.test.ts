import t from 'tap'
import type { EmbeddedLog, EmbeddedLogOptions } from './embedded.ts'
import { openEmbeddedLog } from './embedded.ts'
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './frame.ts'
import type { LogEvent } from './log.ts'
import type { Fault, SimulatedFiles } from './simulated-files.ts'
import { createSimulatedFiles } from './simulated-files.ts'
import { append, codeOf, readSome, soon, textOf } from './testing.ts'

const S = 'beijing/main'
const FOLDER = '/log/beijing+main'
const FIRST = `${FOLDER}/0000000000000001.log`
/** No sector of it is empty. */
const PAYLOAD = Buffer.alloc(1500, 'payload ')
const RECORD = RECORD_HEADER_BYTES + PAYLOAD.length

function open(files: SimulatedFiles, options: Partial<EmbeddedLogOptions> = {}): Promise<EmbeddedLog> {
  return openEmbeddedLog({ folder: '/log', files: files.boot(), ...options })
}

/** Stops without an orderly end, and loses nothing that was written: as kill -9 does. */
function kill(files: SimulatedFiles): void {
  files.crash({ random: () => 0, keepChance: 1 })
}

async function written(files: SimulatedFiles, records: number, options: Partial<EmbeddedLogOptions> = {}): Promise<void> {
  const log = await open(files, options)
  for (let at = 0; at < records; at += 1) await append(log, S, PAYLOAD)
  kill(files)
}

t.test('after a failed write or sync the log stops, and after a restart what was acknowledged is there', async (t) => {
  const faults: readonly Fault[] = [
    { operation: 'sync', outcome: 'EIO' },
    { operation: 'sync', outcome: 'ENOSPC' },
    { operation: 'write', outcome: 'EIO' },
    { operation: 'write', outcome: 'ENOSPC' }
  ]
  for (const fault of faults) {
    const name = `${fault.outcome} in ${fault.operation}`
    const files = createSimulatedFiles()
    const events: LogEvent[] = []
    const log = await open(files, { onEvent: (event) => events.push(event) })
    await append(log, S, 'kept')
    await append(log, 'beijing/cache', 'kept')
    const { logId } = await log.identity(S)
    const reading = codeOf(log.read(S, { logId, sequence: 2 }, { maxBytes: 100, signal: soon() }).next())
    files.breakOperation({ ...fault, where: (file) => file === FIRST })
    const both = await Promise.all([codeOf(append(log, S, 'in doubt')), codeOf(append(log, S, 'in doubt'))])
    t.same(both, ['LOG_NOT_DURABLE', 'LOG_NOT_DURABLE'], name)
    t.equal(log.failed, true)
    files.mend()
    t.equal(await codeOf(append(log, S, 'after')), 'LOG_FAILED', `${name}: a sync that works again proves nothing`)
    t.equal(await codeOf(append(log, 'beijing/cache', 'after')), 'LOG_FAILED', 'no stream goes on')
    t.equal(await reading, 'LOG_FAILED', 'readers hear of it')
    t.equal(await codeOf(log.bounds(S)), 'LOG_FAILED')
    t.equal(await codeOf(log.trim(S, { logId, sequence: 2 })), 'LOG_FAILED')
    t.same(
      events.map(({ kind }) => kind),
      ['failed']
    )
    files.crash({ random: () => 0.5, keepChance: 0 })
    await using again = await open(files)
    t.same(textOf(await readSome(again, S, 'oldest', 1)), ['kept'])
    t.equal((await append(again, S, 'new')).sequence, 2, 'what was not acknowledged is not there')
  }
})

t.test('a failure in the files around the records stops the log too', async (t) => {
  const faults: readonly Fault[] = [
    { operation: 'sync', outcome: 'EIO', where: (file) => file.includes('stream.json') },
    { operation: 'rename', outcome: 'EIO' },
    { operation: 'syncFolder', outcome: 'EIO' },
    { operation: 'create', outcome: 'ENOSPC' },
    { operation: 'truncate', outcome: 'EIO' }
  ]
  for (const fault of faults) {
    const files = createSimulatedFiles()
    const log = await open(files)
    files.breakOperation(fault)
    t.equal(await codeOf(append(log, S, 'x')), 'LOG_NOT_DURABLE', `a new stream, ${fault.operation}`)
    files.mend()
    t.equal(await codeOf(append(log, S, 'x')), 'LOG_FAILED')
    kill(files)
    await using again = await open(files)
    t.equal((await append(again, S, 'x')).sequence, 1, 'after a restart it works')
  }
})

t.test('short writes are continued', async (t) => {
  const files = createSimulatedFiles()
  await using log = await open(files)
  files.breakOperation({ operation: 'write', outcome: 'short' })
  for (let at = 0; at < 5; at += 1) await append(log, S, `${at} ${PAYLOAD}`)
  t.same(
    textOf(await readSome(log, S, 'oldest', 5)),
    [0, 1, 2, 3, 4].map((at) => `${at} ${PAYLOAD}`)
  )
})

t.test('a disk that is nearly full is no failure: appends are refused, and go on when there is room', async (t) => {
  const files = createSimulatedFiles()
  let ms = 0
  // The room is asked for once in a second at most.
  const clock = { nowMs: () => Date.now(), monotonicMs: () => (ms += 2000) }
  await using log = await open(files, { freeBytesMin: 1_000_000, clock })
  await append(log, S, 'one')
  files.free.bytes = 1_000_100
  t.equal(await codeOf(append(log, S, Buffer.alloc(15 * 1024 * 1024))), 'LOG_OVERLOADED')
  t.equal(await codeOf(append(log, S, PAYLOAD)), 'LOG_OVERLOADED')
  t.equal(log.failed, false)
  t.same(textOf(await readSome(log, S, 'oldest', 1)), ['one'], 'readers go on')
  files.free.bytes = 100_000_000
  t.equal((await append(log, S, 'two')).sequence, 2)
})

t.test('what waits for the disk is bounded', async (t) => {
  const files = createSimulatedFiles()
  await using log = await open(files, { pendingBytesMax: 10 * RECORD, pendingAppendsMax: 20 })
  const outcomes = await Promise.all(Array.from({ length: 30 }, () => codeOf(append(log, S, PAYLOAD))))
  t.same([outcomes.filter((code) => code === 'no error').length, outcomes.filter((code) => code === 'LOG_OVERLOADED').length], [10, 20])
  const small = await Promise.all(Array.from({ length: 30 }, () => codeOf(append(log, S, 'x'))))
  t.equal(small.filter((code) => code === 'no error').length, 20)
  t.equal(await codeOf(append(log, S, PAYLOAD)), 'no error', 'and what is done waits no more')
  const controller = new AbortController()
  const aborted = log.append(S, { epoch: 1, payload: PAYLOAD }, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.rejects(aborted, /enough/)
})

t.test('a torn tail is copied, cut off and told', async (t) => {
  const tails: readonly (readonly [string, Buffer])[] = [
    ['half a header', Buffer.alloc(20, 1)],
    ['a header', Buffer.concat([Buffer.of(0, 1, 0, 0), Buffer.alloc(36, 7)])],
    ['half a payload', Buffer.concat([Buffer.of(0, 8, 0, 0), Buffer.alloc(700, 7)])],
    ['zeros', Buffer.alloc(4096)],
    ['a sector that was not written', Buffer.concat([Buffer.of(0xdc, 5, 0, 0), Buffer.alloc(400, 7), Buffer.alloc(1024), Buffer.alloc(112, 7)])]
  ]
  for (const [name, tail] of tails) {
    const files = createSimulatedFiles()
    await written(files, 3)
    const end = SEGMENT_HEADER_BYTES + 3 * RECORD
    t.equal(files.contentOf(FIRST).length, end)
    files.put(FIRST, Buffer.concat([files.contentOf(FIRST), tail]))
    const events: LogEvent[] = []
    await using log = await open(files, { onEvent: (event) => events.push(event) })
    t.same(events, [{ kind: 'torn-tail', stream: S, file: FIRST, bytes: tail.length, copy: `${FIRST}.torn-${end}` }], name)
    t.same(files.contentOf(`${FIRST}.torn-${end}`), tail)
    t.equal((await append(log, S, 'next')).sequence, 4)
    t.equal((await readSome(log, S, 'oldest', 4)).length, 4)
  }
})

t.test('a flipped bit in a record that was whole: the log does not open, whichever bit it is', async (t) => {
  for (const [name, record] of [
    ['the first', 0],
    ['one in the middle', 1],
    ['the last', 3]
  ] as const) {
    const start = SEGMENT_HEADER_BYTES + record * RECORD
    const places = [0, 1, 2, 3, 4, 7, 8, 15, 16, 24, 32, 39, 40, 700, RECORD - 1]
    for (const place of places) {
      for (const bit of [0, 7]) {
        const files = createSimulatedFiles()
        await written(files, 4)
        files.flipBit(FIRST, start + place, bit)
        const before = files.contentOf(FIRST)
        t.equal(await codeOf(open(files)), 'LOG_CORRUPT', `${name}, byte ${place}, bit ${bit}`)
        t.same(files.contentOf(FIRST), before, 'and it cuts off nothing')
      }
    }
  }
})

t.test('damage in older segments', async (t) => {
  const options = { segmentBytes: 3 * RECORD }
  const second = `${FOLDER}/0000000000000004.log`
  const make = async (): Promise<SimulatedFiles> => {
    const files = createSimulatedFiles()
    await written(files, 12, options)
    t.equal(files.names(FOLDER).filter((name) => name.endsWith('.log')).length, 4)
    return files
  }
  const flipped = await make()
  flipped.flipBit(second, SEGMENT_HEADER_BYTES + RECORD + 100)
  t.equal(await codeOf(open(flipped, options)), 'LOG_CORRUPT')
  {
    await using log = await open(flipped, { ...options, verify: 'newest' })
    t.equal((await readSome(log, S, 'oldest', 3)).length, 3, 'checked when it is read')
    const { logId } = await log.identity(S)
    t.equal(await codeOf(readSome(log, S, { logId, sequence: 4 }, 1)), 'LOG_CORRUPT', 'and never skipped')
    t.equal((await readSome(log, S, { logId, sequence: 8 }, 3)).length, 3, 'what is behind it can be read')
    await append(log, S, 'and written')
  }
  const header = await make()
  header.flipBit(second, 40)
  t.equal(await codeOf(open(header, options)), 'LOG_CORRUPT', 'a header')
  const missing = await make()
  missing.remove(second)
  t.equal(await codeOf(open(missing, options)), 'LOG_CORRUPT', 'a segment is missing')
  const cut = await make()
  cut.put(second, cut.contentOf(second).subarray(0, SEGMENT_HEADER_BYTES + 2 * RECORD))
  t.equal(await codeOf(open(cut, { ...options, verify: 'all' })), 'LOG_CORRUPT', 'a segment is too short')
  const oldest = await make()
  oldest.remove(FIRST)
  t.equal(await codeOf(open(oldest, options)), 'LOG_CORRUPT', 'the oldest is missing')
  const bare = await make()
  bare.remove(`${FOLDER}/stream.json`)
  t.equal(await codeOf(open(bare, options)), 'LOG_CORRUPT', 'stream.json is missing')
  const meta = await make()
  meta.flipBit(`${FOLDER}/stream.json`, 30)
  t.equal(await codeOf(open(meta, options)), 'LOG_CORRUPT', 'stream.json is damaged')
  const foreign = await make()
  foreign.flipBit(FIRST, 0)
  t.equal(await codeOf(open(foreign, options)), 'LOG_CORRUPT', 'a foreign file')
  const newer = await make()
  newer.flipBit(FIRST, 4, 1)
  t.equal(await codeOf(open(newer, options)), 'LOG_FORMAT_UNKNOWN', 'of a newer version')
})

t.test('after an orderly close nothing may be missing', async (t) => {
  const files = createSimulatedFiles()
  {
    await using log = await open(files)
    for (let at = 0; at < 4; at += 1) await append(log, S, PAYLOAD)
  }
  files.put(FIRST, files.contentOf(FIRST).subarray(0, SEGMENT_HEADER_BYTES + 3 * RECORD + 20))
  t.equal(await codeOf(open(files)), 'LOG_CORRUPT', 'a short end is no torn write then')
  files.put(FIRST, files.contentOf(FIRST).subarray(0, SEGMENT_HEADER_BYTES + 3 * RECORD))
  t.equal(await codeOf(open(files)), 'LOG_CORRUPT', 'a record less is none either')
})

t.test('a folder that was replaced, or put back', async (t) => {
  const files = createSimulatedFiles()
  let old: { logId: string; sequence: number }
  {
    await using log = await open(files)
    for (let at = 0; at < 4; at += 1) await append(log, S, PAYLOAD)
    old = { ...(await append(log, S, 'last')), sequence: 6 }
  }
  const copies = new Map<string, Buffer>()
  for (const name of files.names(FOLDER)) copies.set(name, files.contentOf(`${FOLDER}/${name}`))
  {
    await using log = await open(files)
    for (let at = 0; at < 4; at += 1) await append(log, S, 'newer')
  }
  for (const name of files.names(FOLDER)) files.remove(`${FOLDER}/${name}`)
  {
    await using log = await open(files)
    await append(log, S, 'another log')
    t.equal(await codeOf(log.read(S, old, { maxBytes: 10, signal: soon() }).next()), 'LOG_REPLACED')
  }
  for (const name of files.names(FOLDER)) files.remove(`${FOLDER}/${name}`)
  for (const [name, content] of copies) files.put(`${FOLDER}/${name}`, content)
  await using log = await open(files)
  t.equal(
    await codeOf(log.read(S, { ...old, sequence: 9 }, { maxBytes: 10, signal: soon() }).next()),
    'LOG_POSITION_LOST',
    'put back to an older state'
  )
})

t.test('epochs, trims and known readers outlive the process', async (t) => {
  const files = createSimulatedFiles()
  const options = { segmentBytes: 3 * RECORD }
  let logId = ''
  {
    const log = await open(files, options)
    for (let at = 0; at < 10; at += 1) await append(log, S, PAYLOAD, 7)
    logId = (await log.identity(S)).logId
    await log.retain(S, 'shanghai', { logId, sequence: 6 })
    await log.trim(S, { logId, sequence: 5 })
    files.crash({ random: () => 0.5, keepChance: 0 })
  }
  await using log = await open(files, options)
  t.same(await log.identity(S), { logId, epoch: 7 })
  t.same(await log.bounds(S), { logId, first: 5, next: 11 })
  t.equal(await codeOf(append(log, S, 'x', 6)), 'LOG_FENCED')
  t.equal(await codeOf(log.trim(S, { logId, sequence: 7 })), 'LOG_TRIM_HELD')
  t.notOk(files.names(FOLDER).includes('0000000000000001.log'))
  t.same(
    (await readSome(log, S, 'oldest', 6)).map(({ sequence }) => sequence),
    [5, 6, 7, 8, 9, 10]
  )
})

import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import t from 'tap'
import type { RedisCommand, RedisUnit } from './model.ts'
import type { BuiltRecord } from './packer.ts'
import type { RedisPosition } from './position.ts'
import { decodeRecord } from './record.ts'
import type { RedisFragmentView } from './redis-unit.ts'
import { commandsOf, createRedisUnitPacker, joinRedisFragments, keyBytes, readRedisUnit } from './redis-unit.ts'

const IDS = ['ab'.repeat(20), 'cd'.repeat(20)] as const

function at(offset: number, db = 0, id: string = IDS[0]): RedisPosition {
  return { kind: 'redis', replicationId: id, offset: BigInt(offset), db }
}

/** RESP, with the span of its first argument as the key. */
function command(...words: readonly string[]): RedisCommand {
  const raw = Buffer.from(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
  const key = words[1]
  return { db: 0, raw, keys: key === undefined ? [] : [{ start: raw.indexOf(`\r\n${key}\r\n`) + 2, bytes: Buffer.byteLength(key) }] }
}

function pack(
  units: readonly RedisUnit[],
  own: { readonly bytesTarget?: number; readonly partBytes?: number; readonly from?: RedisPosition } = {}
): BuiltRecord[] {
  const origin = { cell: 'beijing', store: 'cache', kind: 'redis' } as const
  const packer = createRedisUnitPacker({ origin, streamEpoch: 1, producerSequence: 0, from: at(0), codec: 'none', ...own })
  for (const { commands, ...head } of units) {
    packer.begin(head)
    for (const one of commands) packer.add(one)
    packer.end()
  }
  packer.flush()
  return packer.take()
}

function unpack(records: readonly BuiltRecord[]): RedisUnit[] {
  const found: RedisUnit[] = []
  let commands: RedisCommand[] = []
  let fragments: RedisFragmentView[] = []
  for (const { bytes } of records) {
    const record = decodeRecord(bytes)
    if (record.kind !== 'redis') throw new Error('kind')
    for (const view of record.units()) {
      for (const entry of commandsOf(view)) {
        if (entry.kind === 'fragment') fragments.push(entry)
        else commands.push(plain(entry))
        if (entry.kind !== 'fragment' || !entry.last) continue
        commands.push(plain(joinRedisFragments(fragments)))
        fragments = []
      }
      if (!record.envelope.lastPart) continue
      found.push({ position: view.position, capturedTimeUs: view.capturedTimeUs, commands })
      commands = []
    }
  }
  return found
}

function plain({ db, raw, keys }: RedisCommand): RedisCommand {
  return { db, raw: Buffer.from(raw), keys }
}

t.test('units keep their bytes, their keys and their places', async (t) => {
  const units: RedisUnit[] = [
    { position: at(100), capturedTimeUs: 5, commands: [command('SET', 'clé', 'v\u0000\r\n')] },
    { position: at(300, 3), capturedTimeUs: 6, commands: [command('MULTI'), { ...command('DEL', 'k'), db: 3 }, command('EXEC')] },
    { position: at(20, 0, IDS[1]), capturedTimeUs: 7, commands: [command('PING')] }
  ]
  const records = pack(units)
  t.same(unpack(records), units)
  t.equal(records.length, 2, 'a new replication id begins a new record')
  const record = decodeRecord(records[0]?.bytes ?? Buffer.alloc(0))
  if (record.kind !== 'redis') throw new Error('kind')
  const [view] = record.units()
  const [entry] = view === undefined ? [] : [...commandsOf(view)]
  if (entry?.kind !== 'command' || entry.keys[0] === undefined || view === undefined) throw new Error('kind')
  t.equal(Buffer.from(keyBytes(entry, entry.keys[0])).toString(), 'clé')
  t.same(readRedisUnit(view), units[0])
})

t.test('a MULTI or a value that is too large travels in parts', async (t) => {
  const value = 'x'.repeat(100_000)
  const big: RedisUnit = {
    position: at(200_000, 0, IDS[1]),
    capturedTimeUs: 1,
    commands: [command('MULTI'), command('SET', 'big', value), command('EXEC')]
  }
  const records = pack([big], { partBytes: 10_000 })
  t.ok(records.length > 9 && records.every(({ bytes }) => bytes.length < 25_000), `${records.length} records`)
  t.same(unpack(records), [big], 'under a replication id that the stream had not before')
})

t.test('random units come out as they went in', async (t) => {
  const someCommand = fc.array(fc.string(), { minLength: 1, maxLength: 4 }).map((words) => command(...words))
  const someUnits = fc
    .array(fc.record({ id: fc.constantFrom(...IDS), db: fc.nat({ max: 15 }), commands: fc.array(someCommand, { minLength: 1, maxLength: 4 }) }), {
      maxLength: 8
    })
    .map((all) => all.map(({ id, db, commands }, index): RedisUnit => ({ position: at(index + 1, db, id), capturedTimeUs: index, commands })))
  const property = fc.property(someUnits, fc.constantFrom(1, 100, 10_000), fc.constantFrom(30, 200, 10_000), (units, bytesTarget, partBytes) => {
    return JSON.stringify(unpack(pack(units, { bytesTarget, partBytes })), bigints) === JSON.stringify(units, bigints)
  })
  const result = await fc.check(property, { numRuns: 200, interruptAfterTimeLimit: 4000, markInterruptAsFailure: false })
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? `seed ${result.seed}, ${result.numRuns} runs`)
})

t.test('a key outside of its command is refused on both sides', async (t) => {
  const code = (call: () => unknown): string => {
    try {
      call()
      return 'no error'
    } catch (cause) {
      return isCellwayError(cause) ? cause.code : String(cause)
    }
  }
  const wrong: RedisCommand = { ...command('GET', 'k'), keys: [{ start: 20, bytes: 100 }] }
  t.equal(
    code(() => pack([{ position: at(1), capturedTimeUs: 0, commands: [wrong] }])),
    'CHANGE_INVALID'
  )
})

function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}

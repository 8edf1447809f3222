import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import t from 'tap'
import { RECORD_BYTES_MAX } from './limits.ts'
import type { Frame } from './remote-wire.ts'
import * as wire from './remote-wire.ts'

const logId = '0f9a8b7c-0000-4000-8000-000000000001'
const record = (sequence: number, text: string) => ({ sequence, epoch: 3, appendedMs: 1_790_000_000_123, payload: Buffer.from(text) })
const batch = { records: [record(8, 'eight'), record(9, '')], next: { logId, sequence: 10 }, durableNext: 2 ** 40 }

const ALL = Buffer.concat([
  wire.encodeStream(logId),
  wire.encodeBeat(),
  ...wire.encodeAppend(1, 2 ** 33, Buffer.from('payload')),
  wire.encodeAck(7, 2 ** 50),
  ...wire.encodeBatch(batch),
  wire.encodeTaken(12),
  wire.encodeError(0, { code: 'LOG_CLOSED', message: 'ü' })
])
const FRAMES: readonly Frame[] = [
  { kind: 'stream', logId },
  { kind: 'beat' },
  { kind: 'append', number: 1, epoch: 2 ** 33, payload: Buffer.from('payload') },
  { kind: 'ack', number: 7, sequence: 2 ** 50 },
  { kind: 'record', record: record(8, 'eight') },
  { kind: 'record', record: record(9, '') },
  { kind: 'batch', next: 10, durableNext: 2 ** 40 },
  { kind: 'taken', next: 12 },
  { kind: 'error', number: 0, error: { code: 'LOG_CLOSED', message: 'ü' } }
]

function readAll(pieces: readonly Buffer[]): Frame[] {
  const reader = wire.createFrameReader()
  const frames: Frame[] = []
  for (const piece of pieces) {
    reader.push(piece)
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame)
  }
  return frames
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const edges = [0, ...places.map((place) => place % bytes.length).sort((left, right) => left - right), bytes.length]
  return edges.slice(1).map((end, at) => bytes.subarray(edges[at], end))
}

t.test('every frame comes back, wherever the link cuts it', async (t) => {
  t.same(readAll([ALL]), FRAMES)
  t.same(readAll([...ALL].map((byte) => Buffer.from([byte]))), FRAMES, 'byte after byte')
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 20 }), (places) => t.same(readAll(cut(ALL, places)), FRAMES)),
    { numRuns: 50 }
  )
})

t.test('large payloads go from where they are', async (t) => {
  const large = Buffer.alloc(100_000, 7)
  const [head, payload] = wire.encodeAppend(3, 4, large)
  t.equal(payload?.buffer, large.buffer, 'not a copy')
  t.same(readAll([head ?? large, payload ?? large]), [{ kind: 'append', number: 3, epoch: 4, payload: large }])
  const mixed = { ...batch, records: [record(7, 'seven'), { ...record(8, ''), payload: large }, record(9, 'nine')] }
  const pieces = wire.encodeBatch(mixed)
  t.equal(pieces.length, 3)
  t.same(readAll(cut(Buffer.concat(pieces), [10, 50, 70_000])), [
    ...mixed.records.map((one) => ({ kind: 'record', record: one })),
    { kind: 'batch', next: 10, durableNext: 2 ** 40 }
  ])
})

t.test('a flipped bit never gives another frame', async (t) => {
  let wrong = 0
  for (let bit = 0; bit < ALL.length * 8; bit += 1) {
    const bytes = Buffer.from(ALL)
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    let frames: Frame[] = []
    try {
      frames = readAll([bytes])
    } catch (cause) {
      if (!isCellwayError(cause)) throw cause
    }
    // Cut short is right: the rest never comes, or the reader stopped. Something else in its place is not.
    if (frames.some((frame, at) => JSON.stringify(frame) !== JSON.stringify(FRAMES[at]))) wrong += 1
    if (frames.length === FRAMES.length) wrong += 1
  }
  t.equal(wrong, 0)
})

t.test('noise gives a typed error or nothing, and no memory is taken for a size that nobody may have', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      try {
        readAll([Buffer.from(noise)])
      } catch (cause) {
        if (!isCellwayError(cause)) throw cause
      }
    })
  )
  const huge = Buffer.concat(wire.encodeAppend(1, 1, Buffer.from('x')))
  huge.writeUInt32LE(RECORD_BYTES_MAX + 17, 4)
  t.throws(() => readAll([huge]), { code: 'LOG_RECORD_TOO_LARGE', details: { bytes: RECORD_BYTES_MAX + 1 } })
  const other = wire.encodeAck(1, 1)
  other.writeUInt32LE(0xffff_ffff, 4)
  t.throws(() => readAll([other]), { code: 'LOG_LINK_BROKEN' })
})

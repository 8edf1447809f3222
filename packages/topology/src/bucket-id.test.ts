import fc from 'fast-check'
import t from 'tap'
import { BUCKET_ID_EPOCH_MS, createIdGenerator, decodeBucketId, encodeBucketId } from './bucket-id.ts'

t.test('the layout is 0, 41 bits of time, 10 of bucket, 4 of cell, 8 of sequence', async (t) => {
  const timeMs = Date.UTC(2025, 5, 1)
  const id = encodeBucketId({ timeMs, bucket: 513, cellNumber: 9, sequence: 200 })
  t.equal(id, BigInt(timeMs - BUCKET_ID_EPOCH_MS) * 2n ** 22n + 513n * 4096n + 9n * 256n + 200n)
  t.equal(BUCKET_ID_EPOCH_MS, Date.parse('2024-01-01T00:00:00Z'))
})

t.test('every id decodes to its parts', async () => {
  const parts = fc.record({
    timeMs: fc.integer({ min: BUCKET_ID_EPOCH_MS, max: BUCKET_ID_EPOCH_MS + 2 ** 41 - 1 }),
    bucket: fc.integer({ min: 0, max: 1023 }),
    cellNumber: fc.integer({ min: 0, max: 15 }),
    sequence: fc.integer({ min: 0, max: 255 })
  })
  fc.assert(
    fc.property(parts, (given) => {
      const back = decodeBucketId(encodeBucketId(given))
      return back.timeMs === given.timeMs && back.bucket === given.bucket && back.cellNumber === given.cellNumber && back.sequence === given.sequence
    })
  )
})

t.test('parts that do not fit are refused', async (t) => {
  const fitting = { timeMs: BUCKET_ID_EPOCH_MS, bucket: 0, cellNumber: 0, sequence: 0 }
  for (const wrong of [
    { timeMs: BUCKET_ID_EPOCH_MS - 1 },
    { timeMs: BUCKET_ID_EPOCH_MS + 2 ** 41 },
    { bucket: 1024 },
    { bucket: -1 },
    { cellNumber: 16 },
    { sequence: 256 },
    { bucket: 1.5 }
  ]) {
    t.throws(() => encodeBucketId({ ...fitting, ...wrong }), { code: 'TOPO_INVALID' }, JSON.stringify(wrong))
  }
  t.throws(() => decodeBucketId(-1n), { code: 'TOPO_INVALID' })
  t.throws(() => decodeBucketId(2n ** 63n), { code: 'TOPO_INVALID' })
  t.equal(decodeBucketId(2n ** 63n - 1n).bucket, 1023)
})

t.test('the generator never repeats, whatever the clock does', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 2000 }), (steps) => {
      let nowMs = BUCKET_ID_EPOCH_MS + 1000
      const next = createIdGenerator({ cellNumber: 3, nowMs: () => nowMs })
      const ids = steps.map((step) => {
        // 0 and 1 stay, 2 goes on, 3 goes back.
        nowMs += step === 2 ? 1 : step === 3 ? -1 : 0
        return next(7)
      })
      return new Set(ids).size === ids.length && ids.every((id) => decodeBucketId(id).bucket === 7 && decodeBucketId(id).cellNumber === 3)
    }),
    { numRuns: 100 }
  )
  const still = createIdGenerator({ cellNumber: 0, nowMs: () => BUCKET_ID_EPOCH_MS })
  const ids = Array.from({ length: 1000 }, () => still(1))
  t.equal(new Set(ids).size, 1000, 'more than 256 in one millisecond borrow from the next ones')
})

t.test('lanes of one cell share no id', async (t) => {
  const make = (index: number): ((bucket: number) => bigint) =>
    createIdGenerator({ cellNumber: 1, nowMs: () => BUCKET_ID_EPOCH_MS, lane: { index, count: 3 } })
  const ids = [0, 1, 2].flatMap((index) => {
    const next = make(index)
    return Array.from({ length: 500 }, () => next(5))
  })
  t.equal(new Set(ids).size, ids.length)
  t.throws(() => make(3), { code: 'TOPO_INVALID' })
})

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { compiledOf, exampleTopology } from '../fixtures/example.ts'
import { bucketOfKey, crc32OfText } from './crc32.ts'

/** Long division by the polynomial, bit by bit: slow and obvious. */
function slowCrc32(bytes: Uint8Array): number {
  let remainder = 0xffffffffn
  for (const byte of bytes) {
    for (let bit = 0n; bit < 8n; bit++) {
      const low = (remainder ^ (BigInt(byte) >> bit)) & 1n
      remainder = low === 1n ? (remainder >> 1n) ^ 0xedb88320n : remainder >> 1n
    }
  }
  return Number(remainder ^ 0xffffffffn)
}

t.test('the fast CRC-32 equals the slow one for any text and any bucket count', async (t) => {
  t.equal(slowCrc32(Buffer.from('123456789')), 0xcbf43926, 'the published check value')
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.integer({ min: 1, max: 65_536 }), (text, buckets) => {
      const slow = slowCrc32(Buffer.from(text))
      return crc32OfText(text) === slow && bucketOfKey(text, buckets) === slow % buckets
    }),
    { numRuns: 2000 }
  )
})

t.test('1,000,000 keys over 1,024 buckets are within 1 % of the weights', async (t) => {
  const compiled = compiledOf(exampleTopology())
  const users = compiled.spaces[0]
  const counts = new Map<string, number>()
  const keys = 1_000_000
  // Sequential numbers and digests: the two shapes that user ids have.
  for (let index = 0; index < keys; index++) {
    const key = index % 10 === 0 ? createHash('md5').update(String(index)).digest('hex') : String(100_000_000 + index)
    const owner = users?.buckets[bucketOfKey(key, 1024)]?.owner ?? ''
    counts.set(owner, (counts.get(owner) ?? 0) + 1)
  }
  for (const [cell, share] of Object.entries({ beijing: 0.5, shanghai: 0.25, shenzhen: 0.25 })) {
    const off = Math.abs((counts.get(cell) ?? 0) / keys / share - 1)
    t.ok(off <= 0.01, `${cell} is off by ${(off * 100).toFixed(3)} %`)
  }
})

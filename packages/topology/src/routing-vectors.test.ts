import { readFileSync } from 'node:fs'
import t from 'tap'
import { BUCKET_COUNTS, generateVectors, VECTORS_URL, type VectorFile } from '../vectors/generate.ts'

const text = readFileSync(VECTORS_URL, 'utf8')
const { vectors } = JSON.parse(text) as VectorFile

t.test('the committed vectors are what the code gives', async (t) => {
  t.equal(text, generateVectors(), 'if this is deliberate, run: cd packages/topology/vectors && node generate.ts > routing.vectors.json')
  t.ok(vectors.length >= 200, `${vectors.length} vectors`)
  t.equal(new Set(vectors.map(({ name }) => name)).size, vectors.length, 'names are unique')
  t.match(text, /^[\x0a\x20-\x7e]*$/, 'the file is ASCII')
})

/** Polynomial division most significant bit first on reversed bits: written from the definition, shares nothing with the code. */
function crc32ByDefinition(bytes: Uint8Array): number {
  const reverse = (value: number, width: number): number => Number.parseInt(value.toString(2).padStart(width, '0').split('').reverse().join(''), 2)
  let register = 0xffffffff
  for (const byte of bytes) {
    register = (register ^ (reverse(byte, 8) * 2 ** 24)) >>> 0
    for (let bit = 0; bit < 8; bit++) register = register >= 2 ** 31 ? ((register << 1) ^ 0x04c11db7) >>> 0 : (register << 1) >>> 0
  }
  return (reverse(register, 32) ^ 0xffffffff) >>> 0
}

t.test('hashes and buckets follow from the definition of CRC-32', async (t) => {
  for (const { name, canonical, crc32, buckets, refused } of vectors) {
    if (canonical === undefined) {
      t.match(refused, /^TOPO_KEY_/, name)
      continue
    }
    const want = crc32ByDefinition(Buffer.from(canonical))
    t.equal(crc32, want, name)
    t.same(buckets, Object.fromEntries(BUCKET_COUNTS.map((count) => [String(count), want % count])), name)
  }
})

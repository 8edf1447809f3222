import fc from 'fast-check'
import t from 'tap'
import { patternsOverlap } from './glob-overlap.ts'

/** Every text of up to six letters a and b: long enough for any two patterns of three signs. */
const TEXTS = Array.from({ length: 7 }, (_, length) =>
  Array.from({ length: 2 ** length }, (_, bits) => bits.toString(2).padStart(length, '0').slice(0, length))
).flat()
const ALL = TEXTS.map((text) => text.replaceAll('0', 'a').replaceAll('1', 'b'))

function matches(pattern: string): Set<string> {
  const form = new RegExp(`^${pattern.replaceAll('*', '.*')}$`)
  return new Set(ALL.filter((text) => form.test(text)))
}

t.test('two patterns overlap if some text matches both', async () => {
  const pattern = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 3 }).map((signs) => signs.join(''))
  fc.assert(
    fc.property(pattern, pattern, (left, right) => patternsOverlap(left, right) === !matches(left).isDisjointFrom(matches(right))),
    { numRuns: 2000 }
  )
})

t.test('keys as people write them', async (t) => {
  t.ok(patternsOverlap('user:*:*', 'user:*'))
  t.ok(patternsOverlap('*:cache', 'user:*'))
  t.notOk(patternsOverlap('user:*', 'users:*'))
  t.notOk(patternsOverlap('cart:*', 'stock:*'))
  t.ok(patternsOverlap(`${'*a'.repeat(40)}*`, 'a'.repeat(200)), 'many stars end in time')
})

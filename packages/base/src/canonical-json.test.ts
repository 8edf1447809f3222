import t from 'tap'
import { canonicalJson } from './canonical-json.ts'

t.test('key order does not matter, array order does', async (t) => {
  t.equal(canonicalJson({ b: 1, a: { d: [2, 1], c: null } }), '{"a":{"c":null,"d":[2,1]},"b":1}')
  t.equal(canonicalJson({ a: { c: null, d: [2, 1] }, b: 1 }), canonicalJson({ b: 1, a: { d: [2, 1], c: null } }))
  t.not(canonicalJson([1, 2]), canonicalJson([2, 1]))
})

t.test('a sorted object with integer-like keys keeps one spelling', async (t) => {
  t.equal(canonicalJson({ 10: 'x', 9: 'y' }), canonicalJson({ 9: 'y', 10: 'x' }))
})

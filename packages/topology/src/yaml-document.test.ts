import t from 'tap'
import { EXAMPLE_YAML } from '../fixtures/example.ts'
import { parseTopology } from './check-topology.ts'
import { readDocument, TOPOLOGY_BYTES_MAX } from './yaml-document.ts'

function firstProblem(text: string): unknown {
  const read = readDocument(text)
  return read.ok ? read.value : read.problems[0]
}

t.test('JSON and YAML give the same values', async (t) => {
  t.same(firstProblem('{"a": [1, 2.5, "x", true, null], "b": {"c": "d"}}'), { a: [1, 2.5, 'x', true, null], b: { c: 'd' } })
  t.same(firstProblem('a: [1, 2.5, x, true, null]\nb: {c: d}'), { a: [1, 2.5, 'x', true, null], b: { c: 'd' } })
})

t.test('numbers that would lose something stay as they were written', async (t) => {
  t.same(firstProblem('[007, 0x1F, 9007199254740993, 1e3, 39.90, -5, +5]'), ['007', '0x1F', '9007199254740993', '1e3', 39.9, -5, '+5'])
  t.same(firstProblem('{9007199254740993: a, 007: b, 1.0: c, no: d}'), { '9007199254740993': 'a', '007': 'b', '1.0': 'c', no: 'd' })
})

t.test('bad syntax is reported with line and column', async (t) => {
  t.match(firstProblem('a: 1\nb: [1, 2\nc: 3'), { path: /^line \d+, column \d+$/, problem: /not valid YAML/ })
  t.match(firstProblem('a: 1\nb: 2\na: 3'), { path: 'line 3, column 1', problem: 'the key is there twice' })
  t.match(firstProblem('{1: a, "1": b}'), { problem: 'the key is there twice' })
  t.match(firstProblem('{[a]: b}'), { problem: /key is not a text/ })
  t.match(firstProblem('a: !!js/function x'), { problem: /not valid YAML|tag/ })
  t.match(firstProblem('a: 1\n---\nb: 2'), { problem: /not valid YAML/ })
  t.match(firstProblem('\ta: 1'), { problem: /not valid YAML/ })
})

t.test('a duplicate pin is a problem of its line', async (t) => {
  const checked = parseTopology(EXAMPLE_YAML.replace('{"vip-42": shanghai}', '{"vip-42": shanghai, vip-42: beijing}'))
  t.match(checked, { ok: false, problems: [{ path: /^line 15, column \d+$/, problem: 'the key is there twice' }] })
})

t.test('prototype keys', async (t) => {
  for (const name of ['__proto__', 'constructor', 'prototype'])
    t.match(firstProblem(`a: {${name}: 1}`), { path: `a.${name}`, problem: /cannot be a name/ })
})

t.test('anchors work, but do not multiply', async (t) => {
  t.same(firstProblem('a: &x {b: 1}\nc: *x'), { a: { b: 1 }, c: { b: 1 } })
  const bomb = [
    'a0: &a0 [x, x, x, x, x, x, x, x, x, x]',
    ...Array.from({ length: 12 }, (_, level) => `a${level + 1}: &a${level + 1} [${Array.from({ length: 10 }, () => `*a${level}`).join(', ')}]`)
  ].join('\n')
  t.match(firstProblem(bomb), { problem: /more than 100 aliases/ })
  t.match(firstProblem('a: &a [*a]'), { problem: /alias|nested/ })
  t.match(firstProblem('a: *b'), { problem: /alias|not valid YAML/i })
})

t.test('too much of anything', async (t) => {
  t.match(firstProblem(`a: ${'x'.repeat(TOPOLOGY_BYTES_MAX)}`), { problem: /longer than/ })
  t.match(firstProblem(`a: ${'['.repeat(100)}${']'.repeat(100)}`), { problem: /nested deeper/ })
  t.match(firstProblem(`a: ${'['.repeat(400_000)}`), { problem: /nested|not valid YAML|not YAML/ })
  t.match(firstProblem(`a: ${'{b: '.repeat(100_000)}`), { problem: /nested|not valid YAML|not YAML/ })
})

t.test('problems carry the line they stand on', async (t) => {
  const checked = parseTopology(EXAMPLE_YAML.replace('primary: beijing', 'primary: nowhere'))
  t.match(checked, { ok: false, problems: [{ path: 'spaces.global.primary', problem: /\(line 13\)$/ }] })
})

import fc from 'fast-check'
import t from 'tap'
import { u64 } from '../fixtures/hand-made.ts'
import { encodeJson, type Json, plainText } from '../fixtures/json-encoder.ts'
import { ByteCursor } from './byte-cursor.ts'
import { jsonDoubleText, shortestFloat32 } from './float-text.ts'
import { parseJsonBinary } from './json-binary.ts'
import { parsePath } from './json-patch.ts'
import { jsonText } from './json-tree.ts'

/** MySQL's binary JSON. HAND-MADE bytes: an encoder written after the layout in sql-common/json_binary.h makes them. */

function textOf(bytes: Buffer): string {
  return jsonText(parseJsonBinary(new ByteCursor(bytes, 0, bytes.length, { typeCode: 31, endPosition: 1 }), bytes.length))
}

/** 2024-02-29 12:34:56.000001 as MySQL packs it. */
const DATETIME = u64(((((((2024n * 13n + 2n) << 5n) | 29n) << 17n) | (12n << 12n) | (34n << 6n) | 56n) << 24n) | 1n)
const NEGATIVE_TIME = u64(BigInt.asUintN(64, -(((1n << 12n) | (2n << 6n) | 3n) << 24n)))

t.test('values, and the texts that MySQL prints for them', async (t) => {
  const rows: readonly [name: string, value: Json, text: string][] = [
    ['key order: shorter first, then bytes', { b: 1n, a: 2n, aa: 3n }, '{"a": 2, "b": 1, "aa": 3}'],
    ['whole double stays a double', 1, '1.0'],
    [
      'big integers',
      [9223372036854775807n, -9223372036854775808n, 18446744073709551615n],
      '[9223372036854775807, -9223372036854775808, 18446744073709551615]'
    ],
    ['integer widths', [-1n, 32767n, 65535n, -2147483648n, 4294967295n], '[-1, 32767, 65535, -2147483648, 4294967295]'],
    ['DECIMAL keeps its digits', { opaque: 246, bytes: Buffer.from('0a028000007b2d', 'hex') }, '123.45'],
    ['DATETIME', { opaque: 12, bytes: DATETIME }, '"2024-02-29 12:34:56.000001"'],
    ['DATE', { opaque: 10, bytes: DATETIME }, '"2024-02-29"'],
    ['negative TIME', { opaque: 11, bytes: NEGATIVE_TIME }, '"-01:02:03.000000"'],
    ['other opaque bytes', { opaque: 252, bytes: Buffer.from([1, 2, 255]) }, '"base64:type252:AQL/"'],
    ['opaque string', { opaque: 253, bytes: Buffer.from('ü') }, '"ü"'],
    ['escapes', 'a"b\\\n\u0001ü🐬', '"a\\"b\\\\\\n\\u0001ü🐬"'],
    ['literals and empty containers', [null, true, false, [], {}], '[null, true, false, [], {}]'],
    ['odd keys', { __proto__x: 1n, '': 2n }, '{"": 2, "__proto__x": 1}']
  ]
  for (const [name, value, text] of rows) {
    t.equal(textOf(encodeJson(value)), text, name)
    t.equal(textOf(encodeJson(value, true)), text, `${name}, large format`)
  }
  t.equal(textOf(Buffer.alloc(0)), 'null', 'an empty document')
})

t.test('doubles as MySQL writes them', async (t) => {
  const rows: readonly [number, string][] = [
    [0, '0.0'],
    [-0, '-0.0'],
    [1.5, '1.5'],
    [1e15, '1e15'],
    [123456789012345, '123456789012345.0'],
    [1234567890123456.8, '1234567890123456.8'],
    [1e20, '1e20'],
    [1.5e-20, '1.5e-20'],
    [0.00001, '0.00001'],
    [5e-324, '5e-324'],
    [-1.7976931348623157e308, '-1.7976931348623157e308']
  ]
  for (const [value, text] of rows) {
    t.equal(jsonDoubleText(value), text)
    t.equal(Number(jsonDoubleText(value)), value)
  }
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => Object.is(Number(jsonDoubleText(value)), value)),
    { numRuns: 2000 }
  )
})

t.test('floats keep the shortest decimal that means them', async (t) => {
  for (const [value, want] of [
    [1.1, 1.1],
    [0.1, 0.1],
    [16777216, 16777216],
    [3.4028234e38, 3.4028235e38],
    [1.4e-45, 1e-45]
  ] as const) {
    t.equal(String(shortestFloat32(Math.fround(value))), String(want))
  }
  fc.assert(
    fc.property(fc.float({ noNaN: true }), (value) => Math.fround(shortestFloat32(value)) === value),
    { numRuns: 2000 }
  )
})

const key = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => text !== '__proto__')
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.integer({ min: -1e6, max: 1e6 }),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: 0.001, max: 1e14, noInteger: true }),
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc.array(tie('json'), { maxLength: 6 }),
    fc.dictionary(key, tie('json'), { maxKeys: 6, noNullPrototype: true })
  )
}))

t.test('any document is read as it was written', async (t) => {
  fc.assert(
    fc.property(json, fc.boolean(), (value, large) => textOf(encodeJson(value, large)) === plainText(value)),
    { numRuns: 1500, interruptAfterTimeLimit: 10_000 }
  )
  t.pass('no counterexample')
})

t.test('hostile documents end in an error, in time and in memory that their bytes bound', async (t) => {
  // Ten arrays within each other, each of whose 1000 entries are the next array: 1000^10 values in some KiB.
  t.throws(() => textOf(overlapping(10, 1000)), { code: 'BINLOG_MALFORMED' })
  let nested: Json = []
  for (let depth = 0; depth < 120; depth++) nested = [nested]
  t.throws(() => textOf(encodeJson(nested)), { code: 'BINLOG_MALFORMED' }, 'deeper than the server allows')
  t.throws(() => textOf(Buffer.from([12, 1, 0xff])), { code: 'BINLOG_MALFORMED' }, 'text that is not UTF-8')
  t.throws(() => textOf(Buffer.from([12, 0xff, 0xff, 0xff, 0xff, 0xff, 1])), { code: 'BINLOG_MALFORMED' }, 'a length of 42 bits')
  t.throws(() => textOf(Buffer.from([15, 246, 2, 90, 3])), { code: 'BINLOG_MALFORMED' }, 'DECIMAL(90,3)')
})

function overlapping(depth: number, width: number): Buffer {
  let inner = Buffer.from([0, 0, 4, 0])
  for (let level = 0; level < depth; level++) {
    const head = Buffer.alloc(4 + width * 3)
    head.writeUInt16LE(width)
    head.writeUInt16LE(Math.min(head.length + inner.length, 0xffff), 2)
    for (let index = 0; index < width; index++) {
      head[4 + index * 3] = 2
      head.writeUInt16LE(head.length, 5 + index * 3)
    }
    inner = Buffer.concat([head, inner])
  }
  return Buffer.concat([Buffer.from([2]), inner])
}

t.test('paths of partial updates', async (t) => {
  const rows: readonly [string, (string | number)[] | undefined][] = [
    ['$', []],
    ['$.a[3].b', ['a', 3, 'b']],
    ['$."a.b \\"x\\""[0]', ['a.b "x"', 0]],
    ['$.ключ', ['ключ']],
    ['$[*]', undefined],
    ['$**.a', undefined],
    ['a', undefined],
    ['$.a[', undefined]
  ]
  for (const [path, want] of rows) t.same(parsePath(path), want, path)
})

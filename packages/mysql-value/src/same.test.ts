import type { CellValue } from '@cellway/change'
import t from 'tap'
import { parseColumn } from './column-type.ts'
import { isSameOf, plainDecimal } from './same.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

const CASES: readonly (readonly [type: string, characterSet: string, a: CellValue, b: CellValue, same: boolean])[] = [
  ['int', '', 1, 1, true],
  ['int', '', 1, 2, false],
  ['int', '', 1, 1n, true],
  ['bigint', '', 2n ** 63n, 2n ** 63n - 1n, false],
  ['decimal(10,2)', '', '1.50', '1.5000', true],
  ['decimal(10,2)', '', '1.50', '1.51', false],
  ['decimal(10,2)', '', '-0.00', '0', true],
  ['decimal(10,0)', '', '100', '1', false],
  ['float', '', 1.1, Math.fround(1.1), true],
  ['float', '', 1.1, 1.1000002, false],
  ['double', '', 1.1, Math.fround(1.1), false],
  ['double', '', 0, -0, true],
  ['datetime(3)', '', '2024-01-01 00:00:00.500', '2024-01-01 00:00:00.500000', true],
  ['datetime', '', '2024-01-01 00:00:00', '2024-01-01 00:00:00.000', true],
  ['datetime', '', '0000-00-00 00:00:00', '2024-00-00 00:00:00', false],
  ['time(6)', '', '-00:00:00.100000', '00:00:00.100000', false],
  ['varchar(5)', 'utf8mb4', bytes('a'), bytes('a '), false],
  ['varchar(5)', 'utf8mb4', bytes('a'), bytes('A'), false],
  ['varchar(5)', 'utf8mb4', bytes('a'), new Uint8Array([0x61]), true],
  ["enum('a')", 'utf8mb4', bytes(''), 0, false],
  ['uuid', '', 'd6a5fdf2-7a8b-11ee-b962-0242ac120002', 'd6a5fdf2-7a8b-11ee-b962-0242ac120003', false]
]

const JSON_CASES: readonly (readonly [a: CellValue, b: CellValue, same: boolean])[] = [
  ['{"a": 1, "b": 2}', bytes('{"b":2,"a":1}'), true],
  ['{"a": 1}', '{"a": 1.0}', false],
  ['{"a": 1.50}', '{"a":1.5}', true],
  ['[18446744073709551615]', '[18446744073709551614]', false],
  ['[18446744073709551616]', '[1.8446744073709552e19]', true],
  ['"\\u0041"', '"A"', true],
  ['"1"', '1', false],
  ['"d1"', '1.0', false],
  ['null', 'null', true],
  ['[]', '{}', false],
  ['not json', 'not json either', false],
  ['{"__proto__": 1}', '{"__proto__": 2}', false],
  ['{"a": 1, "a": 2}', '{"a": 2}', true]
]

t.test('values of a column', async (t) => {
  for (const [type, characterSet, a, b, same] of CASES) {
    const shape = parseColumn({ type, characterSet })
    if (shape === undefined) throw new Error(type)
    const isSame = isSameOf({ shape, anyJson: false })
    t.equal(isSame(a, b), same, `${type}: ${String(a)} and ${String(b)}`)
    t.equal(isSame(b, a), same, `${type}: ${String(b)} and ${String(a)}`)
  }
})

t.test('documents', async (t) => {
  const shape = parseColumn({ type: 'json', characterSet: '' })
  if (shape === undefined) throw new Error('json')
  const isSame = isSameOf({ shape, anyJson: true })
  for (const [a, b, same] of JSON_CASES) t.equal(isSame(a, b), same, `${String(a)} and ${String(b)}`)
})

t.test('decimals without what does not count', async (t) => {
  for (const [text, want] of [
    ['10', '10'],
    ['10.00', '10'],
    ['007.10', '7.1'],
    ['-0.0', '0'],
    ['0', '0'],
    ['-10.50', '-10.5']
  ] as const)
    t.equal(plainDecimal(text), want)
})

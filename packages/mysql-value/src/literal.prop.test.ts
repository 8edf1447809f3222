import type { CellValue, Column } from '@cellway/change'
import fc from 'fast-check'
import t from 'tap'
import type { ColumnDescription, TableDescription } from './description.ts'
import { identityOf } from './differences.ts'
import { imageOf, imageText } from './image.ts'
import { planTarget } from './target.ts'

/** Whatever the values are, a row is one tuple of literals that only hold their own text, or an error with a code. */

const TYPES: readonly (readonly [type: string, characterSet: string, value: fc.Arbitrary<CellValue>])[] = [
  ['int', '', fc.integer()],
  ['bigint unsigned', '', fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
  ['decimal(65,30)', '', fc.integer().map((value) => `${value}.5`)],
  ['double', '', fc.double({ noNaN: true, noDefaultInfinity: true })],
  ['float', '', fc.float({ noNaN: true, noDefaultInfinity: true })],
  ['datetime(6)', '', fc.constantFrom('0000-00-00 00:00:00.000000', '2024-02-30 01:02:03.000001')],
  ['varchar(100)', 'utf8mb4', fc.string({ unit: 'binary' }).map((text) => Buffer.from(text))],
  ['varchar(100)', 'latin1', fc.uint8Array().map((bytes) => Buffer.from(bytes))],
  ['varchar(100)', 'utf16', fc.string().map((text) => Buffer.from(text, 'utf16le').swap16())],
  ['varbinary(100)', '', fc.uint8Array().map((bytes) => Buffer.from(bytes))],
  ['json', '', fc.json()]
]

const columns = TYPES.map(
  ([type, characterSet], index): ColumnDescription => ({
    name: `c${index}`,
    index,
    columnType: type,
    dataType: /^\w+/.exec(type)?.[0] ?? '',
    characterSet,
    collation: characterSet === '' ? '' : `${characterSet}_general_ci`,
    nullable: index > 0,
    defaultSql: undefined,
    generated: 'no',
    autoIncrement: false,
    unsigned: type.includes('unsigned'),
    invisible: false,
    extra: ''
  })
)

const table: TableDescription = {
  schema: 'a.b',
  name: 'c`d',
  engine: 'InnoDB',
  flavour: 'mysql',
  columns,
  keys: [{ name: 'PRIMARY', unique: true, columns: [{ column: 0, prefix: 0 }], nullable: false, hasExpression: false }],
  keyColumns: [0],
  foreignKeys: [],
  triggers: []
}
const planning = planTarget(identityOf(table), table)
if (!planning.ok) throw new Error(planning.problems.join())
const { plan } = planning

const row = fc.tuple(...TYPES.map(([, , value]) => fc.oneof({ weight: 5, arbitrary: value }, fc.constant(null))))
const anyCell: fc.Arbitrary<CellValue> = fc.oneof(
  fc.constantFrom(undefined, null),
  fc.string(),
  fc.constantFrom("'", '\\', '1--', '1;', '1 OR 1', "') -- ", '0x', '-', '.', '1.', '--1', '-0', 'NaN'),
  fc.double(),
  fc.bigInt(),
  fc.uint8Array()
)

/** What SQL itself would take for one literal: numbers, quoted plain text, hex with an introducer. */
const LITERAL = String.raw`(?:NULL|DEFAULT|-?\d+(?:\.\d+)?(?:e[-+]?\d+)?|(?:_\w+ )?(?:X'(?:[0-9a-f]{2})*'|'[^'\\\x00-\x1f\x7f-\uffff]*'))`
const JSON_LITERAL = String.raw`(?:JSON_SET\(CAST\(${LITERAL} AS JSON\)(?:,${LITERAL},CAST\(-?\d+(?:\.\d+)? AS DECIMAL\(\d+,\d+\)\))+\))`
const TUPLE = new RegExp(`^\\((?:${LITERAL}|${JSON_LITERAL})(?:,(?:${LITERAL}|${JSON_LITERAL}))*\\)$`)

t.test('a row is a tuple of literals', async (t) => {
  fc.assert(
    fc.property(row, (values) => {
      const sql = plan.rowSql(values)
      return TUPLE.test(sql) && plan.rowsEqual(values, values)
    }),
    { interruptAfterTimeLimit: 5_000 }
  )
  t.pass()
})

t.test('a value of another type is refused, or a literal', async (t) => {
  fc.assert(
    fc.property(fc.array(anyCell, { minLength: TYPES.length, maxLength: TYPES.length }), (values) => {
      try {
        return TUPLE.test(plan.rowSql(values))
      } catch (error) {
        return error instanceof Error && 'code' in error && error.code === 'MYV_VALUE_INVALID'
      }
    }),
    { interruptAfterTimeLimit: 5_000 }
  )
  t.pass()
})

t.test('the check of literals can fail', async (t) => {
  for (const wrong of ["('a'b')", "('\\')", '(1--)', '(1 OR 1)', "('a'),('b')", '(1.)', '(--1)']) t.notOk(TUPLE.test(wrong), wrong)
})

t.test('images are reversible', async (t) => {
  const identity = identityOf(table)
  fc.assert(
    fc.property(row, (values) => {
      const again = imageOf(identity, imageText(identity, values))
      return values.every((value, index) => sameCell(value, again[index], identity.columns[index]))
    }),
    { interruptAfterTimeLimit: 5_000 }
  )
  t.pass()
})

function sameCell(left: CellValue, right: CellValue, column: Column | undefined): boolean {
  if (left instanceof Uint8Array) return right instanceof Uint8Array && Buffer.compare(left, right) === 0
  return column !== undefined && Object.is(left, right)
}

import t from 'tap'
import { event, lengthCoded, metadataField, mysqlFormat, rows, sized, tableMap, u16, u32, u48, u64 } from '../fixtures/hand-made.ts'
import { encodeJson, type Json } from '../fixtures/json-encoder.ts'
import { BinlogDecoder } from './decoder.ts'
import type { RowsEvent } from './rows-event.ts'
import type { RowChange } from './values.ts'

/** Rows of MySQL 8.0 to 9.x: events of version 2, JSON, VECTOR, partial updates. HAND-MADE bytes. */

function decodeRows(...packets: Buffer[]): { changes: RowChange[]; event: RowsEvent } {
  const decoder = new BinlogDecoder()
  const events = [mysqlFormat(), ...packets].flatMap((packet) => [...decoder.events(packet)])
  const found = events.find((one) => one.kind === 'rows')
  if (found === undefined) throw new Error('no rows')
  return { changes: [...found], event: found }
}

const JSON_COLUMN = { type: 245, meta: Buffer.from([4]) }
const INT_COLUMN = { type: 3 }
const SIGNED = metadataField(1, Buffer.from([0]))

function document(value: Json): Buffer {
  const bytes = encodeJson(value)
  return Buffer.concat([u32(bytes.length), bytes])
}

t.test('JSON, VECTOR and a geometry that is not counted among the texts', async (t) => {
  const columns = [
    INT_COLUMN,
    JSON_COLUMN,
    { type: 242, meta: Buffer.from([4]) },
    { type: 255, meta: Buffer.from([4]) },
    { type: 254, meta: Buffer.from([254, 4]) }
  ]
  const names = metadataField(4, Buffer.concat(['id', 'doc', 'v', 'g', 'c'].map(sized)))
  const metadata = [
    SIGNED,
    metadataField(2, Buffer.from([63])),
    metadataField(7, Buffer.from([1])),
    names,
    metadataField(8, Buffer.from([0])),
    metadataField(12, Buffer.from([0xe8]))
  ]
  const wkb = Buffer.from('0101000000000000000000f03f0000000000000040', 'hex')
  const image = Buffer.concat([
    ...[Buffer.from([0]), u32(7), document({ a: [1n] })],
    ...[u32(8), Buffer.from('0000803f00000040', 'hex')],
    ...[u32(4 + wkb.length), u32(4326), wkb, Buffer.from([1, 0x61])]
  ])
  const { changes, event: found } = decodeRows(tableMap(columns, metadata), rows(30, 5, image))
  t.same(changes, [
    {
      before: undefined,
      after: [7, '{"a": [1]}', Buffer.from('0000803f00000040', 'hex'), { kind: 'geometry', srid: 4326, wkb }, Buffer.from('61000000', 'hex')]
    }
  ])
  t.same(
    found.table.columns.map(({ name, visible }) => [name, visible]),
    [
      ['id', true],
      ['doc', true],
      ['v', true],
      ['g', false],
      ['c', true]
    ]
  )
})

const MAP = tableMap([INT_COLUMN, JSON_COLUMN, JSON_COLUMN], [SIGNED])

function changes(...steps: Buffer[]): Buffer {
  const bytes = Buffer.concat(steps)
  return Buffer.concat([u32(bytes.length), bytes])
}

const replace = (path: string, value: Json): Buffer => Buffer.concat([Buffer.from([0]), sized(path), sized(encodeJson(value))])
const insert = (path: string, value: Json): Buffer => Buffer.concat([Buffer.from([1]), sized(path), sized(encodeJson(value))])
const remove = (path: string): Buffer => Buffer.concat([Buffer.from([2]), sized(path)])

function partialUpdate(before: Json, patch: Buffer): Buffer {
  const first = Buffer.concat([Buffer.from([0]), u32(1), document(before), document('same')])
  const second = Buffer.concat([Buffer.from([1, 0b01, 0]), u32(1), patch, document('same')])
  return rows(39, 3, Buffer.concat([first, second]))
}

t.test('a partial update is applied to the before-image', async (t) => {
  const before = { a: [1n, 2n, 3n], b: { x: null }, cc: 1n }
  const table: readonly [name: string, patch: Buffer[], want: string][] = [
    ['replace a member', [replace('$.cc', 'new')], '{"a": [1, 2, 3], "b": {"x": null}, "cc": "new"}'],
    ['insert keeps the order of keys', [insert('$.c', 5n)], '{"a": [1, 2, 3], "b": {"x": null}, "c": 5, "cc": 1}'],
    ['insert into an array moves the rest', [insert('$.a[1]', 9n)], '{"a": [1, 9, 2, 3], "b": {"x": null}, "cc": 1}'],
    ['remove', [remove('$.a[0]'), remove('$.b.x')], '{"a": [2, 3], "b": {}, "cc": 1}'],
    ['the whole document', [replace('$', [true])], '[true]'],
    ['no change', [], '{"a": [1, 2, 3], "b": {"x": null}, "cc": 1}']
  ]
  for (const [name, patch, want] of table) {
    const [change] = decodeRows(MAP, partialUpdate(before, changes(...patch))).changes
    t.same(change?.after, [1, want, '"same"'], name)
  }
  for (const patch of [replace('$.none', 1n), remove('$.a[7]'), insert('$.a', 1n), insert('$.cc.x', 1n), remove('$'), Buffer.from([7, 1, 0x24])]) {
    t.throws(() => decodeRows(MAP, partialUpdate(before, changes(patch))), { code: 'BINLOG_MALFORMED' })
  }
})

t.test('without the before-image the changes themselves are the value', async (t) => {
  const present = [Buffer.from([0b001]), Buffer.from([0b010])]
  const images = Buffer.concat([Buffer.from([0]), u32(1), Buffer.from([1, 0b01, 0]), changes(replace('$.a', 1n), remove('$.b'))])
  const packet = event(39, Buffer.concat([u48(5), u16(1), u16(2), lengthCoded(3), ...present, images]))
  const [change] = decodeRows(MAP, packet).changes
  t.match(change?.after?.[1], {
    kind: 'json-patch',
    changes: [
      { operation: 'replace', path: '$.a', value: '1' },
      { operation: 'remove', path: '$.b', value: undefined }
    ]
  })
})

t.test('an old DATETIME of MySQL has no fraction, so it can be read', async (t) => {
  const image = Buffer.concat([Buffer.from([0]), u64(20240229123456n), Buffer.from('25d8ff', 'hex'), u32(1_700_000_000)])
  const { changes: found } = decodeRows(tableMap([{ type: 12 }, { type: 11 }, { type: 7 }]), rows(30, 3, image))
  t.same(found[0]?.after, ['2024-02-29 12:34:56', '-01:02:03', '2023-11-14 22:13:20'])
})

t.test('what a table map does not tell, or tells wrongly', async (t) => {
  const oneInt = Buffer.concat([Buffer.from([0]), u32(1)])
  t.throws(() => decodeRows(tableMap([INT_COLUMN]), rows(30, 1, oneInt)), { code: 'BINLOG_METADATA_MISSING' })
  t.throws(() => decodeRows(tableMap([{ type: 200 }]), rows(30, 1, oneInt)), { code: 'BINLOG_TYPE_UNKNOWN' })
  t.same(decodeRows(tableMap([{ type: 200 }]), rows(30, 1, Buffer.from([1]))).changes[0]?.after, [null], 'NULL has no type')
  t.throws(() => decodeRows(tableMap([INT_COLUMN], [SIGNED]), rows(30, 2, oneInt)), { code: 'BINLOG_TABLE_MISMATCH' })
  t.throws(() => decodeRows(tableMap([{ type: 246, meta: Buffer.from([99, 3]) }])), { code: 'BINLOG_MALFORMED' })
})

t.test('rows of no columns would never end', async (t) => {
  const body = Buffer.concat([u48(5), u16(1), u16(2), lengthCoded(1), Buffer.from([0]), Buffer.from([1, 2, 3])])
  t.throws(() => decodeRows(tableMap([INT_COLUMN], [SIGNED]), event(30, body)), { code: 'BINLOG_MALFORMED' })
  t.throws(() => decodeRows(tableMap([INT_COLUMN], [SIGNED]), rows(30, 1, Buffer.alloc(0))), { code: 'BINLOG_MALFORMED' })
})

t.test('a table map is void when its statement ends', async (t) => {
  const packet = rows(30, 1, Buffer.concat([Buffer.from([0]), u32(1)]))
  t.throws(() => decodeRows(tableMap([INT_COLUMN], [SIGNED]), packet, packet), { code: 'BINLOG_TABLE_UNMAPPED' })
})

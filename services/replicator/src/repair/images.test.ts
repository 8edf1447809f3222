import type { Row, RowChange, TableIdentity } from '@cellway/change'
import { imageText } from '@cellway/mysql-value'
import t from 'tap'
import { decodeImages, encodeImages, repairOf, requestedSql } from './images.ts'

const TABLE: TableIdentity = {
  schema: 'shop',
  name: 'item',
  columns: [
    { name: 'id', type: 'bigint', characterSet: '' },
    { name: 'name', type: 'varchar(20)', characterSet: 'utf8mb4' },
    { name: 'doc', type: 'longblob', characterSet: '' }
  ],
  keyColumns: [0]
}
const REPAIR: TableIdentity = {
  schema: 'cellway',
  name: 'repair',
  columns: ['id', 'cell', 'kind', 'reason', 'conflict_id', 'created_us', 'images'].map((name) => ({ name, type: 'longblob', characterSet: '' })),
  keyColumns: [0]
}

function repairRow(kind: string, images: Uint8Array): RowChange {
  const after: Row = [Buffer.from('id-1'), Buffer.from('a'), Buffer.from(kind), Buffer.from('foreign_owner'), 77n, 1n, images]
  return { kind: 'insert', table: REPAIR, after }
}

t.test('rows to be and keys to be absent come back as they went, also a row that is larger than a record', async (t) => {
  const large = Buffer.alloc(9 * 1024 * 1024, 'abc')
  const rows: RowChange[] = [
    { kind: 'insert', table: TABLE, after: [1n, Buffer.from('é'), null] },
    { kind: 'delete', table: TABLE, before: [2n, undefined, undefined] },
    { kind: 'insert', table: TABLE, after: [3n, Buffer.from(''), large] }
  ]
  const found = decodeImages(encodeImages(rows))
  t.same(found.slice(0, 2), rows.slice(0, 2))
  t.equal(found.length, 3)
  const [, , third] = found
  t.ok(third?.kind === 'insert' && large.equals(third.after[2] as Buffer))
})

t.test('the row of a repair says it all', async (t) => {
  const rows: RowChange[] = [{ kind: 'delete', table: TABLE, before: [2n, undefined, undefined] }]
  t.same(repairOf(repairRow('repair', encodeImages(rows))), {
    id: 'id-1',
    cell: 'a',
    kind: 'repair',
    reason: 'foreign_owner',
    conflictId: '77',
    rows
  })
  t.equal(repairOf({ kind: 'delete', table: REPAIR, before: [] }), undefined, 'a purged row says nothing')
  t.equal(repairOf({ kind: 'insert', table: TABLE, after: [1n, null, null] }), undefined)
  t.throws(() => repairOf(repairRow('other', encodeImages(rows))), { code: 'REP_IMAGES_CORRUPT' })
})

t.test('bytes that are none are refused, each cut and each flipped bit', async (t) => {
  const bytes = encodeImages([{ kind: 'insert', table: TABLE, after: [1n, Buffer.from('x'), null] }])
  for (let end = 1; end < bytes.length; end += 1) t.throws(() => decodeImages(bytes.subarray(0, end)), { code: /^(REP|CHANGE)_/ })
  for (let at = 0; at < bytes.length * 8; at += 1) {
    const flipped = Buffer.from(bytes)
    flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7))
    t.throws(() => decodeImages(flipped), { code: /^(REP|CHANGE)_/ }, `bit ${at}`)
  }
})

t.test('what is asked for waits for the repairer', async (t) => {
  const rows: RowChange[] = [
    { kind: 'insert', table: TABLE, after: [1n, Buffer.from("it's"), null] },
    { kind: 'delete', table: TABLE, before: [2n, undefined, undefined] }
  ]
  const request = { id: 'i', cell: 'b', kind: 'request', reason: 'unique_clash', conflictId: '', rows } as const
  const source = { cell: 'b', store: 'mysql', gtid: '0-1-1' }
  const statements = requestedSql(request, source, imageText)
  t.equal(statements.length, 2)
  t.match(statements[0], /'pending', 'requested'\)$/)
  t.same(requestedSql({ ...request, kind: 'repair' }, source, imageText), [])
})

import { crc32, zstdCompressSync } from 'node:zlib'
import { isCellwayError } from '@cellway/base'
import t from 'tap'
import { openEnvelope } from './envelope.ts'
import { PART_BYTES_MAX, RECORD_BYTES_MAX } from './limits.ts'
import type { Change, TableIdentity } from './model.ts'
import type { BuiltRecord, PackerOptions } from './packer.ts'
import { parsePosition } from './position.ts'
import { parseMariadbGtid } from './position-mariadb.ts'
import { decodeRecord } from './record.ts'
import type { FragmentView } from './transaction.ts'
import { afterRow, beforeRow, changesOf, createTransactionPacker, joinFragments, readTransaction } from './transaction.ts'

const accounts: TableIdentity = {
  schema: 'shop',
  name: 'accounts',
  columns: [
    { name: 'id', type: 'bigint unsigned', characterSet: '' },
    { name: '__proto__', type: 'varchar(40)', characterSet: 'utf8mb4' },
    { name: 'photo', type: 'longblob', characterSet: '' }
  ],
  keyColumns: [0]
}
const options: PackerOptions = {
  origin: { cell: 'beijing', store: 'main', kind: 'mariadb' },
  streamEpoch: 5,
  producerSequence: 41,
  from: parsePosition('mariadb', '0-1-9'),
  codec: 'none'
}
const head = { id: parseMariadbGtid('0-1-10'), commitTimeUs: 1_700_000_000_000_000, originServerId: 1 }
const insert: Change = { kind: 'insert', table: accounts, after: [2n ** 64n - 1n, 'Zoë', Buffer.from([0, 1, 2])] }

function packOne(changes: readonly Change[], own: Partial<PackerOptions> = {}): BuiltRecord[] {
  const packer = createTransactionPacker({ ...options, ...own })
  packer.begin(head)
  for (const change of changes) packer.add(change)
  packer.end(parsePosition('mariadb', '0-1-10'))
  packer.flush()
  return packer.take()
}

function only(records: readonly BuiltRecord[]): Buffer {
  if (records[0] === undefined || records.length !== 1) throw new Error(`${records.length} records`)
  return records[0].bytes
}

function codeOf(call: () => unknown): string {
  try {
    call()
    return 'no error'
  } catch (cause) {
    return isCellwayError(cause) ? cause.code : String(cause)
  }
}

function readAll(bytes: Buffer): void {
  const record = decodeRecord(bytes)
  if (record.kind === 'transactions') for (const view of record.transactions()) readTransaction(view)
}

/** Makes the lengths and the checksum right again, as somebody who forges would. */
function signed(bytes: Buffer, change: { readonly head?: number; readonly body?: number } = {}): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt32LE(copy.length, 12)
  copy.writeUInt32LE(copy.readUInt32LE(16) + (change.head ?? 0), 16)
  copy.writeUInt32LE(copy.readUInt32LE(20) + (change.body ?? 0), 20)
  copy.writeUInt32LE(crc32(copy.subarray(12), crc32(copy.subarray(0, 8))), 8)
  return copy
}

t.test('an envelope tells what a record is', async (t) => {
  const packer = createTransactionPacker(options)
  packer.begin(head)
  packer.add(insert)
  packer.mark('fence')
  packer.end(parsePosition('mariadb', '0-1-10'))
  packer.flush()
  const [built] = packer.take()
  const { envelope } = openEnvelope(only(built === undefined ? [] : [built]))
  t.same(envelope, {
    origin: { cell: 'beijing', store: 'main', kind: 'mariadb' },
    streamEpoch: 5,
    producerSequence: 41,
    from: parsePosition('mariadb', '0-1-9'),
    to: parsePosition('mariadb', '0-1-10'),
    partIndex: 0,
    firstPart: true,
    lastPart: true,
    hasFence: true,
    hasBarrier: false,
    codec: 'none'
  })
  t.same(built?.envelope, envelope, 'the packer says the same')
})

t.test('rows are read where they stand', async (t) => {
  const bytes = only(
    packOne([insert, { kind: 'update', table: accounts, before: [1n, 'a', Buffer.alloc(100, 7)], after: [1n, null, Buffer.alloc(100, 7)] }])
  )
  const record = decodeRecord(bytes)
  if (record.kind !== 'transactions') throw new Error('kind')
  const [view] = record.transactions()
  const [first, second] = view === undefined ? [] : [...changesOf(view)]
  if (first?.kind !== 'insert' || second?.kind !== 'update') throw new Error('kinds')
  const photo = afterRow(first)[2]
  t.ok(photo instanceof Uint8Array && photo.buffer === bytes.buffer, 'bytes are a view into the record')
  t.same(afterRow(first), [2n ** 64n - 1n, 'Zoë', Buffer.from([0, 1, 2])])
  t.same(afterRow(second), [1n, null, Buffer.alloc(100, 7)])
  t.same(beforeRow(second), [1n, 'a', Buffer.alloc(100, 7)])
  t.equal(second.table, first.table, 'the table is there once')
  t.ok(bytes.length < 520, `${bytes.length} bytes: what an update leaves alone is written once`)
})

t.test('what a newer version adds', async (t) => {
  const bytes = only(packOne([insert]))
  const headEnd = 24 + bytes.readUInt32LE(16)
  const added = (at: number, section: readonly number[], where: 'head' | 'body'): Buffer =>
    signed(Buffer.concat([bytes.subarray(0, at), Buffer.from(section), bytes.subarray(at)]), { [where]: section.length })
  const needed = [99, 0, 2, 7, 7]
  const skippable = [99, 1, 2, 7, 7]
  t.equal(
    codeOf(() => readAll(added(headEnd, needed, 'head'))),
    'CHANGE_FEATURE_UNKNOWN',
    'a needed section of the head'
  )
  t.equal(
    codeOf(() => readAll(added(headEnd, skippable, 'head'))),
    'no error',
    'one that may be skipped'
  )
  t.equal(
    codeOf(() => readAll(added(bytes.length, needed, 'body'))),
    'CHANGE_FEATURE_UNKNOWN',
    'a needed section of the body'
  )
  t.equal(
    codeOf(() => readAll(added(bytes.length, skippable, 'body'))),
    'no error'
  )
  t.equal(
    codeOf(() => readAll(added(headEnd, [99, 2, 0], 'head'))),
    'CHANGE_CORRUPT',
    'a flag that nobody defined'
  )
  t.equal(
    codeOf(() => readAll(added(headEnd, [4, 0, 0], 'head'))),
    'CHANGE_CORRUPT',
    'a section twice'
  )
  const edited = (at: number, value: number): Buffer => signed(Object.assign(Buffer.from(bytes), { [at]: value }))
  t.equal(
    codeOf(() => readAll(edited(4, 2))),
    'CHANGE_VERSION_UNKNOWN'
  )
  t.equal(
    codeOf(() => readAll(edited(6, 9))),
    'CHANGE_FEATURE_UNKNOWN',
    'codec'
  )
  t.equal(
    codeOf(() => readAll(edited(7, 0x13))),
    'CHANGE_FEATURE_UNKNOWN',
    'flag'
  )
  t.equal(
    codeOf(() => readAll(edited(7, 2))),
    'CHANGE_CORRUPT',
    'a part 0 that is not the first'
  )
  t.equal(
    codeOf(() => readAll(Buffer.from('POST / HTTP/1.1\r\n'))),
    'CHANGE_NOT_A_RECORD'
  )
  t.equal(
    codeOf(() => readAll(Buffer.alloc(0))),
    'CHANGE_TRUNCATED'
  )
  t.equal(
    codeOf(() => readAll(signed(Buffer.concat([bytes, Buffer.of(0)])))),
    'CHANGE_CORRUPT',
    'a byte more in the body'
  )
  t.equal(
    codeOf(() => readAll(Buffer.concat([bytes, Buffer.of(0)]))),
    'CHANGE_CORRUPT',
    'a byte behind the record'
  )
})

t.test('a huge transaction leaves in parts of bounded size', async (t) => {
  const packer = createTransactionPacker({ ...options, partBytes: 64 * 1024 })
  packer.begin({ ...head, id: parseMariadbGtid('0-1-9') })
  packer.add(insert)
  packer.end(parsePosition('mariadb', '0-1-9'))
  packer.begin(head)
  const rows = 20_000
  const records: BuiltRecord[] = []
  for (let at = 0; at < rows; at += 1) {
    packer.add({ kind: 'insert', table: accounts, after: [BigInt(at), `row ${at}`, null] })
    records.push(...packer.take())
  }
  packer.mark('barrier')
  packer.end(parsePosition('mariadb', '0-1-10'))
  records.push(...packer.take())
  t.same(
    records.map(({ envelope }) => [envelope.partIndex, envelope.firstPart, envelope.lastPart]).slice(0, 3),
    [
      [0, true, true],
      [0, true, false],
      [1, false, false]
    ],
    'the whole transactions before it leave first'
  )
  t.same(records.at(-1)?.envelope.lastPart, true)
  t.ok(records.every(({ bytes }) => bytes.length < 70 * 1024))
  t.ok(
    records.slice(1, -1).every(({ envelope }) => envelope.to === envelope.from),
    'nothing is in before the last part is'
  )
  t.equal(records.at(-1)?.envelope.hasBarrier, true)
  let found = 0
  for (const { bytes } of records.slice(1)) {
    const record = decodeRecord(bytes)
    if (record.kind !== 'transactions') throw new Error('kind')
    for (const view of record.transactions()) for (const _ of changesOf(view)) found += 1
  }
  t.equal(found, rows)
})

t.test('a row larger than a record travels in fragments', async (t) => {
  const before = Buffer.alloc(RECORD_BYTES_MAX, 1)
  const after = Buffer.alloc(RECORD_BYTES_MAX, 2)
  const records = packOne([insert, { kind: 'update', table: accounts, before: [1n, 'a', before], after: [1n, 'a', after] }, insert])
  t.ok(
    records.every(({ bytes }) => bytes.length < 2 * PART_BYTES_MAX + 4096),
    `${records.length} records`
  )
  const fragments: FragmentView[] = []
  const kinds: string[] = []
  for (const { bytes } of records) {
    const record = decodeRecord(bytes)
    if (record.kind !== 'transactions') throw new Error('kind')
    for (const view of record.transactions()) {
      for (const change of changesOf(view)) {
        if (change.kind === 'fragment') fragments.push(change)
        else kinds.push(change.kind)
      }
    }
  }
  t.same(kinds, ['insert', 'insert'])
  const change = joinFragments(fragments)
  if (change.kind !== 'update') throw new Error('kind')
  const [[, , oldPhoto], [, text, newPhoto]] = [beforeRow(change), afterRow(change)]
  t.ok(oldPhoto instanceof Uint8Array && before.equals(oldPhoto) && text === 'a')
  t.ok(newPhoto instanceof Uint8Array && after.equals(newPhoto))
  t.equal(
    codeOf(() => joinFragments(fragments.slice(0, -1))),
    'CHANGE_CORRUPT',
    'one is missing at the end'
  )
  t.equal(
    codeOf(() => joinFragments([])),
    'CHANGE_CORRUPT'
  )
})

t.test('compressed bodies promise their size and keep to it', async (t) => {
  const rows = Array.from({ length: 200 }, (_, at): Change => ({ kind: 'insert', table: accounts, after: [BigInt(at), 'the same text', null] }))
  const bytes = only(packOne(rows, { codec: 'zstd' }))
  t.equal(bytes[6], 1)
  t.ok(bytes.length < only(packOne(rows)).length / 2, `${bytes.length} bytes`)
  t.equal(
    codeOf(() => readAll(bytes)),
    'no error'
  )
  t.equal(only(packOne([insert], { codec: 'zstd' }))[6], 0, 'a small body is not compressed')
  const bodyAt = 24 + bytes.readUInt32LE(16)
  const bomb = Buffer.concat([bytes.subarray(0, bodyAt), zstdCompressSync(Buffer.alloc(8 * RECORD_BYTES_MAX))])
  t.equal(
    codeOf(() => readAll(signed(bomb))),
    'CHANGE_CORRUPT',
    'more than promised'
  )
  t.equal(
    codeOf(() => readAll(signed(bomb, { body: 2 * RECORD_BYTES_MAX }))),
    'CHANGE_TOO_LARGE',
    'a promise beyond the bound'
  )
  t.equal(
    codeOf(() => readAll(signed(bytes, { body: 1 }))),
    'CHANGE_CORRUPT',
    'less than promised'
  )
  t.equal(
    codeOf(() => readAll(signed(bytes.subarray(0, -5)))),
    'CHANGE_CORRUPT',
    'cut within the frame'
  )
  const large = Buffer.alloc(RECORD_BYTES_MAX + 1)
  only(packOne([insert])).copy(large)
  t.equal(
    codeOf(() => readAll(signed(large))),
    'CHANGE_TOO_LARGE'
  )
})

t.test('what cannot be written exactly is refused', async (t) => {
  const refused: readonly (readonly [string, Change])[] = [
    ['a lone surrogate', { kind: 'insert', table: accounts, after: [1n, '\ud800', null] }],
    ['a long text with one', { kind: 'insert', table: accounts, after: [1n, `${'x'.repeat(100)}\udc00`, null] }],
    ['65 bits', { kind: 'insert', table: accounts, after: [2n ** 64n, 'a', null] }],
    ['below 64 bits', { kind: 'insert', table: accounts, after: [-(2n ** 63n) - 1n, 'a', null] }],
    ['too few values', { kind: 'insert', table: accounts, after: [1n, 'a'] }],
    ['too many values', { kind: 'delete', table: accounts, before: [1n, 'a', null, null] }],
    ['a key beyond the columns', { kind: 'delete', table: { ...accounts, keyColumns: [3] }, before: [1n, 'a', null] }]
  ]
  for (const [name, change] of refused)
    t.equal(
      codeOf(() => packOne([change])),
      'CHANGE_INVALID',
      name
    )
  const packer = createTransactionPacker(options)
  t.equal(
    codeOf(() => packer.end(options.from)),
    'CHANGE_INVALID',
    'an end without a beginning'
  )
  packer.begin(head)
  t.equal(
    codeOf(() => packer.begin(head)),
    'CHANGE_INVALID',
    'a beginning within another'
  )
  t.equal(
    codeOf(() => packer.flush()),
    'CHANGE_INVALID',
    'half a transaction'
  )
  packer.end(parsePosition('mariadb', '0-1-8'))
  t.equal(
    codeOf(() => packer.flush()),
    'CHANGE_INVALID',
    'a step back'
  )
  t.equal(
    codeOf(() => createTransactionPacker({ ...options, origin: { ...options.origin, kind: 'mysql' } }).begin(head)),
    'CHANGE_INVALID'
  )
})

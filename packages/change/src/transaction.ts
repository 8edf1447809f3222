import type { ByteCursor, ByteWriter } from './bytes.ts'
import {
  createCursor,
  putByte,
  putRaw,
  putString,
  putU32,
  putU64,
  putVarint,
  skip,
  takeBlock,
  takeByte,
  takeString,
  takeU32,
  takeU64,
  takeVarint
} from './bytes.ts'
import type { RowSpan } from './cell.ts'
import { putRow, putRowAfter, skipRow, takeRow, takeRowAfter } from './cell.ts'
import { changeCorrupt, changeFeatureUnknown, changeInvalid } from './errors.ts'
import { NAME_BYTES_MAX, PART_BYTES_MAX } from './limits.ts'
import type { CellValue, Change, ContentMark, RowChange, TableIdentity, Transaction, TransactionHead } from './model.ts'
import type { BuiltRecord, PackerOptions } from './packer.ts'
import { BODY_SECTION, Packer } from './packer.ts'
import type { Position, TransactionId } from './position.ts'
import { putNoExtensions, skipExtensions } from './section.ts'
import { createTableWriter } from './table.ts'

/** Transactions in, records out. Holds at most one record and one row: a huge transaction leaves it part by part. */
export interface TransactionPacker {
  begin(head: TransactionHead): void
  /** @throws CHANGE_INVALID, CHANGE_TOO_LARGE */
  add(change: Change): void
  /** Says that the open transaction holds rows of the fence or a barrier. */
  mark(mark: ContentMark): void
  /** `to`: the position of the stream with this transaction in. */
  end(to: Position): void
  flush(): void
  take(): BuiltRecord[]
}

const ID = { mariadb: 1, mysql: 2 } as const
const CHANGE = { insert: 1, update: 2, delete: 3, schema: 4, fragment: 5, lastFragment: 6 } as const
const ROW_KINDS = { 1: 'insert', 2: 'update', 3: 'delete' } as const

export function createTransactionPacker(options: PackerOptions): TransactionPacker {
  const tables = createTableWriter()
  const tableBytes = (): Buffer => tables.writer.bytes.subarray(0, tables.writer.at)
  const context = { section: BODY_SECTION.tables, bytes: tableBytes, size: () => tables.writer.at, clear: () => tables.clear() }
  const packer = new Packer(options, { section: BODY_SECTION.transactions, context })
  const { writer } = packer
  const { kind } = options.origin

  return {
    begin(head) {
      if (head.id.kind !== `${kind}-gtid`) throw changeInvalid({ problem: `a transaction ${head.id.kind} in a stream of ${kind}` })
      packer.begin((part) => putHead(part, head))
    },
    add(change) {
      const entryAt = writer.at
      if (change.kind === 'schema') {
        putByte(writer, CHANGE.schema)
        putString(writer, change.schema, NAME_BYTES_MAX)
        putString(writer, change.statement, PART_BYTES_MAX)
        packer.entryWritten(entryAt, entryAt, undefined)
        return
      }
      const { table } = change
      checkRows(change)
      putByte(writer, CHANGE[change.kind])
      putVarint(writer, tables.indexOf(table))
      const contentAt = writer.at
      putImages(writer, change)
      packer.entryWritten(entryAt, contentAt, (part, last) => {
        putByte(part, last ? CHANGE.lastFragment : CHANGE.fragment)
        putByte(part, CHANGE[change.kind])
        putVarint(part, tables.indexOf(table))
      })
    },
    mark: (mark) => packer.mark(mark),
    end: (to) => packer.end(to),
    flush: () => packer.flush(),
    take: () => packer.take()
  }
}

function putHead(writer: ByteWriter, { id, commitTimeUs, originServerId }: TransactionHead): void {
  if (id.kind === 'mariadb-gtid') {
    putByte(writer, ID.mariadb)
    putU32(writer, id.domain)
    putU32(writer, id.server)
    putU64(writer, id.sequence)
  } else {
    putByte(writer, ID.mysql)
    putRaw(writer, uuidBytes(id.uuid))
    putString(writer, id.tag, NAME_BYTES_MAX)
    putU64(writer, id.number)
  }
  putVarint(writer, commitTimeUs)
  putVarint(writer, originServerId)
  putNoExtensions(writer)
}

function putImages(writer: ByteWriter, change: RowChange): void {
  if (change.kind === 'insert') putRow(writer, change.after)
  else {
    putRow(writer, change.before)
    if (change.kind === 'update') putRowAfter(writer, change.after, change.before)
  }
}

function checkRows(change: RowChange): void {
  const columns = change.table.columns.length
  if ((change.kind !== 'insert' && change.before.length !== columns) || (change.kind !== 'delete' && change.after.length !== columns)) {
    throw changeInvalid({ problem: `a row of ${change.table.schema}.${change.table.name} has not ${columns} values` })
  }
}

function uuidBytes(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  if (bytes.length !== 16) throw changeInvalid({ problem: `${uuid} is not a uuid` })
  return bytes
}

/** A transaction, or a part of one; its changes are decoded when they are asked for. */
export interface TransactionView extends TransactionHead {
  readonly tables: readonly TableIdentity[]
  readonly bytes: Buffer
  readonly changesAt: number
  readonly end: number
}

/** A change whose rows are still bytes: `beforeRow` and `afterRow` make values of them. */
export type RowChangeView =
  | { readonly kind: 'insert'; readonly table: TableIdentity; readonly bytes: Buffer; readonly after: RowSpan }
  | { readonly kind: 'update'; readonly table: TableIdentity; readonly bytes: Buffer; readonly before: RowSpan; readonly after: RowSpan }
  | { readonly kind: 'delete'; readonly table: TableIdentity; readonly bytes: Buffer; readonly before: RowSpan }

/** A piece of a row that is too large for one record; `joinFragments` makes a change of all of them. */
export interface FragmentView {
  readonly kind: 'fragment'
  readonly of: RowChange['kind']
  readonly table: TableIdentity
  readonly last: boolean
  readonly bytes: Buffer
}

export type ChangeView = RowChangeView | FragmentView | Extract<Change, { kind: 'schema' }>

export function beforeRow(change: Exclude<RowChangeView, { kind: 'insert' }>): CellValue[] {
  return takeRow(change.bytes, change.before)
}

export function afterRow(change: Exclude<RowChangeView, { kind: 'delete' }>): CellValue[] {
  return change.kind === 'insert' ? takeRow(change.bytes, change.after) : takeRowAfter(change.bytes, change.after, change.before)
}

/** @throws CHANGE_CORRUPT, CHANGE_TRUNCATED, CHANGE_FEATURE_UNKNOWN */
export function* transactionsOf(cursor: ByteCursor, tables: readonly TableIdentity[], idKind: TransactionId['kind']): Generator<TransactionView> {
  const { bytes } = cursor
  let at = cursor.at
  while (at < cursor.end) {
    const own = createCursor(bytes, at, cursor.end)
    const length = takeU32(own)
    const start = skip(own, length)
    const head = createCursor(bytes, start, own.at)
    const id = takeId(head)
    if (id.kind !== idKind) throw changeCorrupt({ offset: at, finding: `a transaction ${id.kind} where ${idKind} is expected` })
    const [commitTimeUs, originServerId] = [takeVarint(head), takeVarint(head)]
    skipExtensions(head, 'transaction extension')
    yield { id, commitTimeUs, originServerId, tables, bytes, changesAt: head.at, end: head.end }
    at = own.at
  }
}

/** In order. @throws CHANGE_CORRUPT, CHANGE_TRUNCATED, CHANGE_FEATURE_UNKNOWN */
export function* changesOf({ tables, bytes, changesAt, end }: Omit<TransactionView, keyof TransactionHead>): Generator<ChangeView> {
  const cursor = createCursor(bytes, changesAt, end)
  while (cursor.at < cursor.end) yield takeChange(cursor, tables)
}

function takeChange(cursor: ByteCursor, tables: readonly TableIdentity[]): ChangeView {
  const offset = cursor.at
  const kind = takeByte(cursor)
  switch (kind) {
    case CHANGE.insert:
    case CHANGE.update:
    case CHANGE.delete:
      return takeRowChange(cursor, ROW_KINDS[kind], takeTableOf(cursor, tables))
    case CHANGE.schema:
      return { kind: 'schema', schema: takeString(cursor, NAME_BYTES_MAX), statement: takeString(cursor, PART_BYTES_MAX) }
    case CHANGE.fragment:
    case CHANGE.lastFragment: {
      const of = takeByte(cursor)
      if (of !== CHANGE.insert && of !== CHANGE.update && of !== CHANGE.delete) throw changeCorrupt({ offset, finding: `a fragment of ${of}` })
      const table = takeTableOf(cursor, tables)
      return { kind: 'fragment', of: ROW_KINDS[of], table, last: kind === CHANGE.lastFragment, bytes: takeBlock(cursor) }
    }
    default:
      throw changeFeatureUnknown({ offset, feature: 'change kind', value: kind })
  }
}

function takeRowChange(cursor: ByteCursor, kind: RowChange['kind'], table: TableIdentity): RowChangeView {
  const { bytes } = cursor
  const first = takeSpan(cursor, table, false)
  if (kind === 'insert') return { kind, table, bytes, after: first }
  if (kind === 'delete') return { kind, table, bytes, before: first }
  return { kind, table, bytes, before: first, after: takeSpan(cursor, table, true) }
}

function takeSpan(cursor: ByteCursor, table: TableIdentity, sameAllowed: boolean): RowSpan {
  const at = cursor.at
  skipRow(cursor, table.columns.length, { sameAllowed })
  return { at, end: cursor.at, columns: table.columns.length }
}

function takeTableOf(cursor: ByteCursor, tables: readonly TableIdentity[]): TableIdentity {
  const offset = cursor.at
  const index = takeVarint(cursor)
  const table = tables[index]
  if (table === undefined) throw changeCorrupt({ offset, finding: `the table ${index} of ${tables.length}` })
  return table
}

function takeId(cursor: ByteCursor): TransactionId {
  const kind = takeByte(cursor)
  if (kind === ID.mariadb) return { kind: 'mariadb-gtid', domain: takeU32(cursor), server: takeU32(cursor), sequence: takeU64(cursor) }
  if (kind !== ID.mysql) throw changeFeatureUnknown({ offset: cursor.at - 1, feature: 'transaction id', value: kind })
  const at = skip(cursor, 16)
  const hex = cursor.bytes.toString('hex', at, at + 16)
  const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  return { kind: 'mysql-gtid', uuid, tag: takeString(cursor, NAME_BYTES_MAX), number: takeU64(cursor) }
}

/** All fragments of one row, in order. @throws CHANGE_CORRUPT, CHANGE_TRUNCATED, CHANGE_FEATURE_UNKNOWN */
export function joinFragments(fragments: readonly FragmentView[]): RowChangeView {
  const [first] = fragments
  const whole = fragments.every(({ last, of }, at) => last === (at === fragments.length - 1) && of === first?.of)
  if (first === undefined || !whole) throw changeCorrupt({ offset: 0, finding: 'these are not the fragments of one row' })
  const bytes = Buffer.concat(fragments.map((fragment) => fragment.bytes))
  const cursor = createCursor(bytes, 0, bytes.length)
  const change = takeRowChange(cursor, first.of, first.table)
  if (cursor.at !== cursor.end) throw changeCorrupt({ offset: cursor.at, finding: 'bytes behind the last value of a row' })
  return change
}

/** All values at once: for tests, tools and conflict records. Bytes are copied, so that nothing keeps the record. @throws as `changesOf` */
export function readTransaction(view: TransactionView): Transaction {
  const { id, commitTimeUs, originServerId } = view
  return { id, commitTimeUs, originServerId, changes: [...changesOf(view)].map((change) => readChange(change)) }
}

/** @throws CHANGE_CORRUPT for a fragment: it is not a change yet */
export function readChange(change: ChangeView): Change {
  switch (change.kind) {
    case 'schema':
      return change
    case 'fragment':
      throw changeCorrupt({ offset: 0, finding: 'a fragment where a whole change is expected' })
    case 'insert':
      return { kind: 'insert', table: change.table, after: owned(afterRow(change)) }
    case 'delete':
      return { kind: 'delete', table: change.table, before: owned(beforeRow(change)) }
    case 'update':
      return { kind: 'update', table: change.table, before: owned(beforeRow(change)), after: owned(afterRow(change)) }
  }
}

function owned(row: readonly CellValue[]): CellValue[] {
  return row.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value))
}

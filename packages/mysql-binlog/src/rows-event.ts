import { ByteCursor } from './byte-cursor.ts'
import type { TableMap } from './columns.ts'
import { malformed, tableUnmapped } from './errors.ts'
import type { EventHeader } from './events.ts'
import { inflateEventBody } from './inflate.ts'
import { type CompiledTable, checkWidth, type ImagePlan, planImage, readImage, readImageWithDocuments, readPartialImage } from './row-images.ts'
import type { RowChange } from './values.ts'

export type RowAction = 'insert' | 'update' | 'delete'

interface Shape {
  readonly action: RowAction
  /** MySQL since 5.6 puts extra data before the columns. */
  readonly extraData: boolean
  readonly compressed: boolean
  readonly partialJson: boolean
}

function shape(action: RowAction, traits: Partial<Shape> = {}): Shape {
  return { action, extraData: false, compressed: false, partialJson: false, ...traits }
}

/** By type code. 20 to 22, of servers before 5.1.16, stay unknown. */
export const ROWS_SHAPES: ReadonlyMap<number, Shape> = new Map([
  [23, shape('insert')],
  [24, shape('update')],
  [25, shape('delete')],
  [30, shape('insert', { extraData: true })],
  [31, shape('update', { extraData: true })],
  [32, shape('delete', { extraData: true })],
  [39, shape('update', { extraData: true, partialJson: true })],
  [166, shape('insert', { compressed: true })],
  [167, shape('update', { compressed: true })],
  [168, shape('delete', { compressed: true })],
  [169, shape('insert', { extraData: true, compressed: true })],
  [170, shape('update', { extraData: true, compressed: true })],
  [171, shape('delete', { extraData: true, compressed: true })]
])

const FLAG_END_OF_STATEMENT = 0x01
/** Marks an event without rows that only ends a statement. */
const NO_TABLE = 0xffff_ffff_ffff

/**
 * Changes of rows of one table. Rows are decoded while they are iterated, one at a time, from the event's own bytes; iterating
 * twice decodes twice. Iterating throws BINLOG_TRUNCATED, BINLOG_VALUE_INVALID, BINLOG_MALFORMED, BINLOG_TYPE_UNKNOWN,
 * BINLOG_METADATA_MISSING, BINLOG_TEMPORAL_AMBIGUOUS.
 */
export class RowsEvent implements Iterable<RowChange> {
  readonly kind = 'rows'
  readonly header: EventHeader
  readonly action: RowAction
  readonly table: TableMap
  /** The statement ends here; its table maps are void. */
  readonly endOfStatement: boolean
  /** Bytes of the row images, inflated: what a bound on memory counts. */
  readonly rowBytes: number
  readonly #images: Images

  constructor(header: EventHeader, images: Images, { action, endOfStatement }: { action: RowAction; endOfStatement: boolean }) {
    this.header = header
    this.action = action
    this.table = images.first.table.map
    this.endOfStatement = endOfStatement
    this.rowBytes = images.end - images.start
    this.#images = images
  }

  [Symbol.iterator](): Iterator<RowChange, undefined> {
    return new RowReader(this.#images, this.action)
  }
}

interface Images {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly header: EventHeader
  /** Before-images of updates and deletes, after-images of inserts. */
  readonly first: ImagePlan
  /** After-images of updates. */
  readonly second: ImagePlan | undefined
  readonly partialJson: boolean
}

class RowReader implements Iterator<RowChange, undefined> {
  readonly #cursor: ByteCursor
  readonly #images: Images
  readonly #action: RowAction

  constructor(images: Images, action: RowAction) {
    this.#images = images
    this.#action = action
    this.#cursor = new ByteCursor(images.bytes, images.start, images.end, images.header)
  }

  next(): IteratorResult<RowChange, undefined> {
    const cursor = this.#cursor
    if (cursor.at >= cursor.end) return { done: true, value: undefined }
    const start = cursor.at
    const value = this.#read(cursor)
    // Images of no columns take no bytes: they would never end.
    if (cursor.at === start) throw malformed({ ...cursor.place(), reason: 'a row without bytes' })
    return { done: false, value }
  }

  #read(cursor: ByteCursor): RowChange {
    const { first, second, partialJson } = this.#images
    if (second !== undefined && partialJson) {
      const { row, before } = readImageWithDocuments(cursor, first)
      return { before: row, after: readPartialImage(cursor, second, before) }
    }
    const image = readImage(cursor, first)
    if (second !== undefined) return { before: image, after: readImage(cursor, second) }
    return this.#action === 'insert' ? { before: undefined, after: image } : { before: image, after: undefined }
  }
}

export interface RowsOptions {
  readonly header: EventHeader
  readonly tableOf: (tableId: number) => CompiledTable | undefined
  readonly inflatedBytesMax: number
}

/** What a rows event without a table says: the statement ends. */
export interface StatementEnd {
  readonly kind: 'statement-end'
}

/** @throws BINLOG_TABLE_UNMAPPED, BINLOG_TABLE_MISMATCH, BINLOG_TRUNCATED, BINLOG_MALFORMED, BINLOG_INFLATE */
export function readRowsEvent(cursor: ByteCursor, traits: Shape, { header, tableOf, inflatedBytesMax }: RowsOptions): RowsEvent | StatementEnd {
  const tableId = cursor.u48()
  const flags = cursor.u16()
  if (traits.extraData) skipExtraData(cursor)
  const width = cursor.lengthCoded()
  const endOfStatement = (flags & FLAG_END_OF_STATEMENT) !== 0
  if (tableId === NO_TABLE && endOfStatement) return { kind: 'statement-end' }
  const table = tableOf(tableId)
  if (table === undefined) throw tableUnmapped({ ...cursor.place(), tableId })
  checkWidth(cursor, table, width)
  const first = planImage(table, cursor.view((width + 7) >> 3))
  const second = traits.action === 'update' ? planImage(table, cursor.view((width + 7) >> 3)) : undefined
  const rows = traits.compressed ? inflated(inflateEventBody(cursor, inflatedBytesMax)) : { bytes: cursor.bytes, start: cursor.at, end: cursor.end }
  if (rows.start === rows.end) throw malformed({ ...cursor.place(), reason: 'rows event without rows' })
  return new RowsEvent(header, { ...rows, header, first, second, partialJson: traits.partialJson }, { action: traits.action, endOfStatement })
}

function inflated(bytes: Buffer): { bytes: Buffer; start: number; end: number } {
  return { bytes, start: 0, end: bytes.length }
}

/** The length counts its own two bytes. */
function skipExtraData(cursor: ByteCursor): void {
  const size = cursor.u16()
  if (size < 2) throw malformed({ ...cursor.place(), reason: `extra data of ${size} bytes` })
  cursor.skip(size - 2)
}

import { ByteCursor } from './byte-cursor.ts'
import type { ReadColumn } from './column-readers.ts'
import type { TableMap } from './columns.ts'
import { tableMismatch, valueInvalid } from './errors.ts'
import { parseJsonBinary } from './json-binary.ts'
import { applyJsonSteps, describeSteps, readJsonSteps } from './json-patch.ts'
import { jsonText } from './json-tree.ts'
import { ABSENT, type ColumnValue } from './values.ts'

/** A table map with its readers: compiled once, used for all rows until the table's definition changes. */
export interface CompiledTable {
  readonly map: TableMap
  readonly readers: readonly ReadColumn[]
  readonly jsonColumns: number
}

/** Which columns an image of this rows event has, and how to read them. */
export interface ImagePlan {
  readonly table: CompiledTable
  readonly width: number
  /** Column index and reader of each column that is present, in order. */
  readonly columns: Int32Array
  readonly readers: readonly ReadColumn[]
  readonly nullBytes: number
  readonly complete: boolean
}

/** `present` has a bit per column, the lowest first. */
export function planImage(table: CompiledTable, present: Buffer): ImagePlan {
  const width = table.readers.length
  const columns: number[] = []
  for (let index = 0; index < width; index++) if (bitOf(present, index)) columns.push(index)
  return {
    table,
    width,
    columns: Int32Array.from(columns),
    readers: columns.map((index) => table.readers[index] as ReadColumn),
    nullBytes: (columns.length + 7) >> 3,
    complete: columns.length === width
  }
}

/** @throws BINLOG_TRUNCATED and whatever a column's reader throws */
export function readImage(cursor: ByteCursor, { columns, readers, width, nullBytes, complete }: ImagePlan): ColumnValue[] {
  const nullsAt = cursor.take(nullBytes)
  const { bytes } = cursor
  const row: ColumnValue[] = new Array<ColumnValue>(width)
  if (!complete) row.fill(ABSENT)
  for (let at = 0; at < readers.length; at++) {
    const isNull = ((bytes[nullsAt + (at >> 3)] as number) >> (at & 7)) & 1
    row[columns[at] as number] = isNull === 1 ? null : (readers[at] as ReadColumn)(cursor)
  }
  return row
}

const OPTION_PARTIAL_JSON = 1

/**
 * The after-image of a partial update (MySQL): JSON columns may come as changes to the before-image. If the before-image has the
 * document, the result is the whole new document; otherwise a `json-patch`.
 */
export function readPartialImage(cursor: ByteCursor, plan: ImagePlan, before: BeforeImage): ColumnValue[] {
  const options = cursor.lengthCoded()
  if ((options & ~OPTION_PARTIAL_JSON) !== 0) throw valueInvalid({ ...cursor.place(), type: 'row', reason: `value options ${options}` })
  if (options === 0) return readImage(cursor, plan)
  const { map, jsonColumns } = plan.table
  // One bit per JSON column of the table, whether the image has the column or not.
  const partial = cursor.view((jsonColumns + 7) >> 3)
  const nulls = cursor.view(plan.nullBytes)
  const row: ColumnValue[] = new Array<ColumnValue>(plan.width).fill(ABSENT)
  let jsonIndex = 0
  let nextPresent = 0
  for (const column of map.columns) {
    const isPartial = column.type === 'json' && bitOf(partial, jsonIndex++)
    if (plan.columns[nextPresent] !== column.index) continue
    const isNull = bitOf(nulls, nextPresent)
    const read = plan.readers[nextPresent++] as ReadColumn
    if (isNull) row[column.index] = null
    else if (isPartial) row[column.index] = readPatched(cursor, before, column.index)
    else row[column.index] = read(cursor)
  }
  return row
}

/** The before-image's values, and where its JSON documents lie: a text would have to be parsed again, and would have lost types. */
export interface BeforeImage {
  readonly documents: ReadonlyMap<number, { at: number; size: number }>
}

function readPatched(cursor: ByteCursor, { documents }: BeforeImage, column: number): ColumnValue {
  const size = cursor.u32()
  const at = cursor.take(size)
  const steps = readJsonSteps(new ByteCursor(cursor.bytes, at, at + size, cursor.context))
  const document = documents.get(column)
  if (document === undefined) return { kind: 'json-patch', changes: describeSteps(steps) }
  const source = new ByteCursor(cursor.bytes, document.at, document.at + document.size, cursor.context)
  return jsonText(applyJsonSteps(parseJsonBinary(source, document.size), steps, cursor))
}

/** Like `readImage`, but notes where the JSON documents of the image begin. */
export function readImageWithDocuments(cursor: ByteCursor, plan: ImagePlan): { row: ColumnValue[]; before: BeforeImage } {
  const nulls = cursor.view(plan.nullBytes)
  const row: ColumnValue[] = new Array<ColumnValue>(plan.width).fill(ABSENT)
  const documents = new Map<number, { at: number; size: number }>()
  plan.columns.forEach((index, at) => {
    if (bitOf(nulls, at)) {
      row[index] = null
      return
    }
    const column = plan.table.map.columns[index]
    const start = cursor.at
    row[index] = (plan.readers[at] as ReadColumn)(cursor)
    if (column?.type === 'json') documents.set(index, { at: start + column.size, size: cursor.at - start - column.size })
  })
  return { row, before: { documents } }
}

export function checkWidth(cursor: ByteCursor, table: CompiledTable, width: number): void {
  if (width === table.readers.length) return
  const { schema, table: name } = table.map
  throw tableMismatch({ ...cursor.place(), table: `${schema}.${name}`, reason: `${width} columns, the table map has ${table.readers.length}` })
}

function bitOf(bytes: Buffer, index: number): boolean {
  return (((bytes[index >> 3] as number) >> (index & 7)) & 1) === 1
}

import type { ByteCursor, ByteWriter } from './bytes.ts'
import { createWriter, putString, putVarint, takeString, takeVarint } from './bytes.ts'
import { changeCorrupt, changeInvalid } from './errors.ts'
import { COLUMNS_MAX, NAME_BYTES_MAX, TYPE_BYTES_MAX } from './limits.ts'
import type { Column, TableIdentity } from './model.ts'
import { putNoExtensions, skipExtensions } from './section.ts'

/** The tables of one record: each is written once, and changes name it by its place. */
export interface TableWriter {
  readonly writer: ByteWriter
  /** @throws CHANGE_INVALID, CHANGE_TOO_LARGE */
  indexOf(table: TableIdentity): number
  clear(): void
}

export function createTableWriter(): TableWriter {
  const writer = createWriter()
  const indexes = new Map<TableIdentity, number>()
  let newest: TableIdentity | undefined
  let newestIndex = 0
  return {
    writer,
    indexOf(table) {
      // Rows of one table come in runs.
      if (table === newest) return newestIndex
      let index = indexes.get(table)
      if (index === undefined) {
        index = indexes.size
        putTable(writer, table)
        indexes.set(table, index)
      }
      newest = table
      newestIndex = index
      return index
    },
    clear() {
      writer.at = 0
      indexes.clear()
      newest = undefined
    }
  }
}

function putTable(writer: ByteWriter, { schema, name, columns, keyColumns }: TableIdentity): void {
  if (columns.length === 0 || columns.length > COLUMNS_MAX) throw changeInvalid({ problem: `a table of ${columns.length} columns` })
  if (!areKeyColumns(keyColumns, columns.length)) throw changeInvalid({ problem: 'the key names a column that the table has not, or one twice' })
  putString(writer, schema, NAME_BYTES_MAX)
  putString(writer, name, NAME_BYTES_MAX)
  putVarint(writer, columns.length)
  for (const column of columns) {
    putString(writer, column.name, NAME_BYTES_MAX)
    putString(writer, column.type, TYPE_BYTES_MAX)
    putString(writer, column.characterSet, NAME_BYTES_MAX)
  }
  putVarint(writer, keyColumns.length)
  for (const index of keyColumns) putVarint(writer, index)
  putNoExtensions(writer)
}

/** @throws CHANGE_CORRUPT, CHANGE_TRUNCATED, CHANGE_FEATURE_UNKNOWN */
export function takeTables(cursor: ByteCursor): TableIdentity[] {
  const tables: TableIdentity[] = []
  while (cursor.at < cursor.end) tables.push(takeTable(cursor))
  return tables
}

function takeTable(cursor: ByteCursor): TableIdentity {
  const offset = cursor.at
  const schema = takeString(cursor, NAME_BYTES_MAX)
  const name = takeString(cursor, NAME_BYTES_MAX)
  const count = takeVarint(cursor)
  if (count === 0 || count > COLUMNS_MAX) throw changeCorrupt({ offset, finding: `a table of ${count} columns` })
  const columns: Column[] = []
  for (let index = 0; index < count; index += 1) {
    columns.push({
      name: takeString(cursor, NAME_BYTES_MAX),
      type: takeString(cursor, TYPE_BYTES_MAX),
      characterSet: takeString(cursor, NAME_BYTES_MAX)
    })
  }
  const keyCount = takeVarint(cursor)
  if (keyCount > count) throw changeCorrupt({ offset, finding: `a key of ${keyCount} columns in a table of ${count}` })
  const keyColumns: number[] = []
  for (let index = 0; index < keyCount; index += 1) keyColumns.push(takeVarint(cursor))
  if (!areKeyColumns(keyColumns, count)) throw changeCorrupt({ offset, finding: 'the key names a column that the table has not, or one twice' })
  skipExtensions(cursor, 'table extension')
  return { schema, name, columns, keyColumns }
}

function areKeyColumns(keyColumns: readonly number[], columns: number): boolean {
  return keyColumns.every((index) => Number.isInteger(index) && index >= 0 && index < columns) && new Set(keyColumns).size === keyColumns.length
}

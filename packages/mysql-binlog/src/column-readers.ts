import type { ByteCursor } from './byte-cursor.ts'
import { unsigned64 } from './byte-cursor.ts'
import { BINARY_COLLATION, type Column, type TableMap } from './columns.ts'
import { metadataMissing, temporalAmbiguous, typeUnknown, valueInvalid } from './errors.ts'
import { shortestFloat32 } from './float-text.ts'
import { inflateColumn } from './inflate.ts'
import { parseJsonBinary } from './json-binary.ts'
import { jsonText } from './json-tree.ts'
import { decimalReader } from './read-decimal.ts'
import { enumReader, setReader } from './read-members.ts'
import {
  datetimeReader,
  hiresReader,
  readDate,
  readOldDatetime,
  readOldTime,
  readOldTimestamp,
  readYear,
  timeReader,
  timestampReader
} from './read-temporal.ts'
import type { ColumnValue, GeometryValue } from './values.ts'

/** Reads one value that is not NULL and moves the cursor behind it. Made once per column of a table map. */
export type ReadColumn = (cursor: ByteCursor) => ColumnValue

/** Digits of a column in MariaDB's old temporal format, or undefined if the caller does not know. */
export type OldTemporalDecimals = (table: TableMap, column: Column) => number | undefined

/** Never throws: what cannot be read throws when a row has a value there, so that a table's map alone stops nothing. */
export function compileReaders(table: TableMap, oldTemporalDecimals: OldTemporalDecimals): ReadColumn[] {
  return table.columns.map((column) => readerOf(table, column, oldTemporalDecimals))
}

function readerOf(table: TableMap, column: Column, oldTemporalDecimals: OldTemporalDecimals): ReadColumn {
  switch (column.type) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
      return integerReader(table, column)
    case 'float':
      return readFloat
    case 'double':
      return readDouble
    case 'decimal':
      return decimalReader(column.precision, column.decimals)
    case 'bit':
      return bitReader(column.size)
    case 'year':
      return readYear
    case 'date':
      return readDate
    case 'time':
      return timeReader(column.decimals)
    case 'datetime':
      return datetimeReader(column.decimals)
    case 'timestamp':
      return timestampReader(column.decimals)
    case 'old-time':
    case 'old-datetime':
    case 'old-timestamp':
      return oldTemporalReader(table, { ...column, type: column.type }, oldTemporalDecimals)
    case 'char':
      return charReader(table, column)
    case 'varchar':
      return column.size > 255 ? readLongVarchar : readShortVarchar
    case 'varchar-compressed': {
      const lengthBytes = column.size > 255 ? 2 : 1
      return (cursor) => inflateColumn(cursor, cursor.uint(lengthBytes))
    }
    case 'blob-compressed':
      return (cursor) => inflateColumn(cursor, cursor.uint(column.size))
    case 'blob':
    case 'vector':
      return (cursor) => cursor.view(cursor.uint(column.size))
    case 'json':
      return (cursor) => jsonText(parseJsonBinary(cursor, cursor.uint(column.size)))
    case 'geometry':
      return (cursor) => readGeometry(cursor, cursor.uint(column.size))
    case 'enum':
      return enumReader(column)
    case 'set':
      return setReader(column)
    case 'null':
      return () => null
    case 'unknown':
      return (cursor) => {
        throw typeUnknown({ ...cursor.place(), table: `${table.schema}.${table.table}`, column: column.index, typeCode: column.typeCode })
      }
  }
}

function integerReader(table: TableMap, column: Column): ReadColumn {
  if (column.unsigned === undefined) return missing(table, column, 'signedness')
  const readers = column.unsigned ? UNSIGNED : SIGNED
  return readers[column.type as keyof typeof UNSIGNED]
}

const UNSIGNED = {
  tinyint: (cursor: ByteCursor) => cursor.u8(),
  smallint: (cursor: ByteCursor) => cursor.u16(),
  mediumint: (cursor: ByteCursor) => cursor.u24(),
  int: (cursor: ByteCursor) => cursor.u32(),
  bigint: (cursor: ByteCursor) => cursor.u64()
}

const SIGNED = {
  tinyint: (cursor: ByteCursor) => (cursor.u8() << 24) >> 24,
  smallint: (cursor: ByteCursor) => (cursor.u16() << 16) >> 16,
  mediumint: (cursor: ByteCursor) => (cursor.u24() << 8) >> 8,
  int: (cursor: ByteCursor) => cursor.i32(),
  bigint: (cursor: ByteCursor) => cursor.i64()
}

function readFloat(cursor: ByteCursor): number {
  return shortestFloat32(cursor.bytes.readFloatLE(cursor.take(4)))
}

function readDouble(cursor: ByteCursor): number {
  return cursor.bytes.readDoubleLE(cursor.take(8))
}

function bitReader(bits: number): ReadColumn {
  const bytes = (bits + 7) >> 3
  const end = 1n << BigInt(bits)
  return (cursor) => {
    const at = cursor.take(bytes)
    const low = cursor.bytes.readUIntBE(at + Math.max(bytes - 4, 0), Math.min(bytes, 4))
    const value = unsigned64(low, bytes > 4 ? cursor.bytes.readUIntBE(at, bytes - 4) : 0)
    if (value >= end) throw valueInvalid({ ...cursor.place(), type: `bit(${bits})`, reason: `${value}` })
    return value
  }
}

function readShortVarchar(cursor: ByteCursor): Buffer {
  return cursor.view(cursor.u8())
}

function readLongVarchar(cursor: ByteCursor): Buffer {
  return cursor.view(cursor.u16())
}

/** The wire strips the padding: spaces of CHAR, which stay off as in every SELECT, and zeros of BINARY, which are part of the value. */
function charReader(table: TableMap, column: Column): ReadColumn {
  const { size, collation } = column
  if (collation === undefined) return missing(table, column, 'collation')
  const lengthBytes = size > 255 ? 2 : 1
  if (collation !== BINARY_COLLATION) return (cursor) => cursor.view(sized(cursor, cursor.uint(lengthBytes), size))
  return (cursor) => {
    const value = cursor.view(sized(cursor, cursor.uint(lengthBytes), size))
    if (value.length === size) return value
    const padded = Buffer.alloc(size)
    value.copy(padded)
    return padded
  }
}

function sized(cursor: ByteCursor, length: number, size: number): number {
  if (length > size) throw valueInvalid({ ...cursor.place(), type: `char of ${size} bytes`, reason: `${length} bytes` })
  return length
}

function readGeometry(cursor: ByteCursor, size: number): GeometryValue {
  if (size < 4) throw valueInvalid({ ...cursor.place(), type: 'geometry', reason: `${size} bytes` })
  return { kind: 'geometry', srid: cursor.u32(), wkb: cursor.view(size - 4) }
}

const PLAIN_OLD = { 'old-time': readOldTime, 'old-datetime': readOldDatetime, 'old-timestamp': readOldTimestamp }

type OldColumn = Column & { readonly type: keyof typeof PLAIN_OLD }

/** MySQL's old format has no fraction. MariaDB's can have one, in a size that the table map does not tell: a guess would shift a row. */
function oldTemporalReader(table: TableMap, column: OldColumn, oldTemporalDecimals: OldTemporalDecimals): ReadColumn {
  const decimals = table.flavour === 'mysql' ? 0 : oldTemporalDecimals(table, column)
  if (decimals === 0) return PLAIN_OLD[column.type]
  if (decimals !== undefined && decimals <= 6) return hiresReader(column.type, decimals)
  return (cursor) => {
    throw temporalAmbiguous({ ...cursor.place(), table: `${table.schema}.${table.table}`, column: column.index })
  }
}

function missing(table: TableMap, column: Column, what: string): ReadColumn {
  return (cursor) => {
    throw metadataMissing({ ...cursor.place(), table: `${table.schema}.${table.table}`, column: column.index, missing: what })
  }
}

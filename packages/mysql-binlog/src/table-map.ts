import { crc32 } from 'node:zlib'
import { ByteCursor } from './byte-cursor.ts'
import { type Column, type ColumnType, type Flavour, type TableMap, TYPE } from './columns.ts'
import { malformed } from './errors.ts'
import { emptyMetadata, readMetadata, type TableMetadata } from './table-metadata.ts'

/** MySQL's and MariaDB's own limit. */
const COLUMNS_MAX = 4096
const TABLE_ID_BYTES = 6
const FLAG_TRIGGERS = 0x4000

/** @throws BINLOG_TRUNCATED, BINLOG_MALFORMED */
export function readTableMap(cursor: ByteCursor, flavour: Flavour): TableMap {
  const start = cursor.at
  const tableId = cursor.u48()
  const flags = cursor.u16()
  const schema = readName(cursor)
  const table = readName(cursor)
  const count = cursor.lengthCoded()
  if (count < 1 || count > COLUMNS_MAX) throw malformed({ ...cursor.place(), reason: `${count} columns` })
  const types = cursor.view(count)
  const sizes = subCursor(cursor, cursor.lengthCoded())
  const shapes = readShapes(types, sizes)
  const nulls = cursor.view((count + 7) >> 3)
  const metadata = shapes === undefined ? emptyMetadata() : readMetadata(cursor, { shapes, flavour })
  return {
    tableId,
    schema,
    table,
    columns: Array.from(types, (typeCode, index) =>
      columnOf({ index, metadata, nullable: (((nulls[index >> 3] as number) >> (index & 7)) & 1) === 1 }, shapes?.[index] ?? unknownShape(typeCode))
    ),
    primaryKey: metadata.primaryKey,
    fingerprint: crc32(cursor.bytes.subarray(start + TABLE_ID_BYTES, cursor.end)),
    hasTriggers: (flags & FLAG_TRIGGERS) !== 0,
    flavour
  }
}

function readName(cursor: ByteCursor): string {
  const name = cursor.text(cursor.u8())
  if (cursor.u8() !== 0) throw malformed({ ...cursor.place(), reason: 'a name without its end' })
  return name
}

function subCursor(cursor: ByteCursor, size: number): ByteCursor {
  const at = cursor.take(size)
  return new ByteCursor(cursor.bytes, at, at + size, cursor.context)
}

/** A column as the fixed part of the table map tells it. */
export interface ColumnShape {
  readonly type: ColumnType
  readonly typeCode: number
  readonly size: number
  readonly precision: number
  readonly decimals: number
}

function shape(type: ColumnType, typeCode: number, sizes: Partial<ColumnShape> = {}): ColumnShape {
  return { type, typeCode, size: 0, precision: 0, decimals: 0, ...sizes }
}

function unknownShape(typeCode: number): ColumnShape {
  return shape('unknown', typeCode)
}

/**
 * Undefined as soon as one type is unknown: how many bytes its size takes is unknown too, so nothing behind it can be read. The
 * table stays visible, its rows end in BINLOG_TYPE_UNKNOWN.
 */
function readShapes(types: Buffer, sizes: ByteCursor): ColumnShape[] | undefined {
  const shapes: ColumnShape[] = []
  for (const typeCode of types) {
    const one = readShape(typeCode, sizes)
    if (one === undefined) return undefined
    shapes.push(one)
  }
  if (sizes.left > 0) throw malformed({ ...sizes.place(), reason: 'column sizes left over' })
  return shapes
}

const FIXED: ReadonlyMap<number, ColumnType> = new Map([
  [TYPE.tiny, 'tinyint'],
  [TYPE.short, 'smallint'],
  [TYPE.int24, 'mediumint'],
  [TYPE.long, 'int'],
  [TYPE.longlong, 'bigint'],
  [TYPE.null, 'null'],
  [TYPE.year, 'year'],
  [TYPE.date, 'date'],
  [TYPE.newDate, 'date'],
  [TYPE.time, 'old-time'],
  [TYPE.datetime, 'old-datetime'],
  [TYPE.timestamp, 'old-timestamp']
])

const WITH_DECIMALS: ReadonlyMap<number, ColumnType> = new Map([
  [TYPE.time2, 'time'],
  [TYPE.datetime2, 'datetime'],
  [TYPE.timestamp2, 'timestamp']
])

/** Types whose size is the bytes of a length. */
const WITH_LENGTH: ReadonlyMap<number, ColumnType> = new Map([
  [TYPE.blob, 'blob'],
  [TYPE.blobCompressed, 'blob-compressed'],
  [TYPE.json, 'json'],
  [TYPE.geometry, 'geometry'],
  [TYPE.vector, 'vector']
])

function readShape(typeCode: number, sizes: ByteCursor): ColumnShape | undefined {
  const fixed = FIXED.get(typeCode)
  if (fixed !== undefined) return shape(fixed, typeCode)
  const temporal = WITH_DECIMALS.get(typeCode)
  if (temporal !== undefined) return shape(temporal, typeCode, { decimals: inRange(sizes, sizes.u8(), [0, 6]) })
  const sized = WITH_LENGTH.get(typeCode)
  if (sized !== undefined) return shape(sized, typeCode, { size: inRange(sizes, sizes.u8(), [1, 4]) })
  switch (typeCode) {
    case TYPE.float:
      return shape('float', typeCode, { size: inRange(sizes, sizes.u8(), [4, 4]) })
    case TYPE.double:
      return shape('double', typeCode, { size: inRange(sizes, sizes.u8(), [8, 8]) })
    case TYPE.newDecimal: {
      const precision = inRange(sizes, sizes.u8(), [1, 65])
      return shape('decimal', typeCode, { precision, decimals: inRange(sizes, sizes.u8(), [0, Math.min(38, precision)]) })
    }
    case TYPE.bit: {
      const bits = sizes.u8() + sizes.u8() * 8
      return shape('bit', typeCode, { size: inRange(sizes, bits, [1, 64]) })
    }
    case TYPE.varchar:
    case TYPE.varString:
      return shape('varchar', typeCode, { size: sizes.u16() })
    case TYPE.varcharCompressed:
      return shape('varchar-compressed', typeCode, { size: sizes.u16() })
    case TYPE.string:
      return readStringShape(sizes)
    default:
      return undefined
  }
}

/** CHAR, BINARY, ENUM and SET share a type code: the first byte tells them apart and holds two inverted bits of a CHAR's length. */
function readStringShape(sizes: ByteCursor): ColumnShape {
  const first = sizes.u8()
  const second = sizes.u8()
  if (first === TYPE.enum) return shape('enum', first, { size: inRange(sizes, second, [1, 2]) })
  if (first === TYPE.set) return shape('set', first, { size: inRange(sizes, second, [1, 8]) })
  if ((first | 0x30) !== TYPE.string) throw malformed({ ...sizes.place(), reason: `string type ${first}` })
  return shape('char', TYPE.string, { size: (((first & 0x30) ^ 0x30) << 4) | second })
}

function inRange(cursor: ByteCursor, value: number, [min, max]: readonly [number, number]): number {
  if (value < min || value > max) throw malformed({ ...cursor.place(), reason: `column size ${value} is not within ${min}..${max}` })
  return value
}

interface Known {
  readonly index: number
  readonly nullable: boolean
  readonly metadata: TableMetadata
}

function columnOf({ index, nullable, metadata }: Known, own: ColumnShape): Column {
  return {
    ...own,
    index,
    nullable,
    name: metadata.names?.[index],
    unsigned: metadata.unsigned.get(index),
    collation: metadata.collations.get(index),
    members: metadata.members.get(index),
    geometryType: metadata.geometryTypes.get(index),
    vectorDimensions: metadata.vectorDimensions.get(index),
    visible: metadata.visible?.[index]
  }
}

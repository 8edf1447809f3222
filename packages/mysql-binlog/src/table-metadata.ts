import { ByteCursor } from './byte-cursor.ts'
import type { ColumnType, Flavour, KeyPart } from './columns.ts'
import { malformed } from './errors.ts'
import type { ColumnShape } from './table-map.ts'

/** What `binlog_row_metadata` adds to a table map, by column index. */
export interface TableMetadata {
  readonly unsigned: ReadonlyMap<number, boolean>
  readonly collations: ReadonlyMap<number, number>
  readonly members: ReadonlyMap<number, readonly Buffer[]>
  readonly geometryTypes: ReadonlyMap<number, number>
  readonly vectorDimensions: ReadonlyMap<number, number>
  readonly names: readonly string[] | undefined
  readonly primaryKey: readonly KeyPart[] | undefined
  readonly visible: readonly boolean[] | undefined
}

export function emptyMetadata(): TableMetadata {
  return draft()
}

type Draft = { -readonly [Key in keyof TableMetadata]: TableMetadata[Key] extends ReadonlyMap<infer K, infer V> ? Map<K, V> : TableMetadata[Key] }

function draft(): Draft {
  return {
    unsigned: new Map(),
    collations: new Map(),
    members: new Map(),
    geometryTypes: new Map(),
    vectorDimensions: new Map(),
    names: undefined,
    primaryKey: undefined,
    visible: undefined
  }
}

interface Table {
  readonly shapes: readonly ColumnShape[]
  readonly flavour: Flavour
}

const NUMERIC = new Set<ColumnType>(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'float', 'double', 'decimal', 'year'])
const CHARACTER = new Set<ColumnType>(['char', 'varchar', 'blob', 'varchar-compressed', 'blob-compressed'])

/**
 * Fields of type, length, value to the end of the cursor. Lists go by the columns they are about, in table order. MariaDB counts a
 * GEOMETRY column among the character columns, MySQL a VECTOR column. A field of an unknown type is passed over: it cannot change the
 * meaning of the others. @throws BINLOG_TRUNCATED, BINLOG_MALFORMED
 */
export function readMetadata(cursor: ByteCursor, { shapes, flavour }: Table): TableMetadata {
  const metadata = draft()
  const all = shapes.map((_, index) => index)
  const of = (...types: ColumnType[]): number[] => all.filter((index) => types.includes((shapes[index] as ColumnShape).type))
  const character = [...CHARACTER, ...(flavour === 'mariadb' ? (['geometry'] as const) : (['vector'] as const))]
  while (cursor.left > 0) {
    const type = cursor.u8()
    const size = cursor.lengthCoded()
    const at = cursor.take(size)
    const field = new ByteCursor(cursor.bytes, at, at + size, cursor.context)
    switch (type) {
      case 1:
        metadata.unsigned = readBits(field, of(...NUMERIC))
        break
      case 2:
        readDefaultCollation(field, of(...character), metadata.collations)
        break
      case 3:
        readCollations(field, of(...character), metadata.collations)
        break
      case 4:
        metadata.names = all.map(() => field.text(field.lengthCoded()))
        break
      case 5:
        readMembers(field, of('set'), metadata.members)
        break
      case 6:
        readMembers(field, of('enum'), metadata.members)
        break
      case 7:
        for (const column of of('geometry')) metadata.geometryTypes.set(column, field.lengthCoded())
        break
      case 8:
        metadata.primaryKey = readKey(field, { columns: all.length, prefixes: false })
        break
      case 9:
        metadata.primaryKey = readKey(field, { columns: all.length, prefixes: true })
        break
      case 10:
        readDefaultCollation(field, of('enum', 'set'), metadata.collations)
        break
      case 11:
        readCollations(field, of('enum', 'set'), metadata.collations)
        break
      case 12:
        metadata.visible = [...readBits(field, all).values()]
        break
      case 13:
        for (const column of of('vector')) metadata.vectorDimensions.set(column, field.lengthCoded())
        break
      default:
        continue
    }
    if (field.left > 0) throw malformed({ ...field.place(), reason: `metadata field ${type} is too long` })
  }
  return metadata
}

/** One bit per column, the highest first. */
function readBits(field: ByteCursor, columns: readonly number[]): Map<number, boolean> {
  const bytes = field.view((columns.length + 7) >> 3)
  return new Map(columns.map((column, at) => [column, ((bytes[at >> 3] as number) & (0x80 >> (at & 7))) !== 0]))
}

function readDefaultCollation(field: ByteCursor, columns: readonly number[], collations: Map<number, number>): void {
  const common = field.lengthCoded()
  for (const column of columns) collations.set(column, common)
  while (field.left > 0) {
    const column = columns[field.lengthCoded()]
    if (column === undefined) throw malformed({ ...field.place(), reason: 'a collation of no column' })
    collations.set(column, field.lengthCoded())
  }
}

function readCollations(field: ByteCursor, columns: readonly number[], collations: Map<number, number>): void {
  for (const column of columns) collations.set(column, field.lengthCoded())
}

/** The servers' own limit for ENUM. */
const LABELS_MAX = 65_535

/** Labels are copied: the table map outlives its packet. */
function readMembers(field: ByteCursor, columns: readonly number[], members: Map<number, readonly Buffer[]>): void {
  for (const column of columns) {
    const labels: Buffer[] = []
    const count = field.lengthCoded()
    if (count > LABELS_MAX) throw malformed({ ...field.place(), reason: `${count} labels` })
    for (let left = count; left > 0; left--) labels.push(Buffer.from(field.view(field.lengthCoded())))
    members.set(column, labels)
  }
}

function readKey(field: ByteCursor, { columns, prefixes }: { columns: number; prefixes: boolean }): KeyPart[] {
  const parts: KeyPart[] = []
  while (field.left > 0) {
    const column = field.lengthCoded()
    if (column >= columns) throw malformed({ ...field.place(), reason: `key part ${column} is no column` })
    parts.push({ column, prefix: prefixes ? field.lengthCoded() : 0 })
  }
  return parts
}

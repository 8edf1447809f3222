import type { CellValue, Column, Row } from '@cellway/change'
import {
  ABSENT,
  type Column as BinlogColumn,
  type Row as BinlogRow,
  type ColumnValue,
  inet4Text,
  inet6Text,
  type TableMap,
  uuidText
} from '@cellway/mysql-binlog'
import { characterSetOfCollation } from './charset.ts'
import { columnDefinition } from './column-type.ts'
import type { ColumnDescription, TableDescription } from './description.ts'
import { metadataMissing, noKey, typeUnknown, valueInvalid } from './errors.ts'
import { typeOfMap } from './map-type.ts'
import type { CapturePlan } from './plan.ts'

type Present = Exclude<ColumnValue, null | typeof ABSENT>
/** Of one column; undefined where numbers, texts and bytes go through as they are. */
type Convert = ((value: Present) => CellValue) | undefined

/**
 * Compiled once per table map. The description gives what a table map does not tell (UUID and its kin, MariaDB's JSON, generated
 * columns, defaults); where it is of another version of the table, or missing, the table map is right.
 * @throws MYV_METADATA_MISSING, MYV_NO_KEY, MYV_TYPE_UNKNOWN
 */
export function captureTable(map: TableMap, description: TableDescription | undefined): CapturePlan {
  const table = `${map.schema}.${map.table}`
  const described = new Map(description?.columns.map((column) => [column.name, column]))
  const columns: Column[] = []
  const places: number[] = []
  const converts: Convert[] = []
  for (const column of map.columns) {
    if (column.name === undefined) throw metadataMissing({ table, missing: 'the names of the columns' })
    const known = fitting(described.get(column.name), column, table)
    if (known !== undefined && known.generated !== 'no') continue
    columns.push({ name: column.name, ...typeOf(column, known, table) })
    places.push(column.index)
    converts.push(converterOf(column, known, { table, name: column.name }))
  }
  const keyColumns = keyColumnsOf(map, description, { columns, places, table })
  return { identity: { schema: map.schema, name: map.table, columns, keyColumns }, row: compileRow(places, converts) }
}

function compileRow(places: readonly number[], converts: readonly Convert[]): (row: BinlogRow) => Row {
  const count = places.length
  const direct = places.every((place, index) => place === index) && converts.every((convert) => convert === undefined)
  if (direct) return (row) => directRow(row, count)
  return (row) => {
    const out: CellValue[] = new Array<CellValue>(count)
    for (let index = 0; index < count; index++) {
      const value = row[places[index] as number] as ColumnValue
      const convert = converts[index]
      if (value === ABSENT) out[index] = undefined
      else out[index] = convert === undefined || value === null ? (value as CellValue) : convert(value)
    }
    return out
  }
}

/** No column needs to be changed. */
function directRow(row: BinlogRow, count: number): Row {
  const out: CellValue[] = new Array<CellValue>(count)
  for (let index = 0; index < count; index++) {
    const value = row[index] as ColumnValue
    out[index] = value === ABSENT ? undefined : (value as CellValue)
  }
  return out
}

/** The description of a column, if it is of the column that the table map has; a later ALTER may have changed it. */
function fitting(known: ColumnDescription | undefined, column: BinlogColumn, table: string): ColumnDescription | undefined {
  if (known === undefined) return undefined
  const expected = typeOfMap(column, characterSetOf(column, known, table))
  return expected?.families.includes(known.dataType) ? known : undefined
}

function typeOf(column: BinlogColumn, known: ColumnDescription | undefined, table: string): Omit<Column, 'name'> {
  const name = column.name ?? ''
  const ofMap = typeOfMap(column, characterSetOf(column, known, table))
  if (ofMap === undefined) throw typeUnknown({ table, column: name, type: `${column.type} (${column.typeCode})` })
  if (known === undefined || !ofMap.sameSize(known.columnType)) {
    const collation = ''
    return {
      type: columnDefinition({ typeSql: ofMap.typeSql, collation, nullable: column.nullable, defaultSql: undefined, extra: '' }),
      characterSet: ofMap.characterSet
    }
  }
  const { columnType, collation, defaultSql, extra } = known
  const characterSet = known.dataType === 'json' ? known.characterSet : ofMap.characterSet
  const definition = {
    typeSql: columnType,
    // A collation of another character set is of another version of the table.
    collation: characterSet === known.characterSet && known.dataType !== 'json' ? collation : '',
    nullable: column.nullable,
    defaultSql,
    extra
  }
  return { type: columnDefinition(definition), characterSet }
}

const TEXTS = new Set(['char', 'varchar', 'blob', 'varchar-compressed', 'blob-compressed', 'enum', 'set'])

function characterSetOf(column: BinlogColumn, known: ColumnDescription | undefined, table: string): string {
  if (!TEXTS.has(column.type)) return ''
  if (column.collation === undefined) throw metadataMissing({ table, missing: `the collation of ${column.name ?? column.index}` })
  const characterSet = characterSetOfCollation(column.collation) ?? known?.characterSet
  if (characterSet === undefined) throw typeUnknown({ table, column: column.name ?? '', type: `collation ${column.collation}` })
  return characterSet
}

function converterOf(column: BinlogColumn, known: ColumnDescription | undefined, place: { table: string; name: string }): Convert {
  const wrong = (problem: string) => valueInvalid({ table: place.table, column: place.name, type: column.type, problem })
  switch (column.type) {
    case 'enum':
      return (value) => {
        if (typeof value !== 'object' || !('kind' in value) || value.kind !== 'enum') throw wrong('no ENUM')
        if (value.index === 0) return 0
        if (value.label === undefined) throw metadataMissing({ table: place.table, missing: `the labels of ${place.name}` })
        return value.label
      }
    case 'set':
      return (value) => {
        if (typeof value !== 'object' || !('kind' in value) || value.kind !== 'set') throw wrong('no SET')
        if (value.label === undefined) throw metadataMissing({ table: place.table, missing: `the labels of ${place.name}` })
        return value.label
      }
    case 'geometry':
      return (value) => {
        if (typeof value !== 'object' || !('kind' in value) || value.kind !== 'geometry') throw wrong('no geometry')
        const bytes = Buffer.allocUnsafe(4 + value.wkb.length)
        bytes.writeUInt32LE(value.srid)
        value.wkb.copy(bytes, 4)
        return bytes
      }
    case 'json':
      return (value) => {
        if (typeof value !== 'string') throw wrong('changes of a JSON document without the document; the source must log whole rows')
        return value
      }
    case 'char':
      return addressConverter(known?.dataType, wrong)
    default:
      return undefined
  }
}

function addressConverter(dataType: string | undefined, wrong: (problem: string) => Error): Convert {
  const print = { uuid: uuidText, inet4: inet4Text, inet6: inet6Text }[dataType ?? '']
  if (print === undefined) return undefined
  return (value) => {
    if (!Buffer.isBuffer(value)) throw wrong('no bytes')
    return print(value)
  }
}

interface Made {
  readonly columns: readonly Column[]
  readonly places: readonly number[]
  readonly table: string
}

/** As the table map says it; else the unique key of the description. Indexes into the identity's columns. */
function keyColumnsOf(map: TableMap, description: TableDescription | undefined, { columns, places, table }: Made): number[] {
  const ofMap = map.primaryKey?.map(({ column }) => places.indexOf(column))
  if (ofMap !== undefined && ofMap.length > 0) {
    if (!ofMap.includes(-1)) return ofMap
  }
  const ofDescription = description?.keyColumns.map((index) => columns.findIndex(({ name }) => name === description.columns[index]?.name)) ?? []
  if (ofDescription.length > 0 && !ofDescription.includes(-1)) return ofDescription
  const reason = ofMap?.includes(-1) ? 'its primary key has a generated column' : 'there is no such key'
  throw noKey({ table, reason })
}

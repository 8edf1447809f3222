import type { Column } from '@cellway/mysql-binlog'
import { bytesPerCharacter, decodeText } from './charset.ts'
import { serverLabel, serverLabels } from './server-text.ts'

/** What a table map alone tells of a column's type. */
export interface MapType {
  /** Data types that look like this in a binlog. */
  readonly families: readonly string[]
  readonly typeSql: string
  readonly characterSet: string
  /** Whether a described type has the size that the table map has. */
  sameSize(columnType: string): boolean
}

const anySize = (): boolean => true

/** `characterSet` of text columns; empty or `binary` for bytes. Undefined for a type that this version does not know. */
export function typeOfMap(column: Column, characterSet: string): MapType | undefined {
  const { type, size, precision, decimals } = column
  const plain = (typeSql: string, families: readonly string[] = [typeSql], sameSize: (columnType: string) => boolean = anySize): MapType => ({
    families,
    typeSql,
    characterSet: '',
    sameSize
  })
  const isUnsigned = column.unsigned === true
  const signedSql = (name: string): MapType =>
    plain(isUnsigned ? `${name} unsigned` : name, [name], (columnType) => /\bunsigned\b/i.test(columnType) === isUnsigned)
  switch (type) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
    case 'float':
    case 'double':
      return signedSql(type)
    case 'decimal': {
      const typeSql = `decimal(${precision},${decimals})`
      return plain(isUnsigned ? `${typeSql} unsigned` : typeSql, ['decimal'], (columnType) => columnType.toLowerCase().startsWith(typeSql))
    }
    case 'bit':
      return plain(`bit(${size})`, ['bit'], (columnType) => columnType.toLowerCase() === `bit(${size})`)
    case 'year':
    case 'date':
      return plain(type)
    case 'time':
    case 'datetime':
    case 'timestamp': {
      const typeSql = decimals === 0 ? type : `${type}(${decimals})`
      return plain(typeSql, [type], (columnType) => columnType.toLowerCase() === typeSql)
    }
    case 'old-time':
    case 'old-datetime':
    case 'old-timestamp':
      // How many digits it has is known only to the description.
      return plain(type.slice(4), [type.slice(4)])
    case 'json':
      return plain('json')
    case 'geometry':
      return geometry(column)
    case 'vector':
      return plain(`vector(${column.vectorDimensions ?? 2048})`, ['vector'])
    default:
      return textual(column, characterSet)
  }
}

const GEOMETRIES = ['geometry', 'point', 'linestring', 'polygon', 'multipoint', 'multilinestring', 'multipolygon', 'geometrycollection']

function geometry({ geometryType }: Column): MapType {
  const name = GEOMETRIES[geometryType ?? 0] ?? 'geometry'
  return { families: [...GEOMETRIES, 'geomcollection'], typeSql: name, characterSet: '', sameSize: anySize }
}

const BLOBS = ['', 'tiny', '', 'medium', 'long']

function textual(column: Column, characterSet: string): MapType | undefined {
  const { type, size, members = [] } = column
  const isBytes = characterSet === '' || characterSet === 'binary'
  const characters = Math.floor(size / bytesPerCharacter(characterSet))
  const common = { characterSet: isBytes ? '' : characterSet }
  const sized = (columnType: string): number => Number(/\((\d+)/.exec(columnType)?.[1] ?? -1)
  switch (type) {
    case 'char':
      if (isBytes) {
        const families = ['binary', 'uuid', 'inet4', 'inet6']
        return { ...common, families, typeSql: `binary(${size})`, sameSize: (columnType) => [-1, size].includes(sized(columnType)) }
      }
      return { ...common, families: ['char'], typeSql: `char(${characters})`, sameSize: (columnType) => sized(columnType) === characters }
    case 'varchar':
    case 'varchar-compressed': {
      const tail = type === 'varchar' ? '' : ' /*M!100301 COMPRESSED*/'
      const [name, length] = isBytes ? ['varbinary', size] : ['varchar', characters]
      // MariaDB's VECTOR is bytes of a variable length here.
      return { ...common, families: [name, 'vector'], typeSql: `${name}(${length})${tail}`, sameSize: (columnType) => sized(columnType) === length }
    }
    case 'blob':
    case 'blob-compressed': {
      const name = `${BLOBS[size] ?? ''}${isBytes ? 'blob' : 'text'}`
      const tail = type === 'blob' ? '' : ' /*M!100301 COMPRESSED*/'
      const families = name === 'longtext' ? [name, 'json'] : [name]
      return { ...common, families, typeSql: `${name}${tail}`, sameSize: anySize }
    }
    case 'enum':
    case 'set': {
      const labels = members.map((label) => serverLabel(decodeText(label, characterSet) ?? label.toString('latin1')))
      const sameSize = (columnType: string): boolean => countLabels(columnType) === members.length
      return { characterSet, families: [type], typeSql: `${type}(${labels.join(',')})`, sameSize }
    }
    default:
      return undefined
  }
}

function countLabels(columnType: string): number {
  return serverLabels(columnType).length
}

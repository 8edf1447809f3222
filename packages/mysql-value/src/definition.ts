import type { Column, TableIdentity } from '@cellway/change'
import { isAsciiBased } from './charset.ts'
import { type ColumnShape, parseColumn } from './column-type.ts'
import type { Flavour } from './description.ts'
import { typeUnknown } from './errors.ts'
import { quoteIdentifier, quoteTable } from './quote.ts'
import { serverLabel } from './server-text.ts'

export interface DefinitionOptions {
  readonly flavour: Flavour
  /** Part of the key: it cannot be NULL. */
  readonly isKey: boolean
  /** The target counts this column up, or shall; that takes a key that begins with it. */
  readonly counts: boolean
  /** The column's own table, for errors. */
  readonly table: string
}

const MARIADB_ONLY: Readonly<Record<string, { readonly typeSql: string; readonly characterSet: string }>> = {
  uuid: { typeSql: 'char(36)', characterSet: 'ascii' },
  inet4: { typeSql: 'varchar(15)', characterSet: 'ascii' },
  inet6: { typeSql: 'varchar(39)', characterSet: 'ascii' }
}

/** A column as CREATE and ALTER TABLE of the flavour take it. @throws MYV_TYPE_UNKNOWN */
export function columnSql(column: Column, { flavour, isKey, counts, table }: DefinitionOptions): string {
  const shape = parseColumn(column)
  if (shape === undefined) throw typeUnknown({ table, column: column.name, type: column.type })
  const replaced = flavour === 'mysql' ? MARIADB_ONLY[shape.base] : undefined
  const characterSet = replaced?.characterSet ?? (shape.base === 'json' ? '' : column.characterSet)
  const collation = replaced !== undefined || shape.base === 'json' ? '' : collationFor(shape.collation, flavour)
  const parts = [quoteIdentifier(column.name), replaced?.typeSql ?? typeFor(shape, column.characterSet, flavour)]
  if (characterSet !== '' && shape.kind !== 'bytes') parts.push(`CHARACTER SET ${characterSet}`)
  if (collation !== '') parts.push(`COLLATE ${collation}`)
  parts.push(shape.notNull || isKey ? 'NOT NULL' : 'NULL')
  const value = shape.defaultSql === undefined ? undefined : defaultFor(shape.defaultSql, { flavour, typeSql: shape.typeSql })
  if (value !== undefined) parts.push(`DEFAULT ${value}`)
  if (counts) parts.push('AUTO_INCREMENT')
  if (shape.invisible) parts.push('INVISIBLE')
  return parts.join(' ')
}

/** MySQL has no COMPRESSED columns, and a name for GEOMETRYCOLLECTION that MariaDB does not know. */
function typeFor({ base, typeSql: written, members }: ColumnShape, characterSet: string, flavour: Flavour): string {
  if (base === 'enum' || base === 'set') return `${base}(${members.map((label) => labelSql(label, characterSet)).join(',')})`
  const typeSql = written.replace(/^geomcollection\b/i, 'geometrycollection')
  return flavour === 'mysql' ? typeSql.replace(/ ?\/\*M?!\d+ COMPRESSED\*\//, '') : typeSql.replace(/\/\*M?!\d+ (COMPRESSED)\*\//, '$1')
}

/** Labels take no character set of their own; as bytes they are in the column's. */
function labelSql(label: string, characterSet: string): string {
  const isAscii = !/[^\x00-\x7f]/.test(label)
  const isUtf8 = characterSet === 'utf8mb4' || characterSet === 'utf8mb3' || (isAscii && isAsciiBased(characterSet))
  if (isUtf8 && /[\\\x00-\x1f]/.test(label)) return `X'${Buffer.from(label).toString('hex')}'`
  return serverLabel(label)
}

/** Collations that only one flavour has give way to the character set's own. */
function collationFor(collation: string, flavour: Flavour): string {
  const foreign = flavour === 'mysql' ? /_nopad_|_uca1400_|_general1400_/ : /_0900_|_ja_0900_/
  return foreign.test(collation) ? '' : collation
}

interface DefaultContext {
  readonly flavour: Flavour
  readonly typeSql: string
}

const NO_LITERAL_DEFAULT = /^(?:tiny|medium|long)?(?:text|blob)|^json|^geometry|^point/i

/** MySQL wants parentheses around all expressions but CURRENT_TIMESTAMP, and around any default of a TEXT. */
function defaultFor(defaultSql: string, { flavour, typeSql }: DefaultContext): string | undefined {
  if (flavour === 'mariadb') return defaultSql
  const [, value = defaultSql, onUpdate = ''] = /^(.*?)( on update .*)?$/is.exec(defaultSql) ?? []
  const isTime = /^current_timestamp(?:\(\d?\))?$/i.test(value)
  const isLiteral = /^(?:NULL|-?[\d.]+(?:e[-+]?\d+)?|(?:_\w+ )?(?:[xb]|_\w+ X)?'(?:[^']|'')*'|0x[0-9a-f]+)$/i.test(value)
  const plain = isTime || value.startsWith('(') || (isLiteral && !NO_LITERAL_DEFAULT.test(typeSql))
  return `${plain ? value : `(${value})`}${onUpdate}`
}

/** @throws MYV_TYPE_UNKNOWN */
export function createTableSql(source: TableIdentity, flavour: Flavour): string {
  const table = `${source.schema}.${source.name}`
  const counts = (column: Column, index: number): boolean => source.keyColumns[0] === index && parseColumn(column)?.autoIncrement === true
  const columns = source.columns.map((column, index) =>
    columnSql(column, { flavour, isKey: source.keyColumns.includes(index), counts: counts(column, index), table })
  )
  const key = source.keyColumns.map((index) => quoteIdentifier(source.columns[index]?.name ?? '')).join(', ')
  return `CREATE TABLE ${quoteTable(source)} (${[...columns, `PRIMARY KEY (${key})`].join(', ')}) ENGINE=InnoDB`
}

export interface AlterOptions {
  readonly flavour: Flavour
  /** Names of the source's columns that the target lacks. */
  readonly add: ReadonlySet<string>
  /** Those that it computes: they cannot be changed, only dropped and added. */
  readonly replace: ReadonlySet<string>
  /** Those that it has, but too small or of another kind, and whether it counts them up. */
  readonly modify: ReadonlyMap<string, boolean>
  /** More clauses, as they are. */
  readonly clauses: readonly string[]
}

/** Each column goes where the source has it: behind the one before it. @throws MYV_TYPE_UNKNOWN */
export function alterTableSql(source: TableIdentity, { flavour, add, replace, modify, clauses }: AlterOptions): string {
  const table = `${source.schema}.${source.name}`
  const changes = source.columns.flatMap((column, index) => {
    const definition = (counts: boolean): string => columnSql(column, { flavour, isKey: source.keyColumns.includes(index), counts, table })
    const counts = modify.get(column.name)
    if (counts !== undefined) return [`MODIFY COLUMN ${definition(counts)}`]
    if (!add.has(column.name) && !replace.has(column.name)) return []
    const before = source.columns[index - 1]
    const drop = replace.has(column.name) ? [`DROP COLUMN ${quoteIdentifier(column.name)}`] : []
    return [...drop, `ADD COLUMN ${definition(false)} ${before === undefined ? 'FIRST' : `AFTER ${quoteIdentifier(before.name)}`}`]
  })
  const all = [...changes, ...clauses]
  return all.length === 0 ? '' : `ALTER TABLE ${quoteTable(source)} ${all.join(', ')}`
}

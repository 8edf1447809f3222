import type { ColumnDescription, Flavour } from './description.ts'
import { descriptionInvalid } from './errors.ts'
import { quoteBytes, quoteIdentifier, quoteText } from './quote.ts'
import { neutralSql, unescapeServerText } from './server-text.ts'

type Cells = Readonly<Record<string, string | null>>

interface Known {
  readonly flavour: Flavour
  readonly index: number
  /** Of the table's checks. */
  readonly clauses: ReadonlySet<string>
}

/** One row of information_schema.COLUMNS. @throws MYV_DESCRIPTION_INVALID */
export function describeColumn(row: Cells, { flavour, index, clauses }: Known): ColumnDescription {
  const name = row.column_name
  const columnType = row.column_type
  const dataType = row.data_type?.toLowerCase()
  if (typeof name !== 'string' || typeof columnType !== 'string' || dataType === undefined)
    throw descriptionInvalid({ problem: 'a column without name or type' })
  const extra = row.extra ?? ''
  const isJson =
    flavour === 'mariadb' && dataType === 'longtext' && row.collation_name === 'utf8mb4_bin' && clauses.has(`json_valid(${quoteIdentifier(name)})`)
  return {
    name,
    index,
    columnType: isJson ? 'json' : columnType,
    dataType: isJson ? 'json' : dataType,
    characterSet: characterSetName(row.character_set_name ?? ''),
    collation: row.collation_name ?? '',
    nullable: row.is_nullable === 'YES',
    defaultSql: defaultOf(row, { flavour, dataType, extra }),
    generated: generatedOf(row, extra),
    autoIncrement: /\bauto_increment\b/i.test(extra),
    unsigned: /\bunsigned\b/i.test(columnType.replace(/'(?:[^'\\]|\\.|'')*'/g, '')),
    invisible: /\bINVISIBLE\b/i.test(extra),
    extra
  }
}

/** MySQL before 8.0.30 calls it utf8, which may mean utf8mb4 one day. */
export function characterSetName(name: string): string {
  return name === 'utf8' ? 'utf8mb3' : name
}

function generatedOf(row: Cells, extra: string): 'no' | 'virtual' | 'stored' {
  if (/\bVIRTUAL\b/i.test(extra)) return 'virtual'
  if (/\b(?:STORED|PERSISTENT)\b/i.test(extra)) return 'stored'
  const expression = row.generation_expression
  // MariaDB's row_start and row_end of a versioned table.
  return typeof expression === 'string' && expression !== '' ? 'stored' : 'no'
}

const NUMERIC = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'float', 'double', 'year'])

const BINARY = new Set(['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'])

/** MariaDB prints bytes as if they were text; ASCII is what survives that. */
function binaryDefault(value: string): string {
  const content = /^'(.*)'$/s.exec(value)?.[1]
  return content === undefined ? neutralSql(value) : quoteBytes(Buffer.from(unescapeServerText(content)))
}

interface DefaultContext {
  readonly flavour: Flavour
  readonly dataType: string
  readonly extra: string
}

/** MariaDB says an expression; MySQL a bare value, with a mark in `extra` where it is an expression. */
function defaultOf(row: Cells, { flavour, dataType, extra }: DefaultContext): string | undefined {
  const value = row.column_default
  if (/GENERATED/i.test(extra) && !/DEFAULT_GENERATED/i.test(extra)) return undefined
  if (typeof value !== 'string') return row.is_nullable === 'YES' ? 'NULL' : undefined
  const isBinary = row.character_set_name === null && BINARY.has(dataType)
  if (flavour === 'mariadb') return isBinary ? binaryDefault(value) : neutralSql(value)
  if (/DEFAULT_GENERATED/i.test(extra)) {
    // An expression is escaped twice: as it was written, and as a value of this column.
    return /^CURRENT_TIMESTAMP(?:\(\d\))?$/i.test(value) ? value : `(${neutralSql(unescapeServerText(value))})`
  }
  if (NUMERIC.has(dataType) || /^(?:b'[01]*'|0x[0-9A-Fa-f]+)$/.test(value)) return value
  // What is left of bytes that begin with 00: better none than another one.
  if (isBinary) return undefined
  return quoteText(value)
}

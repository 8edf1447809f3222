import type { ColumnDescription, Flavour } from './description.ts'
import { descriptionInvalid } from './errors.ts'
import { quoteIdentifier, quoteText } from './quote.ts'

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
    unsigned: /\bunsigned\b/i.test(columnType.replace(/'(?:[^']|'')*'/g, '')),
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
  if (flavour === 'mariadb') return value
  if (/DEFAULT_GENERATED/i.test(extra)) return /^CURRENT_TIMESTAMP(?:\(\d\))?$/i.test(value) ? value : `(${value.replaceAll("\\'", "'")})`
  if (NUMERIC.has(dataType) || /^(?:b'[01]*'|0x[0-9A-Fa-f]+)$/.test(value)) return value
  return quoteText(value)
}

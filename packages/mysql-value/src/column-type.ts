/** Column types as SQL spells them, taken apart. */
import { serverLabels } from './server-text.ts'

export type ValueKind =
  | 'int'
  | 'bigint'
  | 'bit'
  | 'decimal'
  | 'float'
  | 'double'
  | 'year'
  | 'temporal'
  | 'text'
  | 'bytes'
  | 'enum'
  | 'set'
  /** MySQL's, as text. */
  | 'json'
  | 'geometry'
  /** UUID, INET4, INET6: canonical text. */
  | 'address'

export interface ColumnShape {
  /** `varchar`, `bigint`, … in lower case. */
  readonly base: string
  readonly kind: ValueKind
  /** Without collation, nullability and default. */
  readonly typeSql: string
  /** What is in the parentheses: length, precision, digits of a fraction; 0 where there is nothing. */
  readonly size: number
  /** Second number in the parentheses; -1 where there is none. */
  readonly decimals: number
  readonly members: readonly string[]
  readonly unsigned: boolean
  readonly zerofill: boolean
  /** Empty where it is not said. */
  readonly collation: string
  readonly notNull: boolean
  readonly autoIncrement: boolean
  readonly invisible: boolean
  /** With `on update …`. */
  readonly defaultSql: string | undefined
}

const KINDS: Readonly<Record<string, ValueKind>> = {
  tinyint: 'int',
  smallint: 'int',
  mediumint: 'int',
  int: 'int',
  integer: 'int',
  bigint: 'bigint',
  bit: 'bit',
  decimal: 'decimal',
  numeric: 'decimal',
  float: 'float',
  double: 'double',
  real: 'double',
  year: 'year',
  date: 'temporal',
  time: 'temporal',
  datetime: 'temporal',
  timestamp: 'temporal',
  char: 'text',
  varchar: 'text',
  tinytext: 'text',
  text: 'text',
  mediumtext: 'text',
  longtext: 'text',
  binary: 'bytes',
  varbinary: 'bytes',
  tinyblob: 'bytes',
  blob: 'bytes',
  mediumblob: 'bytes',
  longblob: 'bytes',
  vector: 'bytes',
  enum: 'enum',
  set: 'set',
  json: 'json',
  geometry: 'geometry',
  point: 'geometry',
  linestring: 'geometry',
  polygon: 'geometry',
  multipoint: 'geometry',
  multilinestring: 'geometry',
  multipolygon: 'geometry',
  geometrycollection: 'geometry',
  geomcollection: 'geometry',
  uuid: 'address',
  inet4: 'address',
  inet6: 'address'
}

const SYNONYMS: Readonly<Record<string, string>> = { integer: 'int', numeric: 'decimal', real: 'double', geomcollection: 'geometrycollection' }

/** The type with, perhaps, `collate …`, `not null`, `auto_increment`, `invisible`, `default …` behind it. Undefined for a type that this version does not know. */
export function parseColumn({ type, characterSet }: { readonly type: string; readonly characterSet: string }): ColumnShape | undefined {
  const word = /^\s*([a-z0-9]+)/i.exec(type)
  if (word?.[1] === undefined) return undefined
  const written = word[1].toLowerCase()
  const base = SYNONYMS[written] ?? written
  const known = KINDS[written]
  if (known === undefined) return undefined
  const open = word[0].length
  const close = type[open] === '(' ? closingParenthesis(type, open) : open
  const inner = close > open ? type.slice(open + 1, close - 1) : ''
  const rest = type.slice(close)
  const attributes = /\s(?:collate|not null|auto_increment|invisible|default)\b/i.exec(rest)
  const attributesAt = attributes === null ? rest.length : attributes.index
  const tail = rest.slice(attributesAt)
  const isMembers = base === 'enum' || base === 'set'
  const [size = '0', decimals = '-1'] = isMembers ? [] : inner.split(',')
  const defaultSql = /\bdefault (.*)$/is.exec(tail)?.[1]
  const beforeDefault = defaultSql === undefined ? tail : tail.slice(0, tail.length - defaultSql.length)
  return {
    base,
    // MariaDB's JSON is text, and says so by its character set.
    kind: base === 'json' && characterSet !== '' ? 'text' : known,
    typeSql: type.slice(0, close) + rest.slice(0, attributesAt),
    size: Number(size === '' ? 0 : size),
    decimals: Number(decimals),
    members: isMembers ? serverLabels(inner) : [],
    unsigned: /\bunsigned\b/i.test(rest.slice(0, attributesAt)),
    zerofill: /\bzerofill\b/i.test(rest.slice(0, attributesAt)),
    collation: /\bcollate (\w+)/i.exec(beforeDefault)?.[1] ?? '',
    notNull: /\bnot null\b/i.test(beforeDefault),
    autoIncrement: /\bauto_increment\b/i.test(beforeDefault),
    invisible: /\binvisible\b/i.test(beforeDefault),
    defaultSql
  }
}

/** Behind the parenthesis that closes the one at `open`; quotes may hold more of them. */
function closingParenthesis(text: string, open: number): number {
  let quoted = false
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] === '\\' && quoted) at++
    else if (text[at] === "'") quoted = !quoted
    else if (text[at] === ')' && !quoted) return at + 1
  }
  return text.length
}

export interface ColumnDefinition {
  readonly typeSql: string
  readonly collation: string
  readonly nullable: boolean
  readonly defaultSql: string | undefined
  readonly extra: string
}

/** The text that `parseColumn` takes apart. */
export function columnDefinition({ typeSql, collation, nullable, defaultSql, extra }: ColumnDefinition): string {
  const onUpdate = /on update [\w()]+/i.exec(extra)?.[0]
  const value = defaultSql === undefined || defaultSql === 'NULL' ? '' : ` default ${defaultSql}`
  const updated = onUpdate === undefined ? '' : `${value === '' ? ' default NULL' : ''} ${onUpdate}`
  const words = ['auto_increment', 'invisible'].filter((word) => new RegExp(`\\b${word}\\b`, 'i').test(extra)).map((word) => ` ${word}`)
  return `${typeSql}${collation === '' ? '' : ` collate ${collation}`}${nullable ? '' : ' not null'}${words.join('')}${value}${updated}`
}

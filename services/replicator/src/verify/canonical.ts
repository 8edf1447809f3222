import { createHash } from 'node:crypto'
import { canonicalJson } from '@cellway/base'
import type { CellValue, Column, Row, TableIdentity } from '@cellway/change'
import type { TableDescription } from '@cellway/mysql-value'
import { quoteIdentifier } from '@cellway/mysql-value'
import type { Reading, TableAnswer } from './protocol.ts'

/** Two cells, one form of each row: the same bytes exactly when the rows are the same. */

/** Types whose text or bytes only the value package reads the same from both flavours. */
const CLIENT_ONLY = /^(json|geometry|point|linestring|polygon|multi|geometrycollection|geomcollection|vector|uuid|inet)/i

export function readingOf(here: TableAnswer, there: TableAnswer): Reading {
  const jsonByMeaning = here.flavour !== there.flavour
  const others = new Map(there.identity.columns.map((column) => [column.name.toLowerCase(), column]))
  const isPlain = here.identity.columns.every((column) => {
    const other = others.get(column.name.toLowerCase())
    return other !== undefined && plainType(column) === plainType(other) && !CLIENT_ONLY.test(column.type)
  })
  return { hash: isPlain ? 'server' : 'client', jsonByMeaning }
}

/** Display widths say nothing about values; ZEROFILL changes how they are printed. */
function plainType({ type }: Column): string {
  const text = type.toLowerCase()
  return /^(tinyint|smallint|mediumint|int|bigint|year)\b/.test(text) && !text.includes('zerofill') ? text.replace(/\(\d+\)/, '') : text
}

/** An expression of 64 hexadecimal digits, the same on both flavours. SHA2, for newer MySQL has lost MD5 and SHA1. */
export function rowHashSql(identity: TableIdentity, { columns }: TableDescription): string {
  const parts = identity.columns.map((column) => {
    const own = columns.find(({ name }) => name.toLowerCase() === column.name.toLowerCase())
    const name = quoteIdentifier(own?.name ?? column.name)
    const isText = column.characterSet !== ''
    return columnSql(
      column.type.toLowerCase(),
      isText && own?.characterSet !== column.characterSet ? `CONVERT(${name} USING ${column.characterSet})` : name,
      name
    )
  })
  return `SHA2(CONCAT(${parts.join(',')}),256)`
}

/** Numbers and times end in a comma, texts begin with their length, long ones are hashed by themselves: a packet cannot hold several of them. */
function columnSql(type: string, value: string, name: string): string {
  if (/^(float|double|real)/.test(type)) return `IFNULL(CONCAT(CAST(${value} AS DOUBLE),','),'-')`
  if (/^bit/.test(type)) return `IFNULL(CONCAT(CAST(${value} AS UNSIGNED),','),'-')`
  if (/(text|blob)/.test(type)) return `IFNULL(SHA2(${value},256),'-')`
  if (/^enum/.test(type)) return `IFNULL(CONCAT(${name}+0=0,LENGTH(${value}),':',CAST(${value} AS BINARY)),'-')`
  if (/^(char|varchar|binary|varbinary|set)/.test(type)) return `IFNULL(CONCAT(LENGTH(${value}),':',CAST(${value} AS BINARY)),'-')`
  return `IFNULL(CONCAT(${value},','),'-')`
}

export function rowHash(identity: TableIdentity, row: Row, reading: Reading): string {
  return createHash('sha256')
    .update(canonicalRow(identity, row, reading))
    .digest('hex')
}

export function canonicalRow({ columns }: TableIdentity, row: Row, { jsonByMeaning }: Reading): string {
  return columns.map((column, at) => canonicalValue(column, row[at], jsonByMeaning)).join(',')
}

function canonicalValue({ type }: Column, value: CellValue, jsonByMeaning: boolean): string {
  if (value === undefined || value === null) return '-'
  if (jsonByMeaning && /^json/i.test(type)) return `j${meaningOf(value)}`
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  return `'${withoutZeros(type, value)}'`
}

/** 1.50 and 1.5, 10:00:00.000 and 10:00:00: one cell has a wider column. */
function withoutZeros(type: string, text: string): string {
  return /^(decimal|numeric|time|datetime|timestamp)/i.test(type) && text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

function meaningOf(value: CellValue): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value)
  try {
    return canonicalJson(JSON.parse(text, tagged))
  } catch (error) {
    if (error instanceof SyntaxError) return text
    throw error
  }
}

/** Whole numbers by all their digits, others as doubles; nothing is mistaken for a text. */
function tagged(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value === 'string') return `s${value}`
  if (typeof value !== 'number') return value
  const source = context?.source ?? ''
  return /^-?\d+$/.test(source) ? `n${BigInt(source)}` : `n${value}`
}

import { createHash } from 'node:crypto'
import type { Row, TableIdentity } from '@cellway/change'
import type { TargetPlan } from '@cellway/mysql-value'
import { describeTables, imageOf, imageText, planTarget, quoteIdentifier } from '@cellway/mysql-value'
import { keyOnly } from '../repair/images.ts'
import { identityOf, keyNameOf } from '../repair/local-tables.ts'
import type { Session } from '../store/session.ts'
import { canonicalRow, rowHash, rowHashSql } from './canonical.ts'
import { tableDiffers } from './errors.ts'
import type { DigestAnswer, HashesAnswer, ImagesAnswer, RangeQuestion, TableAnswer, TableName } from './protocol.ts'
import type { KeyRange } from './ranges.ts'
import { keyRange } from './ranges.ts'

/** A table of this store, read as the table that is asked about. */
export interface ReadTable {
  readonly identity: TableIdentity
  readonly plan: TargetPlan
  readonly range: KeyRange
  /** With the index of the key. */
  readonly fromSql: string
  readonly hashSql: string
}

/** @throws VER_TABLE_DIFFERS */
export async function describeTable(session: Session, cell: string, { schema, name }: TableName): Promise<TableAnswer> {
  const [description] = await describeTables((sql) => session.records(sql), { flavour: session.flavour, table: { schema, name } })
  const problem = description === undefined ? 'it is not there' : description.keyColumns.length === 0 ? 'it has no key' : undefined
  if (description === undefined || problem !== undefined) throw tableDiffers({ table: `${schema}.${name}`, cell, problems: [problem ?? ''] })
  return { flavour: session.flavour, identity: identityOf(description) }
}

/** @throws VER_TABLE_DIFFERS */
export async function readTable(session: Session, cell: string, identity: TableIdentity): Promise<ReadTable> {
  const { schema, name } = identity
  const [description] = await describeTables((sql) => session.records(sql), { flavour: session.flavour, table: { schema, name } })
  const planning = description === undefined ? undefined : planTarget(identity, description)
  if (description === undefined || planning?.ok !== true) {
    throw tableDiffers({ table: `${schema}.${name}`, cell, problems: planning?.ok === false ? planning.problems : ['it is not there'] })
  }
  return {
    identity,
    plan: planning.plan,
    range: keyRange(identity, description),
    fromSql: `${planning.plan.tableSql} FORCE INDEX (${quoteIdentifier(keyNameOf(description))})`,
    hashSql: rowHashSql(identity, description)
  }
}

/**
 * One number for all rows of a range, however they are ordered: how many, and all their hashes XORed (128 bits; no two rows of a table are
 * the same, so none cancels another). One statement, so one moment.
 */
export async function digestRange(session: Session, table: ReadTable, question: RangeQuestion): Promise<DigestAnswer> {
  if (question.reading.hash === 'client') return digestOf(await hashRows(session, table, question))
  const [cells] = await session.rows(
    `SELECT COUNT(*), BIT_XOR(CAST(CONV(LEFT(h,16),16,10) AS UNSIGNED)), BIT_XOR(CAST(CONV(SUBSTR(h,17,16),16,10) AS UNSIGNED))
     FROM (SELECT ${table.hashSql} AS h FROM ${table.fromSql} WHERE ${whereOf(table, question)}) rows_of_range`
  )
  const [rows = '0', high = '0', low = '0'] = cells?.map((cell) => cell?.toString() ?? '0') ?? []
  return { rows: Number(rows), digest: hex(BigInt(high)) + hex(BigInt(low)) }
}

/** Each row's key and hash, at most `limit` of them. */
export async function hashesOfRange(session: Session, table: ReadTable, question: RangeQuestion & { readonly limit: number }): Promise<HashesAnswer> {
  const hashes = question.reading.hash === 'client' ? await hashRows(session, table, question) : await serverHashes(session, table, question)
  return { rows: hashes.map(({ row, hash }) => ({ key: imageText(table.identity, keyOnly(table.identity, row)), hash })) }
}

export async function imagesOf(session: Session, table: ReadTable, keys: readonly string[]): Promise<ImagesAnswer> {
  const { identity, plan, fromSql } = table
  if (keys.length === 0) return { images: [] }
  const wanted = keys.map((text) => imageOf(identity, text))
  const rows = await session.rows(
    `SELECT ${plan.selectSql} FROM ${fromSql} WHERE ${plan.keyColumnsSql} IN (${wanted.map((key) => plan.keySql(key)).join(',')})`
  )
  const found = new Map(rows.map((cells) => [plan.resultRow(cells), cells] as const).map(([row]) => [plan.keyOf(row), row]))
  return {
    images: wanted.map((key) => {
      const row = found.get(plan.keyOf(key))
      return row === undefined ? null : imageText(identity, row)
    })
  }
}

/** The key that ends the next chunk; undefined: the rest is the last one. */
export async function chunkEnd(
  session: Session,
  table: ReadTable,
  { after, rows }: { after: Row | undefined; rows: number }
): Promise<Row | undefined> {
  const { plan, range, fromSql, identity } = table
  const [cells] = await session.rows(
    `SELECT ${plan.selectSql} FROM ${fromSql} WHERE ${range.whereSql(after, undefined)} ORDER BY ${range.columnsSql} LIMIT 1 OFFSET ${rows - 1}`
  )
  return cells === undefined ? undefined : keyOnly(identity, plan.resultRow(cells))
}

interface HashedRow {
  readonly row: Row
  readonly hash: string
}

async function hashRows(session: Session, table: ReadTable, question: RangeQuestion & { readonly limit?: number }): Promise<HashedRow[]> {
  const { plan, range, fromSql, identity } = table
  const rows = await session.rows(
    `SELECT ${plan.selectSql} FROM ${fromSql} WHERE ${whereOf(table, question)} ORDER BY ${range.columnsSql}${limitOf(question)}`
  )
  return rows.map((cells) => {
    const row = plan.resultRow(cells)
    return { row, hash: rowHash(identity, row, question.reading) }
  })
}

async function serverHashes(session: Session, table: ReadTable, question: RangeQuestion & { readonly limit?: number }): Promise<HashedRow[]> {
  const { plan, range, fromSql, hashSql } = table
  const rows = await session.rows(
    `SELECT ${plan.selectSql}, ${hashSql} FROM ${fromSql} WHERE ${whereOf(table, question)} ORDER BY ${range.columnsSql}${limitOf(question)}`
  )
  return rows.map((cells) => ({ row: plan.resultRow(cells.slice(0, -1)), hash: cells.at(-1)?.toString() ?? '' }))
}

function whereOf({ identity, range }: ReadTable, { after, upTo }: RangeQuestion): string {
  const key = (text: string | null): Row | undefined => (text === null ? undefined : imageOf(identity, text))
  return range.whereSql(key(after), key(upTo))
}

function limitOf({ limit }: { readonly limit?: number }): string {
  return limit === undefined ? '' : ` LIMIT ${Math.trunc(limit)}`
}

function digestOf(rows: readonly HashedRow[]): DigestAnswer {
  let sum = 0n
  for (const { hash } of rows) sum ^= BigInt(`0x${hash.slice(0, 32)}`)
  return { rows: rows.length, digest: sum.toString(16).padStart(32, '0') }
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, '0')
}

/** Whether two images, as the cells sent them, are the same row. */
export function isSameImage(identity: TableIdentity, reading: RangeQuestion['reading'], here: string | null, there: string | null): boolean {
  if (here === null || there === null) return here === there
  return here === there || canonicalRow(identity, imageOf(identity, here), reading) === canonicalRow(identity, imageOf(identity, there), reading)
}

/** For keys of maps: an image can have megabytes. */
export function fingerprint(text: string | null): string {
  return text === null ? '' : createHash('sha256').update(text).digest('base64')
}

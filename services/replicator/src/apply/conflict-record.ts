import type { Row } from '@cellway/change'
import type { ConflictClass } from '@cellway/conflict'
import { imageText, quoteBytes, quoteText } from '@cellway/mysql-value'
import type { RowBucket } from './ownership.ts'
import { keyHash } from './parked-keys.ts'
import { keyText } from './row-sql.ts'
import type { TargetTable } from './target-tables.ts'

/** One decision, as it stands in `cellway.conflict`: written in the transaction of what was decided. */
export interface ConflictRecord {
  readonly sourceCell: string
  readonly store: string
  readonly gtid: string
  readonly commitTimeUs: number
  readonly target: TargetTable
  /** Any image with the key. */
  readonly keyRow: Row
  readonly class: ConflictClass
  readonly policy: string
  readonly decision: string
  readonly before: Row | undefined
  readonly after: Row | undefined
  readonly current: Row | undefined
  readonly result: Row | undefined
  readonly bucket: RowBucket | undefined
  readonly reemit: 'none' | 'pending' | 'request'
}

export function conflictSql(record: ConflictRecord): string {
  const { target, bucket } = record
  const { source } = target.plan
  const image = (row: Row | undefined): string => (row === undefined ? 'NULL' : quoteText(imageText(source, row)))
  const values = [
    quoteText(record.sourceCell),
    quoteText(record.store),
    quoteText(record.gtid),
    String(record.commitTimeUs),
    quoteText(source.schema),
    quoteText(source.name),
    quoteText(keyText(target, record.keyRow)),
    quoteText(record.class),
    quoteText(record.policy),
    quoteText(record.decision),
    image(record.before),
    image(record.after),
    image(record.current),
    image(record.result),
    bucket === undefined ? 'NULL' : quoteText(bucket.space),
    bucket === undefined ? 'NULL' : quoteText(bucket.bucket),
    bucket === undefined ? 'NULL' : String(bucket.epoch),
    quoteText(record.reemit)
  ]
  return `INSERT INTO cellway.conflict (source_cell, store, source_gtid, commit_time_us, table_schema, table_name, key_text, class, policy, decision,
    before_image, after_image, current_image, result_image, space, bucket, owner_epoch, reemit) VALUES (${values.join(', ')})`
}

export interface ParkedChange {
  readonly sourceCell: string
  readonly store: string
  readonly gtid: string
  readonly target: TargetTable
  readonly keyRow: Row
  readonly bytes: Buffer
}

/** `conflictId`: an expression of SQL. */
export function parkKeySql({ target, keyRow }: ParkedChange, reason: string, conflictId: string): string {
  return `INSERT INTO cellway.parked_key (table_schema, table_name, key_hash, key_text, reason, conflict_id)
    VALUES (${keyValues(target, keyRow)}, ${quoteText(keyText(target, keyRow))}, ${quoteText(reason)}, ${conflictId}) ON DUPLICATE KEY UPDATE reason = reason`
}

export function parkChangeSql({ sourceCell, store, gtid, target, keyRow, bytes }: ParkedChange): string {
  return `INSERT INTO cellway.parked_change (table_schema, table_name, key_hash, source_cell, store, source_gtid, change_bytes)
    VALUES (${keyValues(target, keyRow)}, ${quoteText(sourceCell)}, ${quoteText(store)}, ${quoteText(gtid)}, ${quoteBytes(bytes)})`
}

/** The decision that the key waited for has come: what waited behind it is of the time before. */
export function releaseKeySql(target: TargetTable, keyRow: Row): string {
  const where = `WHERE (table_schema, table_name, key_hash) = (${keyValues(target, keyRow)})`
  return `DELETE FROM cellway.parked_change ${where}; DELETE FROM cellway.parked_key ${where}`
}

function keyValues(target: TargetTable, keyRow: Row): string {
  const { schema, name } = target.plan.source
  return `${quoteText(schema)}, ${quoteText(name)}, ${quoteBytes(keyHash(target, keyRow))}`
}

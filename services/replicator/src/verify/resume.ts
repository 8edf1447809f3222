import { quoteText } from '@cellway/mysql-value'
import type { SchemaPart } from '../store/migrations.ts'
import type { Session } from '../store/session.ts'
import type { TableName } from './protocol.ts'

/** How far the continuous comparison is with each table, so that a restart does not begin again with the first row of the first table. */
export const VERIFY_SCHEMA: SchemaPart = {
  part: 'verify',
  migrations: [
    [
      `CREATE TABLE IF NOT EXISTS cellway.verify_progress (peer VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        table_schema VARCHAR(64) NOT NULL, table_name VARCHAR(64) NOT NULL, after_key TEXT NULL, passes BIGINT UNSIGNED NOT NULL,
        changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (peer, table_schema, table_name))
        ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`
    ]
  ]
}

export interface Place {
  readonly after: string | undefined
  readonly passes: number
}

export async function readPlace(session: Session, peer: string, table: TableName): Promise<Place> {
  const [row] = await session.rows(
    `SELECT after_key, passes FROM cellway.verify_progress WHERE peer = ${quoteText(peer)} AND table_schema = ${quoteText(table.schema)}
     AND table_name = ${quoteText(table.name)}`
  )
  return { after: row?.[0]?.toString(), passes: Number(row?.[1]?.toString() ?? 0) }
}

export async function writePlace(session: Session, peer: string, table: TableName, { after, passes }: Place): Promise<void> {
  const key = after === undefined ? 'NULL' : quoteText(after)
  await session.run(
    `INSERT INTO cellway.verify_progress (peer, table_schema, table_name, after_key, passes)
     VALUES (${quoteText(peer)}, ${quoteText(table.schema)}, ${quoteText(table.name)}, ${key}, ${passes})
     ON DUPLICATE KEY UPDATE after_key = ${key}, passes = ${passes}, changed_at = NOW(6)`
  )
}

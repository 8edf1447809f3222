import { ensureTables } from './migrations.ts'
import type { Session } from './session.ts'

/**
 * The schema `cellway` of each cell's database. `heartbeat`, `barrier`, `bucket_owner`, `opened` and `repair` travel in the stream,
 * in commit order with the data they speak about, and are never applied as data; all other tables never leave the cell.
 */
export const CELLWAY_SCHEMA = 'cellway'
export const CARRIED_TABLES: ReadonlySet<string> = new Set(['heartbeat', 'barrier', 'bucket_owner', 'opened', 'repair'])

const NAME = 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL'
const SQL_NAME = 'VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL'
const KEY_TEXT = 'VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL'
const U64 = 'BIGINT UNSIGNED NOT NULL'
const NOW = 'TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)'
const END = 'ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'

/** Idempotent; one process at a time. @throws STO_SCHEMA_NEWER, STO_SCHEMA_BUSY and what the session throws */
export async function ensureSchema(session: Session): Promise<void> {
  await ensureTables(session, { part: 'core', migrations: CORE_MIGRATIONS })
}

/** One entry per version, never changed once released; each statement can run twice. */
export const CORE_MIGRATIONS: readonly (readonly string[])[] = [
  [
    // `applied` counts source transactions and is the token of the compare-and-set.
    `CREATE TABLE IF NOT EXISTS cellway.checkpoint (source_cell ${NAME}, store ${NAME}, position MEDIUMTEXT NOT NULL, applied ${U64},
      applier_epoch ${U64}, log_id ${NAME}, log_sequence ${U64}, updated_at ${NOW}, PRIMARY KEY (source_cell, store)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.stream (store ${NAME}, epoch ${U64}, PRIMARY KEY (store)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.heartbeat (cell ${NAME}, store ${NAME}, number ${U64}, time_us ${U64}, PRIMARY KEY (cell, store)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.barrier (id ${NAME}, cell ${NAME}, purpose ${NAME}, payload TEXT NOT NULL, written_us ${U64},
      PRIMARY KEY (id)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.bucket_owner (space ${NAME}, bucket ${KEY_TEXT}, owner ${NAME}, epoch ${U64}, state ${NAME}, valid_until ${U64},
      PRIMARY KEY (space, bucket)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.opened (space ${NAME}, bucket ${KEY_TEXT}, epoch ${U64}, owner ${NAME}, requires_positions TEXT NOT NULL,
      PRIMARY KEY (space, bucket, epoch)) ${END}`,
    // `images`: the rows as they are to be, so that nothing but this row has to be written and read.
    `CREATE TABLE IF NOT EXISTS cellway.repair (id ${NAME}, cell ${NAME}, kind ${NAME}, reason ${NAME}, conflict_id BIGINT UNSIGNED NULL,
      created_us ${U64}, images LONGBLOB NOT NULL, PRIMARY KEY (id)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.conflict (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, source_cell ${NAME}, store ${NAME},
      source_gtid VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, commit_time_us ${U64}, table_schema ${SQL_NAME}, table_name ${SQL_NAME},
      key_text TEXT NOT NULL, class ${NAME}, policy ${NAME}, decision ${NAME}, before_image LONGTEXT NULL, after_image LONGTEXT NULL,
      current_image LONGTEXT NULL, result_image LONGTEXT NULL, space VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, bucket VARCHAR(190) NULL,
      origin_epoch BIGINT UNSIGNED NULL, owner_epoch BIGINT UNSIGNED NULL, reemit VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      resolution VARCHAR(16) NULL, resolved_by VARCHAR(190) NULL, resolved_at TIMESTAMP(6) NULL, created_at ${NOW}, PRIMARY KEY (id),
      KEY by_reemit (reemit, id), KEY by_table (table_schema, table_name, id)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.parked_key (table_schema ${SQL_NAME}, table_name ${SQL_NAME}, key_hash BINARY(32) NOT NULL, key_text TEXT NOT NULL,
      reason ${NAME}, conflict_id BIGINT UNSIGNED NULL, parked_at ${NOW}, PRIMARY KEY (table_schema, table_name, key_hash)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.parked_change (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, table_schema ${SQL_NAME}, table_name ${SQL_NAME},
      key_hash BINARY(32) NOT NULL, source_cell ${NAME}, store ${NAME}, source_gtid VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      change_bytes LONGBLOB NOT NULL, parked_at ${NOW}, PRIMARY KEY (id), KEY by_key (table_schema, table_name, key_hash, id)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.stream_state (source_cell ${NAME}, store ${NAME}, state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      reason TEXT NOT NULL, statement LONGTEXT NULL, changed_at ${NOW}, PRIMARY KEY (source_cell, store)) ${END}`,
    `CREATE TABLE IF NOT EXISTS cellway.skipped (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, source_cell ${NAME}, store ${NAME},
      source_gtid VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, reason TEXT NOT NULL, by_whom VARCHAR(190) NOT NULL,
      content LONGBLOB NOT NULL, skipped_at ${NOW}, PRIMARY KEY (id)) ${END}`
  ]
]

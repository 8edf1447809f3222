import { ensureTables } from '../store/migrations.ts'
import type { Session } from '../store/session.ts'

const NAME = 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL'
const SQL_NAME = 'VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL'
const U64 = 'BIGINT UNSIGNED NOT NULL'
const NOW = 'TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)'
const END = 'ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'

/** Both sides' state; none of it ever leaves the cell. @throws STO_SCHEMA_NEWER, STO_SCHEMA_BUSY and what the session throws */
export async function ensureBootstrapSchema(session: Session): Promise<void> {
  await ensureTables(session, { part: 'bootstrap', migrations: BOOTSTRAP_MIGRATIONS })
}

const BOOTSTRAP_MIGRATIONS: readonly (readonly string[])[] = [
  [
    // At most one row: a cell is filled from one source at a time.
    `CREATE TABLE IF NOT EXISTS cellway.bootstrap_run (id TINYINT UNSIGNED NOT NULL, run_id ${NAME}, source_cell ${NAME}, phase ${NAME},
      wipe TINYINT NOT NULL, forced TINYINT NOT NULL, rows_per_second ${U64}, foreign_key_checks TINYINT NOT NULL DEFAULT 1, problem TEXT NULL,
      requested_at ${NOW}, changed_at ${NOW}, PRIMARY KEY (id)) ${END}`,
    // after_key: image of the last key that was copied; high: positions behind everything that the chunks contain; rows_estimated: the source's own guess.
    `CREATE TABLE IF NOT EXISTS cellway.bootstrap_table (table_schema ${SQL_NAME}, table_name ${SQL_NAME}, level INT UNSIGNED NOT NULL,
      state ${NAME}, after_key LONGTEXT NULL, high LONGTEXT NULL, rows_done ${U64}, rows_estimated ${U64}, changed_at ${NOW}, PRIMARY KEY (table_schema, table_name)) ${END}`,
    // One row, counted up before and after each snapshot: its commit is a place in the binary log.
    `CREATE TABLE IF NOT EXISTS cellway.snapshot_mark (id TINYINT UNSIGNED NOT NULL, number ${U64}, PRIMARY KEY (id)) ${END}`,
    'INSERT IGNORE INTO cellway.snapshot_mark (id, number) VALUES (1, 0)'
  ]
]

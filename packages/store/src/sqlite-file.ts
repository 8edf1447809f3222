import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isCellwayError } from '@cellway/base'
import { storeCorrupt, storeFailed, storeFormatUnknown, storeFull, storeLocked } from './errors.ts'
import type { ListOptions, StoreEntry, WatchBatch, WatchEvent } from './store.ts'

/** The SQL behind the embedded store; knows nothing of comparisons and watchers. */
export interface SqliteFile {
  revision(): number
  history(): WatchBatch[]
  get(key: string): StoreEntry | undefined
  keyRevision(key: string): number | undefined
  list(prefix: string, options: ListOptions): { entries: StoreEntry[]; more: boolean }
  write(batch: WatchBatch, options: { forgetBefore: number }): void
  close(): void
}

const FILE_NAME = 'control.db'
/** `CWST`: says that the file is ours. */
const APPLICATION_ID = 0x43575354
const FORMAT = 1
const PAGE_BYTES = 4096
/** A check reads the whole file: about a second for this size. Larger ones are checked by SQLite page by page, as they are read. */
const CHECKED_FILE_BYTES_MAX = 256 * 1024 * 1024
const LARGEST_KEY_CHARACTER = '\x7f'

const SCHEMA = `
  CREATE TABLE entries (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
  CREATE TABLE history (revision INTEGER PRIMARY KEY NOT NULL, events TEXT NOT NULL) STRICT;
  CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL) STRICT;
  INSERT INTO state (id, revision) VALUES (1, 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};`

const SQLITE = { busy: 5, io: 10, corrupt: 11, full: 13, notADatabase: 26 } as const

export function openSqliteFile({ folder, fileBytesMax }: { folder: string; fileBytesMax: number }): SqliteFile {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = path.join(folder, FILE_NAME)
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { timeout: 0 })
    prepareFile(database, { file, fileBytesMax })
    // The names of new files are durable only with their folder.
    syncFolder(folder)
    syncFolder(path.dirname(folder))
    return createSqliteFile(database, file)
  } catch (cause) {
    database?.close()
    throw asStoreError(cause, file)
  }
}

function prepareFile(database: DatabaseSync, { file, fileBytesMax }: { file: string; fileBytesMax: number }): void {
  // Exclusive before the first read: the lock is taken with it and kept until the end of the process, however that comes.
  database.exec('PRAGMA locking_mode = EXCLUSIVE')
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('PRAGMA synchronous = FULL')
  database.exec(`PRAGMA max_page_count = ${Math.max(16, Math.floor(fileBytesMax / PAGE_BYTES))}`)
  const applicationId = readPragma(database, 'application_id')
  const tables = Number(database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.tables)
  if (applicationId === 0 && tables === 0) {
    database.exec('BEGIN EXCLUSIVE')
    database.exec(SCHEMA)
    database.exec('COMMIT')
    return
  }
  const format = readPragma(database, 'user_version')
  if (applicationId !== APPLICATION_ID || format !== FORMAT) throw storeFormatUnknown({ file, found: format, known: FORMAT })
  // A reader alone would not lock out a second one.
  database.exec('BEGIN EXCLUSIVE; COMMIT')
  if (statSync(file).size <= CHECKED_FILE_BYTES_MAX) {
    const finding = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
    if (finding !== 'ok') throw storeCorrupt({ file, finding: String(finding) })
  }
}

function createSqliteFile(database: DatabaseSync, file: string): SqliteFile {
  const sql = {
    revision: database.prepare('SELECT revision FROM state WHERE id = 1'),
    history: database.prepare('SELECT revision, events FROM history ORDER BY revision'),
    get: database.prepare('SELECT key, value, revision FROM entries WHERE key = ?'),
    keyRevision: database.prepare('SELECT revision FROM entries WHERE key = ?'),
    list: database.prepare('SELECT key, value, revision FROM entries WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?'),
    put: database.prepare(
      'INSERT INTO entries (key, value, revision) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision'
    ),
    remove: database.prepare('DELETE FROM entries WHERE key = ?'),
    remember: database.prepare('INSERT INTO history (revision, events) VALUES (?, ?)'),
    forget: database.prepare('DELETE FROM history WHERE revision < ?'),
    advance: database.prepare('UPDATE state SET revision = ? WHERE id = 1 AND revision = ?')
  }
  let failure: unknown

  function guarded<Result>(operation: () => Result): Result {
    if (failure !== undefined) throw storeFailed({ file }, { cause: failure })
    try {
      return operation()
    } catch (cause) {
      throw asStoreError(cause, file)
    }
  }

  function write({ revision, events }: WatchBatch, { forgetBefore }: { forgetBefore: number }): void {
    try {
      database.exec('BEGIN IMMEDIATE')
      for (const event of events) event.kind === 'put' ? sql.put.run(event.key, event.value, revision) : sql.remove.run(event.key)
      sql.remember.run(revision, JSON.stringify(events))
      sql.forget.run(forgetBefore)
      const { changes } = sql.advance.run(revision, revision - 1)
      if (Number(changes) !== 1) throw storeCorrupt({ file, finding: 'the stored revision is not the one in memory' })
      database.exec('COMMIT')
    } catch (cause) {
      rollback(cause)
      throw cause
    }
  }

  function rollback(cause: unknown): void {
    try {
      if (database.isTransaction) database.exec('ROLLBACK')
    } catch (rollbackFailure) {
      failure = rollbackFailure
    }
    // A full disk rolls back cleanly. After any other failure the fate of the commit is unknown until the file is read anew.
    if (sqliteCode(cause) !== SQLITE.full) failure ??= cause
  }

  return {
    revision: () => guarded(() => Number(sql.revision.get()?.revision)),
    history: () => guarded(() => sql.history.all().map((row) => ({ revision: Number(row.revision), events: parseEvents(row.events) }))),
    get: (key) => guarded(() => sql.get.all(key).map(parseEntry)[0]),
    keyRevision: (key) => guarded(() => sql.keyRevision.all(key).map((row) => Number(row.revision))[0]),
    list: (prefix, { limit, after = '' }) =>
      guarded(() => {
        const found = sql.list.all(after, prefix, endOf(prefix), limit + 1).map(parseEntry)
        return { entries: found.slice(0, limit), more: found.length > limit }
      }),
    write: (batch, options) => guarded(() => write(batch, options)),
    close: () => database.close()
  }
}

/** The first text behind all that start with the prefix; keys are ASCII, so one more in the last place is enough. */
function endOf(prefix: string): string {
  return prefix === '' ? LARGEST_KEY_CHARACTER : prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}

function parseEntry(row: Record<string, unknown>): StoreEntry {
  return { key: String(row.key), value: String(row.value), revision: Number(row.revision) }
}

function parseEvents(text: unknown): WatchEvent[] {
  return JSON.parse(String(text)) as WatchEvent[]
}

function readPragma(database: DatabaseSync, name: 'application_id' | 'user_version'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name])
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function asStoreError(cause: unknown, file: string): unknown {
  if (isCellwayError(cause)) return cause
  const sqlite = sqliteCode(cause)
  switch (sqlite) {
    case undefined:
      return storeFailed({ file }, { cause })
    case SQLITE.busy:
      return storeLocked({ file }, { cause })
    case SQLITE.full:
      return storeFull({ file }, { cause })
    case SQLITE.corrupt:
    case SQLITE.notADatabase:
      return storeCorrupt({ file, finding: cause instanceof Error ? cause.message : String(cause) }, { cause })
    default:
      return storeFailed({ file, sqlite }, { cause })
  }
}

/** The primary result code: extended ones carry it in the low byte. */
function sqliteCode(cause: unknown): number | undefined {
  if (!(cause instanceof Error) || !('errcode' in cause) || typeof cause.errcode !== 'number') return undefined
  return cause.errcode & 0xff
}

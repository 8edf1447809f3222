import { schemaBusy, schemaNewer } from './errors.ts'
import { errnoOf, SERVER_ERROR } from './server-errors.ts'
import type { Session } from './session.ts'

/** A group of tables of the schema `cellway` with a version of its own. */
export interface SchemaPart {
  /** Lower-case letters and hyphens. */
  readonly part: string
  /** One entry per version, from 1; statements that can run twice. */
  readonly migrations: readonly (readonly string[])[]
}

const LOCK = 'cellway.schema'
const LOCK_SECONDS = 30
const VERSIONS = `CREATE TABLE IF NOT EXISTS cellway.schema_version (part VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  version INT UNSIGNED NOT NULL, PRIMARY KEY (part)) ENGINE=InnoDB`

/** Brings the part to its newest version; writes nothing when it is there already. @throws STO_SCHEMA_NEWER, STO_SCHEMA_BUSY */
export async function ensureTables(session: Session, { part, migrations }: SchemaPart): Promise<void> {
  const found = await versionOf(session, part)
  if (found > migrations.length) throw schemaNewer({ part, found, known: migrations.length })
  if (found === migrations.length) return
  const [[granted] = []] = await session.rows(`SELECT GET_LOCK('${LOCK}', ${LOCK_SECONDS})`)
  if (granted?.toString() !== '1') throw schemaBusy({ waitedSeconds: LOCK_SECONDS })
  try {
    await session.run('CREATE DATABASE IF NOT EXISTS cellway CHARACTER SET utf8mb4 COLLATE utf8mb4_bin')
    await session.run(VERSIONS)
    // Another process may have done it while this one waited.
    for (const [at, statements] of migrations.entries()) {
      if (at < (await versionOf(session, part))) continue
      for (const statement of statements) await session.run(statement)
      await session.run(`INSERT INTO cellway.schema_version VALUES ('${part}', ${at + 1}) ON DUPLICATE KEY UPDATE version = ${at + 1}`)
    }
  } finally {
    await session.run(`SELECT RELEASE_LOCK('${LOCK}')`)
  }
}

async function versionOf(session: Session, part: string): Promise<number> {
  try {
    const [row] = await session.rows(`SELECT version FROM cellway.schema_version WHERE part = '${part}'`)
    return Number(row?.[0]?.toString() ?? 0)
  } catch (cause) {
    const errno = errnoOf(cause)
    if (errno === SERVER_ERROR.tableUnknown || errno === SERVER_ERROR.databaseUnknown) return 0
    throw cause
  }
}

/** Makes the target's tables: there, fitting and empty. */
import { isCellwayError } from '@cellway/base'
import type { TableIdentity } from '@cellway/change'
import { describeTables, planTarget, quoteIdentifier, quoteTable, quoteText, type TargetPlan } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import { createFailed, schemaDiffers, targetNotEmpty } from './errors.ts'
import type { TableName } from './gate.ts'
import { nameOf } from './levels.ts'
import type { CatalogTable } from './protocol.ts'

/** @throws BOO_TARGET_NOT_EMPTY */
export async function checkEmpty(session: Session, tables: readonly TableName[]): Promise<void> {
  for (const table of tables) {
    const fix = 'cellway cell bootstrap … --wipe, once nothing in this cell is needed any more'
    if (await hasRows(session, table)) throw targetNotEmpty({ table: nameOf(table), fix })
  }
}

async function hasRows(session: Session, table: TableName): Promise<boolean> {
  const known = await session.rows(
    `SELECT 1 FROM information_schema.tables WHERE table_schema = ${quoteText(table.schema)} AND table_name = ${quoteText(table.name)}`
  )
  if (known.length === 0) return false
  return (await session.rows(`SELECT 1 FROM ${quoteTable(table)} LIMIT 1`)).length > 0
}

/**
 * Creates what is missing, as the source has it. The session is no applier's: DDL is carried in this cell's stream for information and
 * run nowhere else, and so is TRUNCATE. @throws BOO_CREATE_FAILED
 */
export async function createMissing(session: Session, tables: readonly CatalogTable[]): Promise<void> {
  const present = new Set((await describeTables((sql) => session.records(sql), { flavour: session.flavour })).map(nameOf))
  // A table may refer to one that comes later; data is checked again when the appliers write it.
  await session.run('SET SESSION foreign_key_checks = 0')
  try {
    for (const table of tables.filter((one) => !present.has(nameOf(one)))) {
      await session.run(schemaSql(table, session.flavour))
      await session.run(`USE ${quoteIdentifier(table.schema)}`)
      for (const statement of statementsOf(table, session.flavour)) await runCreating(session, table, statement)
    }
  } finally {
    await session.run('SET SESSION foreign_key_checks = 1')
  }
}

/** The other flavour's names of collations and options are often unknown here; then its defaults hold. */
function schemaSql({ schema, characterSet, collation, flavour }: CatalogTable, here: Session['flavour']): string {
  const set = flavour === here && collation !== '' ? ` CHARACTER SET ${characterSet} COLLATE ${collation}` : ''
  return `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(schema)}${set}`
}

function statementsOf(table: CatalogTable, here: Session['flavour']): readonly string[] {
  return table.flavour === here ? [table.createSql] : table.portableSql
}

/** What runs here comes from another cell, so it may be about nothing but the table. @throws BOO_CREATE_FAILED */
async function runCreating(session: Session, table: CatalogTable, statement: string): Promise<void> {
  const names = [quoteIdentifier(table.name), quoteTable(table)]
  const isOwn = names.some((name) => statement.startsWith(`CREATE TABLE ${name} (`) || statement.startsWith(`ALTER TABLE ${name} ADD `))
  if (!isOwn || hasSecondStatement(statement)) {
    throw createFailed({ table: nameOf(table), problem: 'the source sent something else than its table', statement })
  }
  try {
    await session.run(statement)
  } catch (cause) {
    const problem = isCellwayError(cause) ? String(cause.details.problem ?? cause.message) : String(cause)
    throw createFailed({ table: nameOf(table), problem, statement }, { cause })
  }
}

/** A semicolon outside of quotes. The server prints quotes inside of texts doubled or with a backslash. */
function hasSecondStatement(statement: string): boolean {
  const bare = statement.replaceAll(/'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`/gs, '')
  return bare.includes(';') || /['"`]/.test(bare)
}

/** Empties the tables and forgets what was parked for them. */
export async function wipe(session: Session, tables: readonly TableName[]): Promise<void> {
  await session.run('SET SESSION foreign_key_checks = 0')
  try {
    for (const table of tables) {
      if (await hasRows(session, table)) await session.run(`TRUNCATE TABLE ${quoteTable(table)}`)
      const where = `table_schema = ${quoteText(table.schema)} AND table_name = ${quoteText(table.name)}`
      await session.run(`DELETE FROM cellway.parked_change WHERE ${where}; DELETE FROM cellway.parked_key WHERE ${where}`)
    }
  } finally {
    await session.run('SET SESSION foreign_key_checks = 1')
  }
}

/** How rows of the source are written here; asked anew for each table as the source describes it. */
export class TargetPlans {
  readonly #session: Session
  readonly #plans = new Map<string, TargetPlan>()

  constructor(session: Session) {
    this.#session = session
  }

  /** @throws BOO_SCHEMA_DIFFERS */
  async planOf(source: TableIdentity): Promise<TargetPlan> {
    const key = JSON.stringify(source)
    const known = this.#plans.get(key)
    if (known !== undefined) return known
    const { flavour } = this.#session
    const [target] = await describeTables((sql) => this.#session.records(sql), { flavour, table: { schema: source.schema, name: source.name } })
    const planning = planTarget(source, target, flavour)
    if (!planning.ok) throw schemaDiffers({ table: nameOf(source), problems: planning.problems, fix: planning.statement })
    this.#plans.set(key, planning.plan)
    return planning.plan
  }

  /** Tables may have been changed since. */
  forget(): void {
    this.#plans.clear()
  }
}

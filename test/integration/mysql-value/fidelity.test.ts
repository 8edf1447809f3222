import { existsSync } from 'node:fs'
import { isSameCell, type Row, type RowChange } from '@cellway/change'
import { lenientInsert, planTarget, type TableDescription, type TargetPlan } from '@cellway/mysql-value'
import t, { type Test } from 'tap'
import { mysql9Skip } from '../mysql9.ts'
import { type ColumnCase, casesOf } from './cases.ts'
import { type Cell, captured, startFour } from './cells.ts'

/**
 * What one server wrote, another holds after capture, record and apply: equal by HEX of every column, in all four directions
 * between the flavours. The target's tables are made by the statement of the plan.
 */

const noMariadb = existsSync('/usr/sbin/mariadbd') ? false : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine'
const skip = noMariadb || (await mysql9Skip())

t.setTimeout(600_000)

t.test('every type from server to server', { skip, timeout: 600_000 }, async (t) => {
  await using four = await startFour()
  for (const [source, target] of four.pairs) {
    await t.test(`${source.flavour} ${source.version} to ${target.flavour} ${target.version}`, async (t) => {
      await source.reset()
      await target.reset()
      for (const [at, cases] of chunks(casesOf(source.flavour, target.flavour), 15).entries()) {
        await checkTable(t, { source, target, cases, name: `t${at}` })
      }
    })
  }
})

interface Check {
  readonly source: Cell
  readonly target: Cell
  readonly cases: readonly ColumnCase[]
  readonly name: string
}

/** In the source's session, as an application that allows everything. */
const LOOSE = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION'"
const STRICT = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION'"

async function checkTable(t: Test, { source, target, cases, name }: Check): Promise<void> {
  const names = cases.map((_, index) => `c${index}`)
  const rowCount = Math.max(...cases.map(({ values }) => values.length)) + 1
  const definitions = cases.map(({ definition }, index) => `c${index} ${definition}`)
  const generated = ['sum_stored INT AS (id * 2) STORED', 'sum_virtual INT AS (id * 3) VIRTUAL']
  await source.run(LOOSE)
  await source.run(`CREATE TABLE ${name} (id INT PRIMARY KEY, ${[...definitions, ...generated].join(', ')}) CHARACTER SET utf8mb4`)
  const rows = Array.from({ length: rowCount }, (_, row) => `(${row + 1}, ${cases.map(({ values }) => values[row] ?? 'NULL').join(', ')})`)
  const inserted = await source.record(() => source.run(`INSERT INTO ${name} (id, ${names.join(', ')}) VALUES ${rows.join(', ')}`))
  await source.run(STRICT)
  const descriptions = await source.describe('fidelity')
  const changes = captured(inserted, source, descriptions)
  t.equal(changes.length, rowCount)
  const plan = await planFor(t, target, changes[0])
  await applyRows(target, plan, changes.flatMap(after))
  await compare(t, { source, target, cases, name, plan, changes })

  await source.run(LOOSE)
  const moves = names.map((column) => `${name}.${column} = twin.${column}`)
  const updated = await source.record(async () => {
    await source.run(`CREATE TEMPORARY TABLE twin AS SELECT id, ${names.join(', ')} FROM ${name}`)
    await source.run(`UPDATE ${name} JOIN twin ON twin.id = ${name}.id % ${rowCount} + 1 SET ${moves.join(', ')}`)
    await source.run('DROP TEMPORARY TABLE twin')
  })
  await source.run(STRICT)
  const updates = captured(updated, source, descriptions).filter(({ table }) => table.name === name)
  t.equal(updates.length, rowCount)
  await applyRows(target, plan, updates.flatMap(after))
  await compare(t, { source, target, cases, name, plan, changes: updates })
  const keys = updates.flatMap(after).map((row) => plan.keySql(row))
  await target.run(`DELETE FROM ${plan.tableSql} WHERE ${plan.keyColumnsSql} IN (${keys.join(', ')})`)
  t.same(await target.texts(`SELECT COUNT(*) FROM ${name}`), [['0']])
}

function after(change: RowChange): Row[] {
  return change.kind === 'delete' ? [] : [change.after]
}

async function planFor(t: Test, target: Cell, change: RowChange | undefined): Promise<TargetPlan> {
  if (change === undefined) throw new Error('no change')
  const missing = planTarget(change.table, undefined, target.flavour)
  if (missing.ok) throw new Error('there was no table')
  await target.run(missing.statement)
  const planning = planTarget(change.table, await described(target, change.table.name))
  if (!planning.ok) throw new Error(`${planning.problems.join('; ')}: ${planning.statement}`)
  t.pass(`planned ${change.table.name}`)
  return planning.plan
}

async function described(target: Cell, name: string): Promise<TableDescription | undefined> {
  return (await target.describe('fidelity')).find((table) => table.name === name)
}

async function applyRows(target: Cell, plan: TargetPlan, rows: readonly Row[]): Promise<void> {
  for (const row of rows) {
    const insert = `INSERT INTO ${plan.tableSql} ${plan.insertColumnsSql} VALUES ${plan.rowSql(row)}${plan.upsertTailSql}`
    await target.run(plan.needsLenientMode(row) ? lenientInsert(target.flavour, insert) : insert)
  }
}

interface Compare extends Check {
  readonly plan: TargetPlan
  readonly changes: readonly RowChange[]
}

async function compare(t: Test, { source, target, cases, name, plan, changes }: Compare): Promise<void> {
  const list = ['id', ...cases.map(({ definition }, index) => hexSql(definition, `c${index}`))].join(', ')
  const wanted = await source.texts(`SELECT ${list} FROM ${name} ORDER BY id`)
  const found = await target.texts(`SELECT ${list} FROM ${name} ORDER BY id`)
  const read = (await target.rows(`SELECT ${plan.selectSql} FROM ${plan.tableSql} ORDER BY id`)).map((cells) => plan.resultRow(cells))
  const byId = new Map(read.map((row) => [row[0], row]))
  t.equal(found.length, wanted.length)
  const crossing = source.flavour !== target.flavour
  let equal = 0
  wanted.forEach((row, at) => {
    row.forEach((cell, column) => {
      const what = `${name} row ${at + 1} ${cases[column - 1]?.definition ?? 'id'}`
      const other = found[at]?.[column] ?? null
      if (cell === other || (isFloat(cases[column - 1]) && isSameFloat(cell, other, target))) equal++
      else if (!(crossing && cases[column - 1]?.definition === 'JSON')) t.equal(other, cell, what)
    })
  })
  t.ok(equal > 0, `${equal} values of ${name} are equal by HEX`)
  for (const row of changes.flatMap(after)) {
    const back = byId.get(row[0]) ?? []
    t.ok(plan.rowsEqual(row, back), `${name} row ${row[0]} reads back`)
    row.forEach((cell, column) => {
      const definition = cases[column - 1]?.definition
      if (!plan.isSame(column, cell, back[column])) t.same([back[column]], [cell], `${definition} is the same`)
      if (!(crossing && (definition === 'JSON' || Object.is(cell, -0))) && !isSameCell(cell, back[column]))
        t.same([back[column]], [cell], `${definition} is the same value`)
    })
  }
}

/** The flavours print the same double as 1e-5 and as 0.00001. */
function isFloat(column: ColumnCase | undefined): boolean {
  return /^(?:FLOAT|DOUBLE)/.test(column?.definition ?? '')
}

/** MariaDB has no -0. */
function isSameFloat(cell: string | null, other: string | null, target: Cell): boolean {
  return (
    cell !== null && other !== null && (Object.is(Number(cell), Number(other)) || (target.flavour === 'mariadb' && cell === '-0' && other === '0'))
  )
}

function hexSql(definition: string, column: string): string {
  if (/^(?:FLOAT|DOUBLE)/.test(definition)) return `CAST(${column} AS DOUBLE)`
  if (/^(?:ENUM|SET)/.test(definition)) return `CONCAT(CAST(${column} AS UNSIGNED), ':', HEX(${column}))`
  if (/^(?:CHAR|VARCHAR|BINARY|VARBINARY|\w*TEXT|\w*BLOB|GEOMETRY|POINT|POLYGON|MULTI|LINESTRING)/.test(definition)) return `HEX(${column})`
  return definition.startsWith('BIT') || definition.startsWith('VECTOR') ? `HEX(${column})` : `HEX(CAST(${column} AS CHAR CHARACTER SET utf8mb4))`
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size))
}

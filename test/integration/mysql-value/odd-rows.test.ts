import { existsSync } from 'node:fs'
import type { Row, RowChange } from '@cellway/change'
import { type Flavour, imageOf, imageText, planTarget, type TargetPlan } from '@cellway/mysql-value'
import t, { type Test } from 'tap'
import { mysql9Skip } from '../mysql9.ts'
import { type Cell, captured, rowsEvents, startCell } from './cells.ts'

/** Rows that are large, come in part, or come from a table whose description is gone or of another version. */

const noMariadb = existsSync('/usr/sbin/mariadbd') ? false : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine'
const SKIP: Readonly<Record<Flavour, string | false>> = { mariadb: noMariadb, mysql: await mysql9Skip() }

t.setTimeout(600_000)

for (const flavour of ['mariadb', 'mysql'] as const) {
  t.test(`odd rows of ${flavour}`, { skip: SKIP[flavour], timeout: 300_000 }, async (t) => {
    await using cell = await startCell(flavour)
    await checkLarge(t, cell)
    await checkParts(t, cell)
    await checkVersions(t, cell)
    await checkImages(t, cell)
    await checkMissingKey(t, cell)
    await checkUpsert(t, cell)
  })
}

async function planOf(cell: Cell, change: RowChange | undefined, name: string): Promise<TargetPlan> {
  if (change === undefined) throw new Error('no change')
  const target = (await cell.describe('fidelity')).find((table) => table.name === name)
  const planning = planTarget({ ...change.table, name }, target, cell.flavour)
  if (!planning.ok) throw new Error(planning.problems.join('; '))
  return planning.plan
}

function afterOf(change: RowChange | undefined): Row {
  if (change === undefined || change.kind === 'delete') throw new Error('no row')
  return change.after
}

/** 12 MiB of bytes that no literal may change, through fragments of records. */
async function checkLarge(t: Test, cell: Cell): Promise<void> {
  await cell.run('CREATE TABLE large (id INT PRIMARY KEY, b LONGBLOB, v LONGTEXT CHARACTER SET utf8mb4)')
  await cell.run('CREATE TABLE large_copy LIKE large')
  const bytes = await cell.record(() => cell.run("INSERT INTO large VALUES (1, REPEAT(X'00FF275C0A', 1600000), REPEAT('grün', 900000))"))
  const [change] = captured(bytes, cell, await cell.describe('fidelity'))
  const plan = await planOf(cell, change, 'large_copy')
  await cell.run(`INSERT INTO ${plan.tableSql} ${plan.insertColumnsSql} VALUES ${plan.rowSql(afterOf(change))}`)
  t.same(
    await cell.texts(
      'SELECT COUNT(*), MAX(LENGTH(a.b)) FROM large a JOIN large_copy b ON a.id = b.id AND a.b = b.b AND CAST(a.v AS BINARY) = CAST(b.v AS BINARY)'
    ),
    [['1', '8000000']]
  )
  const [cells] = await cell.rows(`SELECT ${plan.selectSql} FROM ${plan.tableSql}`)
  t.ok(plan.rowsEqual(plan.resultRow(cells ?? []), afterOf(change)))
}

/** Images that leave columns out: absent is not NULL, is not compared, and takes the target's default. */
async function checkParts(t: Test, cell: Cell): Promise<void> {
  await cell.run("CREATE TABLE part (id INT PRIMARY KEY, a INT NULL, b VARCHAR(10) DEFAULT 'some', c INT INVISIBLE DEFAULT 7)")
  await cell.run("INSERT INTO part (id, a, b) VALUES (1, NULL, 'x')")
  await cell.run("SET SESSION binlog_row_image = 'MINIMAL'")
  const bytes = await cell.record(() => cell.run('UPDATE part SET a = 5'))
  await cell.run("SET SESSION binlog_row_image = 'FULL'")
  const [change] = captured(bytes, cell, await cell.describe('fidelity'))
  if (change?.kind !== 'update') throw new Error('no update')
  t.same(change.before, [1, undefined, undefined, undefined])
  const [, , b, c] = change.after
  t.same([b, c], [undefined, undefined])
  await cell.run('CREATE TABLE part_copy LIKE part')
  const plan = await planOf(cell, change, 'part_copy')
  const row = change.after.with(0, 1)
  await cell.run(`INSERT INTO ${plan.tableSql} ${plan.insertColumnsSql} VALUES ${plan.rowSql(row)}`)
  t.same(await cell.texts('SELECT id, a, b, c FROM part_copy'), [['1', '5', 'some', '7']])
  t.ok(plan.rowsEqual(row, [1, 5, Buffer.from('anything'), 99]), 'absent columns are not compared')
  t.notOk(plan.rowsEqual(row, [1, 6, undefined, undefined]))
  t.notOk(plan.rowsEqual([1, null, null, null], [1, 5, null, null]), 'NULL is compared')
  t.match(imageText(change.table, change.after), /^\{(?:"id": 1, )?"a": 5\}$/)
}

/** The description may be gone, or of a later version; what the binlog says is right. */
async function checkVersions(t: Test, cell: Cell): Promise<void> {
  await cell.run("CREATE TABLE version (id INT PRIMARY KEY, v VARCHAR(10) CHARACTER SET latin1, e ENUM('a','b'), n INT UNSIGNED, x DECIMAL(5,2))")
  const bytes = await cell.record(() => cell.run("INSERT INTO version VALUES (1, 'grün', 'b', 4294967295, 1.5)"))
  const wanted = [1, Buffer.from('grün', 'latin1'), Buffer.from('b'), 4294967295, '1.50']
  const old = await cell.describe('fidelity')
  await cell.run("ALTER TABLE version MODIFY v TEXT CHARACTER SET utf8mb4, MODIFY e ENUM('z','a','b'), DROP COLUMN n, MODIFY x DECIMAL(8,4)")
  const later = await cell.describe('fidelity')
  for (const [name, descriptions] of Object.entries({ old, later, none: [] })) {
    const [change] = captured(bytes, cell, descriptions)
    t.same(afterOf(change), wanted, `description ${name}`)
    const [, v, e, n, x] = change?.table.columns ?? []
    t.match(
      [v?.characterSet, v?.type, e?.type, n?.type, x?.type],
      ['latin1', /^varchar\(10\)/, /^enum\('a','b'\)/, /^int.* unsigned/, /^decimal\(5,2\)/],
      name
    )
  }
}

async function checkImages(t: Test, cell: Cell): Promise<void> {
  await cell.run(
    "CREATE TABLE image (id BIGINT UNSIGNED PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4, l VARCHAR(20) CHARACTER SET latin1, b BLOB, f DOUBLE, bits BIT(64), d DECIMAL(30,5), e ENUM('a','') CHARACTER SET utf8mb4, t TIME(6), g POINT)"
  )
  await cell.run("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'")
  const rows = [
    "(18446744073709551615, 'grün \"漢\" \\', 'grün', X'00FF', '-0', 18446744073709551615, -0.00001, 'b', '-838:59:59', ST_GeomFromText('POINT(1 2)'))",
    "(1, NULL, '', '', 1e300, 0, 0, '', '00:00:00.000001', NULL)"
  ]
  const bytes = await cell.record(() => cell.run(`INSERT INTO image VALUES ${rows.join(', ')}`))
  const changes = captured(bytes, cell, await cell.describe('fidelity'))
  t.equal(changes.length, 2)
  for (const change of changes) {
    const text = imageText(change.table, afterOf(change))
    t.same(imageOf(change.table, text), afterOf(change), text)
  }
  const [first] = changes
  if (first === undefined) throw new Error('no change')
  for (const text of ['', '[]', '{"id": 1.5}', '{"none": 1}', '{"v": 5}', '{"b": {"hex": "0"}}', '{"d": 1}', '{"l": "grün"}', '{"b": "text"}']) {
    t.throws(() => imageOf(first.table, text), { code: 'MYV_IMAGE_INVALID' }, text)
  }
}

async function checkMissingKey(t: Test, cell: Cell): Promise<void> {
  await cell.run('CREATE TABLE keyless (a INT NULL, UNIQUE KEY (a)); CREATE TABLE standing (a INT NULL, b INT NOT NULL UNIQUE)')
  const bytes = await cell.record(() => cell.run('INSERT INTO keyless VALUES (1)'))
  t.throws(() => captured(bytes, cell, []), { code: 'MYV_NO_KEY' })
  const other = await cell.record(() => cell.run('INSERT INTO standing VALUES (1, 2)'))
  const descriptions = await cell.describe('fidelity')
  t.same(captured(other, cell, descriptions)[0]?.table.keyColumns, [1])
  const bare = await cell.record(async () => {
    await cell.run("SET GLOBAL binlog_row_metadata = 'MINIMAL'")
    await cell.run('CREATE TABLE bare (id INT PRIMARY KEY); INSERT INTO bare VALUES (1)')
    await cell.run("SET GLOBAL binlog_row_metadata = 'FULL'")
  })
  t.equal(rowsEvents(bare).length, 1)
  t.throws(() => captured(bare, cell, descriptions), { code: 'MYV_METADATA_MISSING' })
}

/** Both forms of the upsert, on keys that only the collation holds for equal. */
async function checkUpsert(t: Test, cell: Cell): Promise<void> {
  await cell.run("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'")
  await cell.run('CREATE TABLE upsert (`k``1` VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, n INT NOT NULL, PRIMARY KEY (`k``1`))')
  const bytes = await cell.record(() => cell.run("INSERT INTO upsert VALUES ('Key', 1)"))
  const [change] = captured(bytes, cell, await cell.describe('fidelity'))
  const plan = await planOf(cell, change, 'upsert')
  const insert = `INSERT INTO ${plan.tableSql} ${plan.insertColumnsSql} VALUES `
  await cell.run(`${insert}${plan.rowSql([Buffer.from('KEY '), 2])}${plan.upsertTailSql}`)
  t.same(await cell.texts('SELECT HEX(`k``1`), n FROM upsert'), [['4B455920', '2']])
  await cell.run(`${insert}${plan.rowSql([Buffer.from('kéy'), 3])} ON DUPLICATE KEY UPDATE ${plan.assignmentsSql}`)
  t.same(await cell.texts('SELECT `k``1`, n FROM upsert'), [['kéy', '3']])
  t.equal(plan.keyOf([Buffer.from('kéy'), 3]), plan.keyOf([Buffer.from('KEY  '), 1]))
  t.throws(() => plan.rowSql([Buffer.from('x'), '1) -- ']), { code: 'MYV_VALUE_INVALID' }, 'a value of another type never becomes SQL')
}

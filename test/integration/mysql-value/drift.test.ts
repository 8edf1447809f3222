import { existsSync } from 'node:fs'
import { identityOf, planTarget, schemaDifferences, type TableDescription } from '@cellway/mysql-value'
import t, { type Test } from 'tap'
import { mysql9Skip } from '../mysql9.ts'
import { type Cell, startFour } from './cells.ts'

/** Where the target's table does not fit, the plan names a statement; run on the real server, it makes the table fit. */

const noMariadb = existsSync('/usr/sbin/mariadbd') ? false : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine'
const skip = noMariadb || (await mysql9Skip())

/** What the source and the target have, and how many problems there are; `id INT PRIMARY KEY` is added to both. */
type Case = readonly [name: string, source: string, target: string, problems: number]

const CASES: readonly Case[] = [
  ['the same', 'a INT, b VARCHAR(10)', 'a INT, b VARCHAR(10)', 0],
  ['another order', 'a INT, b VARCHAR(10)', 'b VARCHAR(10), a INT', 0],
  ['a column more at the source', 'a INT, b INT', 'a INT', 1],
  [
    'three columns more',
    "a INT, b VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT 'it''s', c TEXT, d DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3)",
    'a INT',
    3
  ],
  ['an ENUM more', "e ENUM('a,b','it''s','(') CHARACTER SET utf8mb4 NOT NULL DEFAULT 'it''s', s SET('x','y') DEFAULT 'x,y'", 'z INT DEFAULT 1', 2],
  [
    'defaults of many kinds',
    "a DECIMAL(5,2) NOT NULL DEFAULT 1.50, b BIT(3) DEFAULT b'101', c BINARY(2) DEFAULT 'ab', d DATE DEFAULT '2024-02-29', e INT UNSIGNED ZEROFILL DEFAULT 7, f DOUBLE DEFAULT 1.5e0, g VARCHAR(10) DEFAULT '', h TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, i TIME(6) DEFAULT '-01:02:03.5', j YEAR DEFAULT 2024",
    '',
    10
  ],
  [
    'defaults and labels with odd letters',
    `a VARCHAR(40) DEFAULT 'back\\slash '' quote "', b VARCHAR(20) DEFAULT 'two\nlines\ttab', c VARBINARY(4) DEFAULT X'41275C42', d VARCHAR(10) CHARACTER SET latin1 DEFAULT 'grün', e ENUM('back\\slash','(it''s)',' default null','not null') DEFAULT 'back\\slash', f CHAR(3) DEFAULT ' x ', g VARCHAR(9) DEFAULT 'NULL'`,
    '',
    7
  ],
  ['defaults that are computed', "a VARCHAR(50) DEFAULT (CONCAT('its', 1 + 1)), b BLOB DEFAULT (UNHEX('00')), c INT DEFAULT (1 + 1)", '', 3],
  ['columns without a default', 'a JSON, b LONGBLOB, c POINT, d GEOMETRY', '', 4],
  ['an invisible column', 'a INT INVISIBLE DEFAULT 5, b INT', 'b INT', 1],
  ['a target column with a default', 'a INT', "a INT, more INT DEFAULT 5, other VARCHAR(5) NOT NULL DEFAULT 'x'", 0],
  ['a target column that may be NULL', 'a INT', 'a INT, more INT NULL', 0],
  ['a target column without a default', 'a INT', 'a INT, more VARCHAR(5) NOT NULL', 1],
  ['a target column that is computed', 'a INT', 'a INT, more INT AS (a + 1) STORED', 0],
  ['a column that the target computes', 'a INT, b INT', 'a INT, b INT AS (a + 1) VIRTUAL', 1],
  ['NULL against NOT NULL', 'a INT NULL', 'a INT NOT NULL', 1],
  ['NOT NULL against NULL', 'a INT NOT NULL', 'a INT NULL', 0],
  ['wider integers', 'a TINYINT, b SMALLINT UNSIGNED, c INT UNSIGNED', 'a INT, b INT, c BIGINT', 0],
  ['narrower integers', 'a INT, b INT UNSIGNED, c BIGINT UNSIGNED, d INT', 'a SMALLINT, b INT, c BIGINT, d INT UNSIGNED', 4],
  ['decimals', 'a DECIMAL(10,2), b DECIMAL(10,2), c DECIMAL(10,2)', 'a DECIMAL(12,4), b DECIMAL(10,4), c DECIMAL(12,1)', 2],
  ['floats', 'a FLOAT, b DOUBLE, c DOUBLE', 'a DOUBLE, b FLOAT, c DOUBLE(10,2)', 2],
  ['fractions of a second', 'a DATETIME(3), b DATETIME(6), c TIME, d DATETIME', 'a DATETIME(6), b DATETIME(3), c TIME(6), d TIMESTAMP NULL', 2],
  [
    'texts',
    'a VARCHAR(10), b VARCHAR(10), c CHAR(5), d VARCHAR(5), e TEXT, f TINYTEXT',
    'a VARCHAR(20), b VARCHAR(5), c VARCHAR(5), d CHAR(5), e TINYTEXT, f TEXT',
    3
  ],
  [
    'character sets',
    'a VARCHAR(10) CHARACTER SET latin1, b VARCHAR(10) CHARACTER SET utf8mb4, c VARCHAR(10) CHARACTER SET ascii, d VARCHAR(10) CHARACTER SET utf8mb3',
    'a VARCHAR(10) CHARACTER SET utf8mb4, b VARCHAR(10) CHARACTER SET latin1, c VARCHAR(10) CHARACTER SET latin1, d VARCHAR(10) CHARACTER SET utf8mb4',
    1
  ],
  [
    'bytes',
    'a BINARY(4), b BINARY(4), c VARBINARY(4), d BLOB, e VARBINARY(10)',
    'a BINARY(4), b BINARY(8), c BINARY(4), d MEDIUMBLOB, e VARCHAR(10)',
    3
  ],
  [
    'members',
    "a ENUM('x','y'), b ENUM('x','y'), c SET('x','y'), d SET('x','y')",
    "a ENUM('y','z','x'), b ENUM('x'), c SET('x','z','y'), d SET('y','x')",
    2
  ],
  ['other types', 'a INT, b DATE, c BIT(5), d POINT, e YEAR', 'a VARCHAR(10), b DATETIME, c BIT(3), d GEOMETRY, e INT', 4]
]

t.setTimeout(600_000)

t.test('drift from server to server', { skip, timeout: 600_000 }, async (t) => {
  await using four = await startFour()
  for (const [source, target] of four.pairs) {
    await t.test(`${source.flavour} to ${target.flavour}`, async (t) => {
      await source.reset()
      await target.reset()
      for (const one of CASES) await checkCase(t, { source, target }, one)
      await checkKeys(t, { source, target })
      await checkMissing(t, { source, target })
    })
  }
})

interface Pair {
  readonly source: Cell
  readonly target: Cell
}

async function checkCase(t: Test, { source, target }: Pair, [name, own, other, problems]: Case): Promise<void> {
  await make(source, own)
  await make(target, other)
  const wanted = await only(source)
  const first = planTarget(identityOf(wanted), await only(target))
  t.equal(first.ok ? 0 : first.problems.length, problems, `${name}${first.ok ? '' : `: ${first.problems.join('; ')}`}`)
  const differences = schemaDifferences([wanted], [await only(target)])
  t.equal(differences.length, problems, `${name}: differences of the schemas`)
  if (first.ok) return
  await target.run(first.statement)
  const after = await only(target)
  const second = planTarget(identityOf(wanted), after)
  if (!second.ok) t.fail(`${name}: ${first.statement} leaves ${second.problems.join('; ')}`)
  if (source.flavour === target.flavour && other === '') t.same(bare(after), bare(wanted), `${name}: the same as at the source`)
}

/** The columns without what a server counts by itself. */
function bare({ columns }: TableDescription): unknown {
  return columns.map(({ extra, ...rest }) => ({ ...rest, extra: extra.toLowerCase() }))
}

async function make(cell: Cell, columns: string): Promise<void> {
  await cell.run('DROP TABLE IF EXISTS drift')
  await cell.run(`CREATE TABLE drift (id INT AUTO_INCREMENT PRIMARY KEY${columns === '' ? '' : `, ${columns}`}) CHARACTER SET utf8mb4`)
}

async function only(cell: Cell, name = 'drift'): Promise<TableDescription> {
  const found = (await cell.describe('fidelity')).find((table) => table.name === name)
  if (found === undefined) throw new Error(`no table ${name}`)
  return found
}

async function checkKeys(t: Test, { source, target }: Pair): Promise<void> {
  await source.run('CREATE TABLE keyed (a INT NOT NULL, b VARCHAR(10) NOT NULL, PRIMARY KEY (a, b), UNIQUE KEY by_b (b(4)))')
  await target.run('CREATE TABLE keyed (a INT NOT NULL PRIMARY KEY, b VARCHAR(10) NOT NULL)')
  const wanted = await only(source, 'keyed')
  t.same(wanted.keyColumns, [0, 1])
  const planning = planTarget(identityOf(wanted), await only(target, 'keyed'))
  if (planning.ok) throw new Error('another key was not seen')
  t.match(planning.statement, /ADD UNIQUE KEY \(`a`, `b`\)/)
  const [, missing, extra] = schemaDifferences([wanted], [await only(target, 'keyed')])
  t.match(missing, { problem: /unique key by_b .* is missing/, statement: /ADD UNIQUE KEY `by_b` \(`b`\(4\)\)/ })
  t.match(extra, { problem: /unique key PRIMARY .* is in the second cell only/, statement: /DROP PRIMARY KEY/ })
  await target.run(planning.statement)
  t.equal(planTarget(identityOf(wanted), await only(target, 'keyed')).ok, true)
  await target.run(missing?.statement ?? '')
  await target.run(extra?.statement ?? '')
  t.same(schemaDifferences([wanted], [await only(target, 'keyed')]), [])
  await source.run('CREATE TABLE standing (x INT NULL UNIQUE, b INT NOT NULL, a INT NOT NULL, UNIQUE KEY z (b), UNIQUE KEY y (a, b))')
  t.same((await only(source, 'standing')).keyColumns, [1], 'the shortest unique key without NULL stands for the primary key')
  await source.run('CREATE TABLE keyless (x INT NULL UNIQUE)')
  t.same((await only(source, 'keyless')).keyColumns, [])
}

async function checkMissing(t: Test, { source, target }: Pair): Promise<void> {
  await source.run('CREATE TABLE parent (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY)')
  await source.run(
    'CREATE TABLE child (id INT PRIMARY KEY, p BIGINT UNSIGNED, at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), v VARCHAR(9) DEFAULT (UPPER(HEX(1))), CONSTRAINT own FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)'
  )
  await source.run('CREATE TRIGGER noted BEFORE INSERT ON child FOR EACH ROW SET NEW.p = NEW.p')
  const child = await only(source, 'child')
  t.match(child.foreignKeys, [
    { name: 'own', columns: [1], referencedSchema: 'fidelity', referencedTable: 'parent', referencedColumns: ['id'], onDelete: 'CASCADE' }
  ])
  t.same(child.triggers, [{ name: 'noted', timing: 'BEFORE', event: 'INSERT' }])
  for (const name of ['parent', 'child']) {
    const wanted = identityOf(await only(source, name))
    const missing = planTarget(wanted, undefined, target.flavour)
    if (missing.ok) throw new Error('there was no table')
    await target.run(missing.statement)
    t.equal(planTarget(wanted, await only(target, name)).ok, true, missing.statement)
  }
  t.equal((await only(target, 'parent')).columns[0]?.autoIncrement, true)
  t.match(schemaDifferences(await source.describe('fidelity'), []), [{ problem: /is missing/ }])
}

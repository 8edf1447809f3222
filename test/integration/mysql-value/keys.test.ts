import { existsSync } from 'node:fs'
import { type Flavour, identityOf, planTarget, type TargetPlan } from '@cellway/mysql-value'
import t, { type Test } from 'tap'
import { mysql9Skip } from '../mysql9.ts'
import { type Cell, startCell } from './cells.ts'

/** Two rows have the same `keyOf` exactly when the server itself says `=` of their keys. */

const noMariadb = existsSync('/usr/sbin/mariadbd') ? false : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine'
const SKIP: Readonly<Record<Flavour, string | false>> = { mariadb: noMariadb, mysql: await mysql9Skip() }

const WORDS = [
  ...['', ' ', '  ', 'a', 'A', 'a ', 'A  ', ' a', 'ab', 'aB', 'AB ', 'b', 'abc', 'a\t', 'a\u0001', '\u0001', 'a\u00a0', 'a-b', 'a_b', 'ab-'],
  ...['ä', 'Ä', 'a\u0308', 'A\u0308', 'á', 'à', 'å', 'aa', 'Aa', 'æ', 'ae', 'Æ', 'ae ', 'ß', 'ss', 'SS', 's', 'sS', 'ẞ'],
  ...['é', 'É', 'e', 'E', 'e\u0301', 'ë', 'ø', 'o', 'ö', 'oe', 'œ', 'Œ', 'ü', 'ue', 'y', 'Y', 'Ü', 'ñ', 'n', 'ł', 'l', 'đ', 'd', 'þ', 'th', 'ð'],
  ...['i', 'I', 'ı', 'İ', 'j', 'J', 'u', 'v', 'w', 'V', 'W', 'fi', 'ﬁ', 'Ⅷ', 'viii', 'VIII', '½', '1⁄2', '①', '1', '１', 'Ａ', 'ａ', '𝐀', '𝒶'],
  ...['и', 'й', 'И', 'Й', 'е', 'ё', 'Ё', 'Е', 'σ', 'ς', 'Σ', 'ά', 'α', 'Α', 'Ω', 'Ω', 'K', 'k', 'K'],
  ...['か', 'カ', 'が', 'ガ', 'ｶ', 'ｶﾞ', 'は', 'ば', 'ぱ', 'っ', 'つ', 'ー', '漢', '字', '漢字', '豈', '豈', '中', '가', '각', 'ᄀ\u1161'],
  ...[
    '🐬',
    '🐳',
    '🍣',
    '🍺',
    '😀',
    '\u{10400}',
    '\u{10428}',
    '\u{1F1E6}',
    '\u200b',
    'a\u200bb',
    '\ufeffa',
    'a\u00adb',
    'a\u0000b',
    'a\u0000',
    '\u0000'
  ]
]

const COLLATIONS: Readonly<Record<Flavour, readonly string[]>> = {
  mariadb: [
    'utf8mb4_general_ci',
    'utf8mb4_unicode_ci',
    'utf8mb4_unicode_520_ci',
    'utf8mb4_uca1400_ai_ci',
    'utf8mb4_uca1400_as_ci',
    'utf8mb4_uca1400_as_cs',
    'utf8mb4_uca1400_nopad_ai_ci',
    'utf8mb4_bin',
    'utf8mb4_nopad_bin',
    'utf8mb4_turkish_ci',
    'utf8mb3_general_ci',
    'utf16_unicode_ci',
    'utf16_bin',
    'latin1_swedish_ci',
    'latin1_german2_ci',
    'latin1_general_cs',
    'latin1_bin'
  ],
  mysql: [
    'utf8mb4_0900_ai_ci',
    'utf8mb4_0900_as_ci',
    'utf8mb4_0900_as_cs',
    'utf8mb4_0900_bin',
    'utf8mb4_general_ci',
    'utf8mb4_unicode_ci',
    'utf8mb4_de_pb_0900_ai_ci',
    'utf8mb4_bin',
    'utf16_unicode_ci',
    'utf32_general_ci',
    'latin1_swedish_ci',
    'latin1_german2_ci',
    'latin1_bin'
  ]
}

t.setTimeout(600_000)

for (const flavour of ['mariadb', 'mysql'] as const) {
  t.test(`keys of ${flavour}`, { skip: SKIP[flavour], timeout: 300_000 }, async (t) => {
    await using cell = await startCell(flavour)
    for (const collation of COLLATIONS[flavour]) await checkCollation(t, cell, collation)
    await checkNumbers(t, cell)
  })
}

async function checkCollation(t: Test, cell: Cell, collation: string): Promise<void> {
  const characterSet = collation.split('_')[0] ?? ''
  await cell.run('DROP TABLE IF EXISTS words, word')
  const column = `w VARCHAR(20) CHARACTER SET ${characterSet} COLLATE ${collation} NOT NULL`
  await cell.run(`CREATE TABLE word (${column} PRIMARY KEY); CREATE TABLE words (id INT PRIMARY KEY, ${column})`)
  const literals = [...new Set(WORDS)].map((word) => `CONVERT(_utf8mb4 X'${Buffer.from(word).toString('hex')}' USING ${characterSet})`)
  // Letters that the character set has not become question marks.
  await cell.run("SET SESSION sql_mode = ''")
  await cell.run(`INSERT INTO words VALUES ${literals.map((literal, id) => `(${id}, ${literal})`).join(', ')}`)
  const plan = await planOf(cell, 'word')
  const rows = await cell.rows('SELECT id, CAST(w AS BINARY) FROM words')
  const keys = rows.map(([id, word]) => ({
    id: String(id),
    word: word ?? Buffer.alloc(0),
    key: plan.keyOf([word]),
    isExact: plan.isKeyExact([word])
  }))
  const pairs = await cell.texts('SELECT a.id, b.id FROM words a JOIN words b ON a.id < b.id AND a.w = b.w')
  const equal = new Set(pairs.map((pair) => pair.join()))
  let joined = 0
  for (const left of keys) {
    for (const right of keys) {
      if (Number(left.id) >= Number(right.id)) continue
      const wanted = equal.has(`${left.id},${right.id}`)
      const found = left.key === right.key
      if (found) joined++
      // What is not exact may be kept apart, never joined.
      if (found !== wanted && (found || (left.isExact && right.isExact)))
        t.equal(found, wanted, `${collation}: ${left.word.toString('hex')} and ${right.word.toString('hex')}`)
    }
  }
  t.ok(joined <= equal.size, `${collation}: ${joined} of ${equal.size} equal pairs among ${keys.length} words`)
  const exact = keys.filter(({ isExact }) => isExact).length
  t.ok(/_(?:swedish|turkish|de_pb|tr)_/.test(collation) || exact > 100, `${collation}: ${exact} keys are exact`)
}

async function planOf(cell: Cell, name: string): Promise<TargetPlan> {
  const table = (await cell.describe('fidelity')).find((one) => one.name === name)
  if (table === undefined) throw new Error(`no table ${name}`)
  const planning = planTarget(identityOf(table), table)
  if (!planning.ok) throw new Error(planning.problems.join('; '))
  return planning.plan
}

async function checkNumbers(t: Test, cell: Cell): Promise<void> {
  await cell.run('CREATE TABLE number_key (a BIGINT UNSIGNED, b DECIMAL(10,3), c DOUBLE, d DATETIME(3), e VARBINARY(5), PRIMARY KEY (a, b, c, d, e))')
  const plan = await planOf(cell, 'number_key')
  const row = [18446744073709551615n, '1.500', 0, '2024-01-01 00:00:00.000', Buffer.from('a ')]
  const same = [18446744073709551615n, '1.5', -0, '2024-01-01 00:00:00', Buffer.from('a ')]
  t.equal(plan.keyOf(row), plan.keyOf(same))
  for (const [at, value] of [1n, '1.501', 1, '2024-01-01 00:00:00.001', Buffer.from('a')].entries()) {
    t.not(plan.keyOf(row), plan.keyOf(row.toSpliced(at, 1, value)))
  }
  await cell.run(`INSERT INTO ${plan.tableSql} ${plan.insertColumnsSql} VALUES ${plan.rowSql(row)}`)
  const found = await cell.rows(`SELECT ${plan.selectSql} FROM ${plan.tableSql} WHERE ${plan.keyColumnsSql} IN (${plan.keySql(same)})`)
  t.equal(found.length, 1)
  t.ok(plan.rowsEqual(plan.resultRow(found[0] ?? []), row))
}

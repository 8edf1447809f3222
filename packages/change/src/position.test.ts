import { isCellwayError } from '@cellway/base'
import t from 'tap'
import type { Position } from './position.ts'
import { advancePosition, comparePositions, formatPosition, parsePosition, positionIncludes, unionPositions } from './position.ts'
import { parseMariadbGtid } from './position-mariadb.ts'
import { parseMysqlGtid } from './position-mysql.ts'

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const B = '4e11fa47-71ca-11e1-9e33-c80aa9429562'
const R = 'ab'.repeat(20)
const S = 'cd'.repeat(20)

function codeOf(call: () => unknown): string {
  try {
    return `returned ${String(call())}`
  } catch (cause) {
    return isCellwayError(cause) ? cause.code : String(cause)
  }
}

t.test('one spelling of every position', async (t) => {
  const rows: readonly (readonly [Position['kind'], string, string])[] = [
    ['mariadb', '', ''],
    ['mariadb', '0-1-100', '0-1-100'],
    ['mariadb', ' 7-2-5 ,0-1-18446744073709551615', '0-1-18446744073709551615,7-2-5'],
    ['mysql', '', ''],
    ['mysql', `${A}:1-5`, `${A}:1-5`],
    ['mysql', `${A}:5`, `${A}:5`],
    ['mysql', `${B.toUpperCase()}:7,\n${A}:3-5:1-2:9`, `${A}:1-5:9,${B}:7`],
    ['mysql', `${A}:1-3,${A}:2-8,`, `${A}:1-8`],
    ['mysql', `${A}:1-3:blue:4-5:7:green:1`, `${A}:1-3:blue:4-5:7:green:1`],
    ['mysql', `${A}:Blue:1,${A}:4`, `${A}:4:blue:1`],
    ['mysql', `${A}:9223372036854775806`, `${A}:9223372036854775806`],
    ['redis', `${R}:0:0`, `${R}:0:0`],
    ['redis', `${R}:9223372036854775807:15`, `${R}:9223372036854775807:15`]
  ]
  for (const [kind, text, want] of rows) {
    const position = parsePosition(kind, text)
    t.equal(formatPosition(position), want, `${kind} ${text}`)
    t.same(parsePosition(kind, want), position)
  }
})

t.test('what is no position is refused', async (t) => {
  const rows: readonly (readonly [Position['kind'], string])[] = [
    ['mariadb', '0-1'],
    ['mariadb', '0-1-2-3'],
    ['mariadb', '0-1-x'],
    ['mariadb', '-0-1-2'],
    ['mariadb', '4294967296-1-1'],
    ['mariadb', '0-4294967296-1'],
    ['mariadb', '0-1-18446744073709551616'],
    ['mariadb', '0-1-5,0-2-6'],
    ['mariadb', '0-1-5,'],
    ['mariadb', `${A}:1-5`],
    ['mysql', A],
    ['mysql', `${A}:`],
    ['mysql', `${A}:0-5`],
    ['mysql', `${A}:5-4`],
    ['mysql', `${A}:1-2-3`],
    ['mysql', `${A}:9223372036854775807`],
    ['mysql', `${A}:blue`],
    ['mysql', `${A}:blue:green:1`],
    ['mysql', `${A}:1:blue`],
    ['mysql', `${A}:bl ue:1`],
    ['mysql', `${A.slice(1)}:1`],
    ['mysql', '0-1-5'],
    ['redis', ''],
    ['redis', `${R}:5`],
    ['redis', `${R.slice(2)}:5:0`],
    ['redis', `${R}cd:5:0`],
    ['redis', `${R}:-5:0`],
    ['redis', `${R}:9223372036854775808:0`],
    ['redis', '?:-1:0'],
    ['mysql', `${A}:1,`.repeat(10_000)]
  ]
  for (const [kind, text] of rows)
    t.equal(
      codeOf(() => parsePosition(kind, text)),
      'CHANGE_POSITION_INVALID',
      `${kind} ${text.slice(0, 80)}`
    )
  t.equal(
    codeOf(() => parseMysqlGtid(`${A}:1-2`)),
    'CHANGE_POSITION_INVALID',
    'a set is not one transaction'
  )
})

t.test('order', async (t) => {
  const rows: readonly (readonly [Position['kind'], string, string, string])[] = [
    ['mariadb', '', '0-1-1', 'before'],
    ['mariadb', '0-1-5', '0-1-5', 'equal'],
    ['mariadb', '0-1-5', '0-2-6', 'before'],
    ['mariadb', '0-1-6', '0-2-5', 'after'],
    ['mariadb', '0-1-5', '0-2-5', 'incomparable'],
    ['mariadb', '0-1-5', '0-1-5,1-1-1', 'before'],
    ['mariadb', '0-1-5,1-1-2', '0-1-6,1-1-1', 'concurrent'],
    ['mariadb', '0-1-5', '1-1-5', 'concurrent'],
    ['mariadb', '0-1-18446744073709551615', '0-1-18446744073709551614', 'after'],
    ['mysql', '', '', 'equal'],
    ['mysql', '', `${A}:1`, 'before'],
    ['mysql', `${A}:1-5`, `${A}:1-4`, 'after'],
    ['mysql', `${A}:1-5`, `${A}:1-4:7`, 'concurrent'],
    ['mysql', `${A}:1-5`, `${A}:1-5,${B}:1`, 'before'],
    ['mysql', `${A}:1-5`, `${A}:blue:1-5`, 'concurrent'],
    ['mysql', `${A}:2-3`, `${A}:1-5`, 'before'],
    ['redis', `${R}:5:0`, `${R}:6:1`, 'before'],
    ['redis', `${R}:5:0`, `${R}:5:0`, 'equal'],
    ['redis', `${R}:5:0`, `${R}:5:1`, 'incomparable'],
    ['redis', `${R}:5:0`, `${S}:6:0`, 'incomparable']
  ]
  for (const [kind, left, right, want] of rows)
    t.equal(comparePositions(parsePosition(kind, left), parsePosition(kind, right)), want, `${left} and ${right}`)
  t.equal(comparePositions(parsePosition('mysql', ''), parsePosition('mariadb', '')), 'incomparable', 'of two kinds')
})

t.test('what is in is in, and what comes is added', async (t) => {
  const mariadb = parsePosition('mariadb', '0-1-5,1-1-2')
  t.equal(positionIncludes(mariadb, parseMariadbGtid('0-2-4')), true)
  t.equal(positionIncludes(mariadb, parseMariadbGtid('0-1-5')), true)
  t.equal(positionIncludes(mariadb, parseMariadbGtid('0-1-6')), false)
  t.equal(positionIncludes(mariadb, parseMariadbGtid('9-1-1')), false)
  t.equal(
    codeOf(() => positionIncludes(mariadb, parseMariadbGtid('0-2-5'))),
    'CHANGE_POSITION_INCOMPARABLE',
    'the history forked'
  )
  t.equal(formatPosition(advancePosition(mariadb, parseMariadbGtid('0-3-6'))), '0-3-6,1-1-2')
  t.equal(formatPosition(advancePosition(mariadb, parseMariadbGtid('2-3-1'))), '0-1-5,1-1-2,2-3-1')
  t.equal(formatPosition(advancePosition(mariadb, parseMariadbGtid('0-1-3'))), '0-1-5,1-1-2', 'never back')

  const mysql = parsePosition('mysql', `${A}:1-5:8,${B}:blue:2`)
  for (const [gtid, want] of [
    [`${A}:5`, true],
    [`${A}:6`, false],
    [`${A}:8`, true],
    [`${A}:9`, false],
    [`${B}:2`, false],
    [`${B}:blue:2`, true]
  ] as const) {
    t.equal(positionIncludes(mysql, parseMysqlGtid(gtid)), want, gtid)
  }
  t.equal(formatPosition(advancePosition(mysql, parseMysqlGtid(`${A}:6`))), `${A}:1-6:8,${B}:blue:2`)
  t.equal(formatPosition(advancePosition(mysql, parseMysqlGtid(`${A}:7`))), `${A}:1-5:7-8,${B}:blue:2`)
  t.equal(formatPosition(unionPositions(mysql, parsePosition('mysql', `${A}:6-7`))), `${A}:1-8,${B}:blue:2`)

  const redis = parsePosition('redis', `${R}:100:0`)
  t.equal(positionIncludes(redis, { kind: 'redis', replicationId: R, offset: 99n, db: 3 }), true)
  t.equal(positionIncludes(redis, { kind: 'redis', replicationId: R, offset: 101n, db: 0 }), false)
  t.equal(
    codeOf(() => positionIncludes(redis, { kind: 'redis', replicationId: S, offset: 1n, db: 0 })),
    'CHANGE_POSITION_INCOMPARABLE'
  )
})

import t from 'tap'
import { type Begin, checkCommit, checkLateMark, checkStatements, judge, type Part, type VerdictRules } from './verdict.ts'

/** Which transactions leave the cell: every combination of the two marks of an applied one. */

const RESERVED = 4_000_000_003
const CLASSES: Readonly<Record<string, string>> = { checkpoint: 'checkpoint', skipped: 'cellway', heartbeat: 'carried', t: 'declared', own: 'local' }

function rulesOf(reservedServerId: number | undefined, skipped = ''): VerdictRules {
  return {
    tables: { classOf: ({ table }) => (CLASSES[table] ?? 'undeclared') as never, routeOf: () => undefined },
    reservedServerId,
    isSkipped: (gtid) => gtid === skipped
  }
}

function begin(serverId: number): Begin {
  const gtid = { flavour: 'mariadb', domain: 0, server: serverId, sequence: 5n } as const
  return { kind: 'begin', gtid, serverId, event: {} as never, position: { file: 'bin.000001', offset: 99n } }
}

function rows(...names: string[]): Part[] {
  return names.map((table) => ({ kind: 'rows', table: { schema: 'any', table }, rows: {}, query: undefined }) as never)
}

function statement(kind: string, text: string, schema = 'shop'): Part {
  return { kind: 'statement', statement: kind, query: { text, schema }, context: [] } as never
}

const CASES: readonly [name: string, flavour: 'mariadb' | 'mysql', server: number, parts: readonly Part[], want: string][] = [
  ['a local change', 'mariadb', 7, rows('t'), 'publish'],
  ['an applied change', 'mariadb', RESERVED, rows('checkpoint', 't'), 'echo'],
  ['an applied change of MySQL, which has one mark', 'mysql', 7, rows('checkpoint', 't'), 'echo'],
  ['the id of another cell is no mark of ours', 'mariadb', RESERVED + 1, rows('t'), 'publish'],
  ['a checkpoint row alone', 'mariadb', 7, rows('checkpoint', 't'), 'CAP_MARK_MISMATCH first'],
  ['a server id alone', 'mariadb', RESERVED, rows('t'), 'CAP_MARK_MISMATCH none'],
  ['a checkpoint row behind others', 'mariadb', 7, rows('t', 'checkpoint'), 'CAP_MARK_MISMATCH later'],
  ['both, in the wrong order', 'mariadb', RESERVED, rows('t', 'checkpoint'), 'CAP_MARK_MISMATCH later'],
  ['a checkpoint row behind others on MySQL', 'mysql', 7, rows('t', 'checkpoint'), 'CAP_MARK_MISMATCH later'],
  ['housekeeping', 'mariadb', 7, rows('skipped'), 'filter'],
  ['housekeeping of an applier', 'mariadb', RESERVED, rows('skipped'), 'filter'],
  ['a checkpoint that a plain session placed', 'mariadb', 7, rows('checkpoint'), 'echo'],
  ['a heartbeat', 'mariadb', 7, rows('heartbeat'), 'publish'],
  ['a schema change', 'mariadb', 7, [statement('ddl', 'ALTER TABLE t ADD x INT')], 'publish'],
  ['a schema change by an applier, which makes none', 'mariadb', RESERVED, [statement('ddl', 'ALTER TABLE t ADD x INT')], 'CAP_MARK_MISMATCH none'],
  ['our own tables being made', 'mariadb', 7, [statement('ddl', 'CREATE TABLE IF NOT EXISTS cellway.stream (a INT)')], 'filter'],
  ['accounts', 'mariadb', 7, [statement('admin', 'GRANT ALL ON *.* TO a')], 'filter'],
  ['nothing at all', 'mariadb', RESERVED, [], 'filter']
]

for (const [name, flavour, server, parts, want] of CASES) {
  t.test(name, async (t) =>
    t.equal(
      outcome(() => judge(rulesOf(flavour === 'mariadb' ? RESERVED : undefined), begin(server), parts)),
      want
    )
  )
}

t.test('a skipped transaction passes, whatever is in it', async (t) => {
  t.equal(judge(rulesOf(RESERVED, `0-${RESERVED}-5`), begin(RESERVED), rows('t')), 'filter')
})

t.test('a mark in a later part of a large transaction', async (t) => {
  const [mark] = rows('checkpoint')
  const [other] = rows('t')
  if (mark === undefined || other === undefined) throw new Error('no parts')
  t.equal(
    outcome(() => checkLateMark(rulesOf(RESERVED), begin(7), mark)),
    'CAP_MARK_MISMATCH later'
  )
  t.doesNotThrow(() => checkLateMark(rulesOf(RESERVED), begin(7), other))
})

t.test('what cannot be taken exactly', async (t) => {
  for (const kind of ['write', 'unknown', 'rollback-to-savepoint']) {
    t.throws(() => checkStatements(begin(7), [statement(kind, 'UPDATE t SET a = 1')]), {
      code: 'CAP_STATEMENT_WRITE',
      details: { gtid: '0-7-5', file: 'bin.000001', offset: '99' }
    })
  }
  for (const kind of ['ddl', 'savepoint', 'admin', 'xa']) t.doesNotThrow(() => checkStatements(begin(7), [statement(kind, 'x')]))
  const commit = { kind: 'commit', gtid: begin(7).gtid, position: begin(7).position } as const
  t.throws(() => checkCommit(begin(7), { ...commit, end: { by: 'xa-prepare', xid: {} as never } }), { code: 'CAP_XA_PREPARED' })
  t.doesNotThrow(() => checkCommit(begin(7), { ...commit, end: { by: 'xid', xid: 1n } }))
})

function outcome(work: () => unknown): string {
  try {
    return String(work() ?? 'nothing')
  } catch (error) {
    const { code, details } = error as { code: string; details: { checkpointRow: string } }
    return `${code} ${details.checkpointRow}`
  }
}

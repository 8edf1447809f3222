import { existsSync } from 'node:fs'
import { isCellwayError } from '@cellway/base'
import {
  ASSEMBLER_START,
  assemble,
  BinlogDecoder,
  type Collected,
  type DecoderOptions,
  formatGtid,
  packetsOfFile,
  type RowsEvent,
  TransactionCollector
} from '@cellway/mysql-binlog'
import t, { type Test } from 'tap'
import { type BinlogSource, startSource } from './source.ts'

/** What real statements become: whole transactions, DDL on its own, statement-format writes in plain sight. */

const skip = existsSync('/usr/sbin/mariadbd')
  ? false
  : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine (apt-get install mariadb-server-core)'

const TRIGGER =
  'CREATE TABLE trig (id INT PRIMARY KEY); CREATE TRIGGER tr AFTER INSERT ON trig FOR EACH ROW INSERT INTO a(id) VALUES (NEW.id + 900); INSERT INTO trig VALUES (1)'

const CASES: readonly [name: string, sql: readonly string[], want: readonly string[]][] = [
  ['autocommit', ["INSERT INTO a VALUES (1,'x')"], ['xid: insert a 1']],
  ['two tables', ["BEGIN; INSERT INTO a VALUES (2,'x'),(3,'y'); UPDATE a SET v='z' WHERE id=2; COMMIT"], ['xid: insert a 2, update a 1']],
  [
    'a savepoint that is rolled back',
    ["BEGIN; INSERT INTO a VALUES (4,'x'); SAVEPOINT s; DELETE FROM a; ROLLBACK TO s; COMMIT"],
    ['xid: insert a 1, savepoint']
  ],
  [
    'rows that a savepoint takes back, but the binlog keeps',
    ['BEGIN; INSERT INTO a(id) VALUES (40); SAVEPOINT s; INSERT INTO m VALUES (7); INSERT INTO a(id) VALUES (41); ROLLBACK TO s; COMMIT'],
    ['query: insert m 1', 'xid: insert a 1, savepoint, insert a 1, rollback-to-savepoint !']
  ],
  ['rolled back', ["BEGIN; INSERT INTO a VALUES (5,'x'); ROLLBACK"], []],
  ['an engine without transactions', ['INSERT INTO m VALUES (1)'], ['query: insert m 1']],
  ['DDL', ['ALTER TABLE a ADD c INT', 'TRUNCATE TABLE m'], ['standalone: ddl', 'standalone: ddl']],
  ['CREATE TABLE … SELECT has rows within DDL', ['CREATE TABLE ctas AS SELECT id FROM a WHERE id < 3'], ['xid: ddl, insert ctas 2']],
  [
    'XA in two phases',
    ["XA START 'x'; INSERT INTO a(id) VALUES (6); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'"],
    ['xa-prepare: insert a 1, xa', 'standalone: xa']
  ],
  [
    'a write in statement format',
    ["SET SESSION binlog_format=STATEMENT; UPDATE a SET v='s' WHERE id=1; SET SESSION binlog_format=ROW"],
    ['xid: write !']
  ],
  [
    'a statement with its context',
    [
      'CREATE TABLE au (id INT PRIMARY KEY AUTO_INCREMENT); SET SESSION binlog_format=STATEMENT; SET @u=1; INSERT INTO au VALUES (NULL); SET SESSION binlog_format=ROW'
    ],
    ['standalone: ddl', 'xid: write(1) !']
  ],
  ['accounts', ['CREATE USER nobody@localhost; GRANT SELECT ON fidelity.* TO nobody@localhost'], ['standalone: admin', 'standalone: admin']],
  ['cascades are not in the binlog, triggers are', [TRIGGER], ['standalone: ddl', 'standalone: ddl', 'xid: insert trig 1, insert a 1']]
]

t.test('transactions of MariaDB', { skip, timeout: 120_000 }, async (t) => {
  await using source = await startSource()
  await source.run('CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM')
  for (const [name, sql, want] of CASES) {
    await t.test(name, async (t) => t.same(summary(await collected(source, sql)), want))
  }
  await t.test('a statement is known behind its rows', async (t) => {
    const [transaction] = await collected(source, ["INSERT INTO a(id, v) VALUES (100, 'x') /* epoch 7 */"])
    const part = transaction?.kind === 'transaction' ? transaction.parts[0] : undefined
    t.equal(part?.kind === 'rows' ? part.query?.toString() : '', "INSERT INTO a(id, v) VALUES (100, 'x') /* epoch 7 */")
  })
  await t.test('GTIDs are those of the server, and positions lie in its file', (t) => checkGtids(t, source))
  await t.test('a transaction beyond the bound comes in parts and ends once', (t) => checkLarge(t, source))
  await t.test('columns in the old temporal format', (t) => checkOldTemporal(t, source))
  await t.test('without row metadata, values that cannot be told are refused', (t) => checkNoMetadata(t, source))
})

async function collected(source: BinlogSource, statements: readonly string[], heldBytesMax = 1_000_000): Promise<Collected[]> {
  const bytes = await source.record(async () => {
    for (const sql of statements) await source.run(sql)
  })
  return collectAll(bytes, heldBytesMax)
}

function collectAll(bytes: Buffer, heldBytesMax: number): Collected[] {
  const decoder = new BinlogDecoder()
  const collector = new TransactionCollector({ heldBytesMax })
  let state = ASSEMBLER_START
  const out: Collected[] = []
  for (const packet of packetsOfFile(bytes)) {
    for (const event of decoder.events(packet)) {
      const step = assemble(state, event)
      state = step.state
      for (const unit of step.units) {
        const one = collector.push(unit)
        if (one !== undefined && one.kind !== 'format') out.push(one)
      }
    }
  }
  return out
}

function summary(all: readonly Collected[]): string[] {
  return all.map((one) => {
    if (one.kind !== 'transaction') return one.kind
    const parts = one.parts.map((part) => {
      if (part.kind === 'rows') return `${part.rows.action} ${part.table.table} ${[...part.rows].length}`
      return part.statement + (part.context.length > 0 ? `(${part.context.length})` : '')
    })
    return `${one.commit.end.by}: ${parts.join(', ')}${one.inexact ? ' !' : ''}`
  })
}

async function checkGtids(t: Test, source: BinlogSource): Promise<void> {
  const found = await collected(source, ['INSERT INTO a(id) VALUES (200)', 'INSERT INTO a(id) VALUES (201)'])
  const [[last]] = (await source.select('SELECT @@gtid_binlog_pos')) as [[string]]
  const gtids = found.map((one) => (one.kind === 'transaction' ? formatGtid(one.begin.gtid) : ''))
  t.equal(gtids.at(-1), last)
  t.equal(new Set(gtids).size, 2)
  const [first] = found
  if (first?.kind !== 'transaction') throw new Error('no transaction')
  t.equal(first.begin.serverId, 7)
  t.ok((first.commit.position.offset ?? 0n) > 4n)
}

async function checkLarge(t: Test, source: BinlogSource): Promise<void> {
  const statement = `INSERT INTO a(id, v) VALUES ${Array.from({ length: 2000 }, (_, index) => `(${index + 10_000}, 'some twenty letters')`).join(',')}`
  const found = await collected(source, [statement, 'INSERT INTO a(id) VALUES (500)'], 20_000)
  const kinds = found.map(({ kind }) => kind)
  t.equal(kinds[0], 'large-begin')
  t.same(kinds.slice(-2), ['commit', 'transaction'])
  const rows = found.flatMap((one) => (one.kind === 'large-begin' ? one.parts : one.kind === 'large-part' ? [one.part] : []))
  t.equal(
    rows.reduce((sum, part) => sum + (part.kind === 'rows' ? [...part.rows].length : 0), 0),
    2000
  )
}

async function checkOldTemporal(t: Test, source: BinlogSource): Promise<void> {
  const digits = [0, 1, 2, 3, 4, 5, 6]
  const columns = digits.flatMap((count) => [`t${count} TIME(${count})`, `d${count} DATETIME(${count})`, `s${count} TIMESTAMP(${count}) NULL`])
  await source.run(`SET GLOBAL mysql56_temporal_format=OFF; CREATE TABLE old (id INT PRIMARY KEY, ${columns.join(', ')})`)
  await source.run('SET GLOBAL mysql56_temporal_format=ON')
  const values = [
    ['-12:34:56.789012', '2024-02-29 01:02:03.456789', '2024-01-01 00:00:00.250001'],
    ['838:59:59', '0000-00-00', '0000-00-00'],
    ['-838:59:59', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07']
  ]
  const bytes = await source.record(() =>
    source.run(`INSERT INTO old VALUES ${values.map((row, id) => `(${id}, ${digits.flatMap(() => row.map((value) => `'${value}'`)).join(',')})`)}`)
  )
  const names = columns.map((column) => column.split(' ')[0] ?? '')
  const server = await source.select(`SELECT ${names.map((name) => `CAST(${name} AS CHAR)`).join(', ')} FROM old ORDER BY id`)
  const known = rowsOf(bytes, { oldTemporalDecimals: (_table, { name }) => Number(name?.slice(1)) })
  t.same(
    known.map((row) => row.slice(1)),
    server,
    'with the digits that information_schema has'
  )
  t.throws(() => rowsOf(bytes), { code: 'BINLOG_TEMPORAL_AMBIGUOUS' }, 'without them no guess is made')
}

async function checkNoMetadata(t: Test, source: BinlogSource): Promise<void> {
  await source.run('SET GLOBAL binlog_row_metadata=NO_LOG; CREATE TABLE bare (v VARCHAR(5)); CREATE TABLE num (id INT); CREATE TABLE ch (c CHAR(3))')
  try {
    t.same(
      rowsOf(await source.record(() => source.run("INSERT INTO bare VALUES ('ok'), (NULL)"))).map(([value]) => String(value)),
      ['ok', 'null']
    )
    for (const sql of ['INSERT INTO num VALUES (1)', "INSERT INTO ch VALUES ('a')"]) {
      const bytes = await source.record(() => source.run(sql))
      t.throws(() => rowsOf(bytes), { code: 'BINLOG_METADATA_MISSING' })
    }
  } finally {
    await source.run('SET GLOBAL binlog_row_metadata=FULL')
  }
}

function rowsOf(bytes: Buffer, options: DecoderOptions = {}): unknown[][] {
  const decoder = new BinlogDecoder(options)
  const events: RowsEvent[] = []
  for (const packet of packetsOfFile(bytes)) for (const event of decoder.events(packet)) if (event.kind === 'rows') events.push(event)
  return events.flatMap((event) => [...event].map(({ after }) => [...(after ?? [])]))
}

t.test('errors carry their place', async (t) => {
  try {
    new BinlogDecoder().decode(Buffer.alloc(5))
    t.fail('five bytes are no event')
  } catch (error) {
    t.ok(isCellwayError(error) && 'offset' in error.details && 'eventType' in error.details && 'position' in error.details)
  }
})

import t from 'tap'
import { event, metadataField, mysqlFormat, rows, tableMap, u16, u32, u64 } from '../fixtures/hand-made.ts'
import { ASSEMBLER_START, assemble, type BinlogUnit } from './assembler.ts'
import { BinlogDecoder } from './decoder.ts'
import { type StatementKind, statementKind } from './statement-kind.ts'
import { TransactionCollector } from './transactions.ts'

/** Streams of MySQL, HAND-MADE; those of MariaDB come from a real server in test/integration/mysql-binlog. */

const GTID = event(33, Buffer.concat([Buffer.from([0]), Buffer.alloc(16, 0xab), u64(5n)]), { endPosition: 300 })
const XID = event(16, u64(9n), { endPosition: 400 })
const MAP = tableMap([{ type: 3 }], [metadataField(1, Buffer.from([0]))])
const ROWS = rows(30, 1, Buffer.concat([Buffer.from([0]), u32(1), Buffer.from([0]), u32(2)]))
const ROTATE = event(4, Buffer.concat([u64(4n), Buffer.from('binlog.000009')]), { flags: 0x20 })

function query(text: string): Buffer {
  return event(2, Buffer.concat([u32(1), u32(0), Buffer.from([1]), u16(0), u16(0), Buffer.from(`d\0${text}`)]))
}

function xaPrepare(onePhase: boolean): Buffer {
  return event(38, Buffer.concat([Buffer.from([onePhase ? 1 : 0]), u32(1), u32(1), u32(1), Buffer.from('gb')]))
}

/** Format event of a server that has just started. */
function startFormat(): Buffer {
  const version = Buffer.alloc(50)
  version.write('8.0.36')
  return event(15, Buffer.concat([u16(4), version, u32(1_700_000_000), Buffer.from([19]), Buffer.alloc(41, 8), Buffer.from([1])]))
}

function unitsOf(...packets: Buffer[]): BinlogUnit[] {
  const decoder = new BinlogDecoder()
  let state = ASSEMBLER_START
  return [mysqlFormat(), ROTATE, ...packets].flatMap((packet) =>
    [...decoder.events(packet)].flatMap((one) => {
      const step = assemble(state, one)
      state = step.state
      return step.units
    })
  )
}

function kinds(...packets: Buffer[]): string[] {
  return unitsOf(...packets).flatMap((unit) => (unit.kind === 'format' ? [] : unit.kind === 'commit' ? [`commit by ${unit.end.by}`] : [unit.kind]))
}

t.test('streams become units', async (t) => {
  const table: readonly [name: string, packets: Buffer[], want: string[]][] = [
    ['rows', [GTID, query('BEGIN'), MAP, ROWS, XID], ['begin', 'rows', 'commit by xid']],
    ['DDL', [GTID, query('CREATE TABLE t (id INT)')], ['begin', 'statement', 'commit by standalone']],
    ['rolled back', [GTID, query('BEGIN'), MAP, ROWS, query('ROLLBACK')], ['begin', 'rows', 'rollback']],
    ['empty', [GTID, query('BEGIN'), query('COMMIT')], ['begin', 'commit by query']],
    [
      'XA',
      [GTID, query("XA START 'g'"), MAP, ROWS, query("XA END 'g'"), xaPrepare(false)],
      ['begin', 'statement', 'rows', 'statement', 'commit by xa-prepare']
    ],
    [
      'XA in one phase',
      [GTID, query("XA START 'g'"), MAP, ROWS, query("XA END 'g'"), xaPrepare(true)],
      ['begin', 'statement', 'rows', 'statement', 'commit by query']
    ],
    ['the source restarts within a transaction', [GTID, query('BEGIN'), MAP, ROWS, startFormat()], ['begin', 'rows', 'rollback']],
    [
      'another file within a stream',
      [GTID, query('BEGIN'), MAP, ROWS, XID, ROTATE, mysqlFormat(), GTID, query('BEGIN'), XID],
      ['begin', 'rows', 'commit by xid', 'begin', 'commit by xid']
    ],
    ['an unknown event is passed on', [event(77, Buffer.alloc(3))], ['unknown']],
    ['heartbeats go through', [event(27, Buffer.from('binlog.000009'))], ['heartbeat']]
  ]
  for (const [name, packets, want] of table) t.same(kinds(...packets), want, name)
})

t.test('positions name the file', async (t) => {
  const [, begin, , commit] = unitsOf(GTID, query('BEGIN'), MAP, ROWS, XID)
  t.match(begin, { position: { file: 'binlog.000009', offset: 300n } })
  t.match(commit, { position: { file: 'binlog.000009', offset: 400n } })
})

t.test('an order that no server writes is an error', async (t) => {
  for (const packets of [[GTID, GTID], [MAP, ROWS], [XID], [query('BEGIN')], [GTID, query('BEGIN'), GTID]]) {
    t.throws(() => unitsOf(...packets), { code: 'BINLOG_ORDER' })
  }
})

t.test('a large transaction that is rolled back says so, a held one is as if it never was', async (t) => {
  const units = unitsOf(GTID, query('BEGIN'), MAP, ROWS, query('ROLLBACK'))
  const out = (heldBytesMax: number): string[] => {
    const collector = new TransactionCollector({ heldBytesMax })
    return units.flatMap((unit) => collector.push(unit)?.kind ?? []).filter((kind) => kind !== 'format')
  }
  t.same(out(10), ['large-begin', 'rollback'])
  t.same(out(10_000), [])
})

t.test('statements by their first words', async (t) => {
  const table: readonly [string, StatementKind][] = [
    ['BEGIN', 'begin'],
    ['start  transaction read write', 'begin'],
    ['COMMIT', 'commit'],
    ['ROLLBACK', 'rollback'],
    ['rollback to `s`', 'rollback-to-savepoint'],
    ['ROLLBACK WORK TO SAVEPOINT s', 'rollback-to-savepoint'],
    ['SAVEPOINT `s`', 'savepoint'],
    ['/* app:1 */ INSERT INTO t VALUES (1)', 'write'],
    ['-- note\nUPDATE t SET a=1', 'write'],
    ['# note\n(SELECT 1)', 'write'],
    ['/*!40101 ALTER TABLE t ADD a INT */', 'ddl'],
    ['/*M!100000 CREATE TABLE t (a INT) */', 'ddl'],
    ['WITH c AS (SELECT 1) DELETE FROM t', 'write'],
    ['DROP USER u', 'admin'],
    ['SET PASSWORD = 1', 'admin'],
    ['GRANT ALL ON *.* TO u', 'admin'],
    ['FROBNICATE', 'unknown'],
    ['', 'unknown']
  ]
  for (const [text, want] of table) t.equal(statementKind(text), want, text)
  t.equal(statementKind(`/*${'*'.repeat(100_000)}`), 'unknown', 'a long comment without an end')
})

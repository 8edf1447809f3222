import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  ASSEMBLER_START,
  assemble,
  BinlogDecoder,
  type Collected,
  formatGtid,
  packetsOfFile,
  type RowChange,
  type Transaction,
  TransactionCollector
} from '@cellway/mysql-binlog'
import { createConnection } from 'mysql2/promise'
import t, { type Test } from 'tap'
import { mysql9Skip, startMysql9 } from '../mysql9.ts'
import type { Cell } from './source.ts'

/** The binlog of a real MySQL 9 in each form that it can have: compressed payloads, partial JSON, GTID tags, XA, DDL. */

interface Source extends AsyncDisposable {
  run(sql: string): Promise<void>
  select(sql: string): Promise<Cell[][]>
  record(work: () => Promise<void>): Promise<Buffer>
}

async function startSource(): Promise<Source> {
  const server = await startMysql9()
  const { host, port, user, password, dataFolder } = server
  const connection = await createConnection({ host, port, user, password, multipleStatements: true })
  const run = async (sql: string): Promise<void> => {
    await connection.query(sql)
  }
  const select = async (sql: string): Promise<Cell[][]> => {
    const [rows] = await connection.query({ sql, rowsAsArray: true })
    return (rows as unknown[][]).map((row) => row.map((cell) => (cell === null ? null : String(cell))))
  }
  await run('SET NAMES utf8mb4; CREATE DATABASE fidelity; USE fidelity')
  return {
    run,
    select,
    record: async (work) => {
      await run('FLUSH BINARY LOGS')
      const [[file]] = (await select('SHOW BINARY LOG STATUS')) as [[string]]
      await work()
      await run('FLUSH BINARY LOGS')
      return readFile(join(dataFolder, file))
    },
    [Symbol.asyncDispose]: async () => {
      connection.destroy()
      await server[Symbol.asyncDispose]()
    }
  }
}

function collectAll(bytes: Buffer): { found: Collected[]; types: Set<number> } {
  const decoder = new BinlogDecoder()
  const collector = new TransactionCollector({ heldBytesMax: 10_000_000 })
  const types = new Set<number>()
  const found: Collected[] = []
  let state = ASSEMBLER_START
  for (const packet of packetsOfFile(bytes)) {
    types.add(packet[4] ?? 0)
    for (const event of decoder.events(packet)) {
      types.add(event.header.typeCode)
      const step = assemble(state, event)
      state = step.state
      for (const unit of step.units) {
        const one = collector.push(unit)
        if (one !== undefined && one.kind !== 'format') found.push(one)
      }
    }
  }
  return { found, types }
}

function transactionsOf(found: readonly Collected[]): Transaction[] {
  return found.filter((one) => one.kind === 'transaction')
}

function rowsOf(transactions: readonly Transaction[]): RowChange[] {
  return transactions.flatMap(({ parts }) => parts.flatMap((part) => (part.kind === 'rows' ? [...part.rows] : [])))
}

const TYPE = { payload: 40, partialUpdate: 39, taggedGtid: 42 }

t.setTimeout(300_000)

t.test('the binlog of MySQL 9', { skip: await mysql9Skip(), timeout: 300_000 }, async (t) => {
  await using source = await startSource()
  await t.test('compressed payloads hold the same rows', (t) => checkCompression(t, source))
  await t.test('partial JSON becomes whole documents', (t) => checkPartialJson(t, source))
  await t.test('tags are part of a GTID', (t) => checkTags(t, source))
  await t.test('transactions begin and end where the server says', (t) => checkShapes(t, source))
})

async function checkCompression(t: Test, source: Source): Promise<void> {
  await source.run('CREATE TABLE zipped (id INT PRIMARY KEY, v VARCHAR(200), b LONGBLOB)')
  for (const mode of ['OFF', 'ON']) {
    const bytes = await source.record(async () => {
      await source.run(`SET SESSION binlog_transaction_compression = ${mode}`)
      await source.run(
        "BEGIN; INSERT INTO zipped VALUES (1, REPEAT('grün ', 30), REPEAT('x', 300000)), (2, NULL, X'00FF'); UPDATE zipped SET v = 'new' WHERE id = 2; COMMIT"
      )
      await source.run('DELETE FROM zipped')
    })
    await source.run('SET SESSION binlog_transaction_compression = OFF')
    const { found, types } = collectAll(bytes)
    t.equal(types.has(TYPE.payload), mode === 'ON', `compression ${mode}`)
    if (mode === 'ON') t.ok(bytes.length < 10_000, `${bytes.length} bytes for 600,000`)
    const [first, second] = transactionsOf(found)
    t.equal(transactionsOf(found).length, 2)
    const rows = rowsOf(first === undefined ? [] : [first])
    t.equal(rows.length, 3)
    t.same(rows[0]?.after?.map(String), ['1', 'grün '.repeat(30), 'x'.repeat(300_000)])
    t.same(rows[1]?.after, [2, null, Buffer.from([0, 0xff])])
    t.same([rows[2]?.before?.[1], String(rows[2]?.after?.[1])], [null, 'new'])
    t.equal(rowsOf(second === undefined ? [] : [second]).length, 2)
  }
}

async function checkPartialJson(t: Test, source: Source): Promise<void> {
  await source.run('CREATE TABLE doc (id INT PRIMARY KEY, a JSON, n INT, b JSON)')
  const document = `'{"a": {"b": [1, 2, 3], "c": "${'long '.repeat(200)}"}, "d": 1.5}'`
  const fresh = `INSERT INTO doc VALUES (1, ${document}, 0, ${document}), (2, ${document}, 0, NULL), (3, NULL, 0, '[]')`
  const updates = [
    "a = JSON_SET(a, '$.a.b[1]', 'two')",
    "a = JSON_REMOVE(a, '$.a.b[0]'), n = n + 1",
    "b = JSON_SET(b, '$.new', JSON_OBJECT('x', TRUE), '$.d', CAST(2.50 AS DECIMAL(5,2)))",
    "a = JSON_REPLACE(a, '$.d', CAST('2024-02-29' AS DATE)), b = JSON_SET(b, '$.a.c', NULL)",
    "a = JSON_SET(a, '$.e', 1), a = JSON_REMOVE(a, '$.e', '$.d')"
  ]
  for (const image of ['FULL', 'MINIMAL', 'NOBLOB']) {
    for (const compression of ['OFF', 'ON']) {
      await source.run(
        `SET SESSION binlog_row_image = ${image}, binlog_row_value_options = PARTIAL_JSON, binlog_transaction_compression = ${compression}`
      )
      await source.run(`DELETE FROM doc; ${fresh}`)
      let partial = 0
      for (const update of updates) {
        const bytes = await source.record(() => source.run(`UPDATE doc SET ${update}`))
        const { found, types } = collectAll(bytes)
        if (types.has(TYPE.partialUpdate)) partial++
        const server = await source.select('SELECT id, CAST(a AS CHAR), n, CAST(b AS CHAR) FROM doc')
        const known = new Map(server.map((row) => [Number(row[0]), row]))
        for (const { before, after } of rowsOf(transactionsOf(found))) {
          const row = known.get(Number(before?.[0]))
          const texts = (after ?? []).map((cell) => (cell === null ? null : String(cell)))
          if (image === 'FULL') t.same(texts, row, `compression ${compression}: ${update}`)
          else t.equal(texts.length, 4, `${image}: ${update} is read`)
        }
      }
      t.ok(partial >= 3, `${image}, compression ${compression}: ${partial} partial updates`)
    }
  }
  await source.run("SET SESSION binlog_row_image = FULL, binlog_row_value_options = '', binlog_transaction_compression = OFF")
}

async function checkTags(t: Test, source: Source): Promise<void> {
  await source.run('CREATE TABLE tagged (id INT PRIMARY KEY)')
  const bytes = await source.record(async () => {
    await source.run("SET SESSION gtid_next = 'AUTOMATIC:cell_a'; INSERT INTO tagged VALUES (1)")
    await source.run("SET SESSION gtid_next = 'AUTOMATIC:cell_a'; INSERT INTO tagged VALUES (2)")
    await source.run("SET SESSION gtid_next = 'AUTOMATIC'; INSERT INTO tagged VALUES (3)")
  })
  const { found, types } = collectAll(bytes)
  t.equal(types.has(TYPE.taggedGtid), true)
  const [[uuid]] = (await source.select('SELECT @@server_uuid')) as [[string]]
  const [[executed]] = (await source.select('SELECT @@gtid_executed')) as [[string]]
  const gtids = transactionsOf(found).map(({ begin }) => formatGtid(begin.gtid))
  t.same(gtids.slice(0, 2), [`${uuid}:cell_a:1`, `${uuid}:cell_a:2`])
  t.match(gtids[2], new RegExp(`^${uuid}:\\d+$`))
  t.match(executed, 'cell_a:1-2')
  t.match(transactionsOf(found)[0]?.begin.event, { gtid: { tag: 'cell_a' } })
}

async function checkShapes(t: Test, source: Source): Promise<void> {
  await source.run('CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM')
  const cases: readonly (readonly [name: string, sql: string, want: readonly string[]])[] = [
    ['autocommit', "INSERT INTO a VALUES (1,'x')", ['xid: insert a 1']],
    [
      'a savepoint that is rolled back',
      'BEGIN; INSERT INTO a(id) VALUES (4); SAVEPOINT s; DELETE FROM a; ROLLBACK TO s; COMMIT',
      ['xid: insert a 1, savepoint']
    ],
    ['an engine without transactions', 'INSERT INTO m VALUES (1)', ['query: insert m 1']],
    ['DDL', 'ALTER TABLE a ADD c INT; TRUNCATE TABLE m', ['standalone: ddl', 'standalone: ddl']],
    ['CREATE TABLE … SELECT', 'CREATE TABLE ctas AS SELECT id FROM a', ['xid: ddl, insert ctas 2']],
    [
      'XA',
      "XA START 'x'; INSERT INTO a(id) VALUES (6); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'",
      ['xa-prepare: xa, insert a 1, xa', 'standalone: xa']
    ],
    [
      'a write in statement format',
      "SET SESSION binlog_format=STATEMENT; UPDATE a SET v='s' WHERE id=1; SET SESSION binlog_format=ROW",
      ['xid: write !']
    ],
    ['accounts', 'CREATE USER nobody@localhost; GRANT SELECT ON fidelity.* TO nobody@localhost', ['standalone: admin', 'standalone: admin']]
  ]
  for (const [name, sql, want] of cases) {
    const { found } = collectAll(await source.record(() => source.run(sql)))
    t.same(found.map(summary), want, name)
  }
  const { found } = collectAll(await source.record(() => source.run('INSERT INTO a(id) VALUES (300)')))
  const [last] = transactionsOf(found)
  if (last === undefined) throw new Error('no transaction')
  t.equal(last.begin.serverId, 9)
  t.ok((last.commit.position.offset ?? 0n) > 4n)
}

function summary(one: Collected): string {
  if (one.kind !== 'transaction') return one.kind
  const parts = one.parts.map((part) => (part.kind === 'rows' ? `${part.rows.action} ${part.table.table} ${[...part.rows].length}` : part.statement))
  return `${one.commit.end.by}: ${parts.join(', ')}${one.inexact ? ' !' : ''}`
}

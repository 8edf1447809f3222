/** SQL and TypeScript must find the same bucket for every key: the fence in the database computes what the gateway computes. */
import { accessSync, readFileSync } from 'node:fs'
import mysql, { type Connection, type RowDataPacket } from 'mysql2/promise'
import t, { type Test } from 'tap'
import type { Vector, VectorFile } from '../../packages/topology/vectors/generate.ts'
import { startMariadb } from './servers.ts'

const { vectors } = JSON.parse(readFileSync(new URL('../../packages/topology/vectors/routing.vectors.json', import.meta.url), 'utf8')) as VectorFile
const accepted = vectors.flatMap((vector) => (vector.canonical === undefined ? [] : [{ ...vector, canonical: vector.canonical }]))
const integers = accepted.filter(({ keyType }) => keyType === 'integer')
const MODULES = Object.keys(accepted[0]?.buckets ?? {})
const QUERY_MS_MAX = 10_000

const skip = isInstalled('/usr/sbin/mariadbd')
  ? false
  : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine (apt-get install mariadb-server-core)'

t.test('CRC32(key) MOD n in MariaDB equals the vectors', { skip, timeout: 120_000 }, async (t) => {
  await using server = await startMariadb()
  const { host, port, user, password } = server
  const connection = await mysql.createConnection({
    host,
    port,
    user,
    password,
    charset: 'utf8mb4',
    supportBigNumbers: true,
    connectTimeout: QUERY_MS_MAX
  })
  t.teardown(() => connection.destroy())
  await query(connection, 'CREATE DATABASE vectors CHARACTER SET utf8mb4')
  await query(connection, 'USE vectors')

  t.ok(accepted.length >= 150 && integers.length >= 20, `${accepted.length} keys, ${integers.length} of them integers`)
  await t.test('as a parameter', async (t) => {
    for (const vector of accepted)
      check(t, vector, await query(connection, `SELECT ${columns('?')}`, new Array(MODULES.length + 1).fill(vector.canonical)))
  })

  await t.test('as a column of text', async (t) => {
    await query(connection, 'CREATE TABLE texts (id INT PRIMARY KEY, k VARCHAR(4096) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL)')
    for (const [id, { canonical }] of accepted.entries()) await query(connection, 'INSERT INTO texts VALUES (?, ?)', [id, canonical])
    for (const [id, vector] of accepted.entries()) {
      const rows = await query(connection, `SELECT k, ${columns('k')} FROM texts WHERE id = ?`, [id])
      t.equal(rows[0]?.k, vector.canonical, `${vector.name} comes back as it was`)
      check(t, vector, rows)
    }
  })

  await t.test('as a column of numbers', async (t) => {
    await query(connection, 'CREATE TABLE numbers (id INT PRIMARY KEY, k BIGINT UNSIGNED NOT NULL)')
    for (const [id, { canonical }] of integers.entries()) await query(connection, 'INSERT INTO numbers VALUES (?, ?)', [id, canonical])
    for (const [id, vector] of integers.entries()) check(t, vector, await query(connection, `SELECT ${columns('k')} FROM numbers WHERE id = ?`, [id]))
  })
})

function columns(key: string): string {
  return [`CRC32(${key}) AS crc`, ...MODULES.map((count) => `CRC32(${key}) MOD ${count} AS b${count}`)].join(', ')
}

function check(t: Test, { name, crc32, buckets }: Vector, rows: readonly RowDataPacket[]): void {
  const [row] = rows
  t.equal(Number(row?.crc), crc32, name)
  t.same(Object.fromEntries(MODULES.map((count) => [count, Number(row?.[`b${count}`])])), buckets, name)
}

async function query(connection: Connection, sql: string, values: readonly (string | number)[] = []): Promise<readonly RowDataPacket[]> {
  const [rows] = await connection.query<RowDataPacket[]>({ sql, values: [...values], timeout: QUERY_MS_MAX })
  return rows
}

function isInstalled(path: string): boolean {
  try {
    accessSync(path)
    return true
  } catch {
    return false
  }
}

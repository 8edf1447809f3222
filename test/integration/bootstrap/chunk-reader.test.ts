/** Tables of every kind of key are read whole, in chunks, each row once. */
import { describeTables } from '@cellway/mysql-value'
import t from 'tap'
import { ChunkReader } from '../../../services/replicator/src/bootstrap/chunk-reader.ts'
import { rowBytesOf } from '../../../services/replicator/src/bootstrap/source-catalog.ts'
import { startMariadb } from '../servers.ts'
import { sessionOn } from './cells.ts'

const KEYS: readonly (readonly [name: string, columns: string, rows: string])[] = [
  ['numbers', 'a BIGINT, PRIMARY KEY (a)', 'CAST(seq AS SIGNED) - 50'],
  ['unsigned', 'a BIGINT UNSIGNED, PRIMARY KEY (a)', '18446744073709551615 - seq'],
  ['two', 'a INT, b INT, PRIMARY KEY (a, b)', 'seq DIV 7, seq'],
  ['three', 'a INT, b VARCHAR(20), c DATE, PRIMARY KEY (b, a, c)', "seq DIV 20, CONCAT('k', seq DIV 5), '2024-01-01' + INTERVAL seq DAY"],
  ['texts', 'a VARCHAR(50) COLLATE utf8mb4_general_ci, PRIMARY KEY (a)', "CONCAT(IF(seq % 2, 'ä', 'B'), '-', seq, IF(seq % 3, '''', '😀'))"],
  ['latin', 'a CHAR(9) CHARACTER SET latin1, PRIMARY KEY (a)', "CONCAT('é', seq)"],
  ['bytes', 'a VARBINARY(20), PRIMARY KEY (a)', 'UNHEX(SHA1(seq))'],
  ['decimals', 'a DECIMAL(20,8), PRIMARY KEY (a)', 'seq / 7 - 3'],
  ['times', 'a DATETIME(6), b TIME(3), PRIMARY KEY (a, b)', "'2024-01-01 00:00:00.000001' + INTERVAL seq MICROSECOND, SEC_TO_TIME(-seq)"],
  ['stamps', 'a TIMESTAMP(3), PRIMARY KEY (a)', "'2024-03-31 01:59:58.5' + INTERVAL seq SECOND"],
  ['enums', "a ENUM('zeta','alpha','Mid') , b INT, PRIMARY KEY (a, b)", 'seq % 3 + 1, seq'],
  ['uuids', 'a UUID, PRIMARY KEY (a)', "CONCAT(LPAD(HEX(seq * 77777), 8, '0'), '-0000-4000-8000-', LPAD(HEX(seq), 12, '0'))"],
  ['bits', 'a BIT(20), PRIMARY KEY (a)', 'seq * 11'],
  ['doubles', 'a DOUBLE, PRIMARY KEY (a)', 'seq / 3'],
  ['unique', 'a INT NOT NULL, b INT, UNIQUE KEY (a)', 'seq, NULL'],
  ['generated', 'a INT, b INT AS (a * 2) VIRTUAL, PRIMARY KEY (a)', 'seq']
]

t.test('every kind of key', async (t) => {
  await using server = await startMariadb({ port: 29_021 })
  await using session = await sessionOn(server)
  await session.run('CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop')
  for (const [name, columns, rows] of KEYS) {
    await session.run(
      `CREATE TABLE shop.${name} (${columns}); INSERT INTO shop.${name} ${name === 'generated' ? '(a)' : ''} SELECT ${rows} FROM seq_1_to_200`
    )
    const [description] = await describeTables((sql) => session.records(sql), { flavour: 'mariadb', table: { schema: 'shop', name } })
    if (description === undefined) throw new Error('no table')
    const seen = new Set<string>()
    let afterKey: string | null = null
    let chunks = 0
    for (let done = false; !done; chunks += 1) {
      // A reader of its own for every second chunk: the key alone says where to go on.
      const reader: ChunkReader = new ChunkReader(session, description, { limits: { chunkRows: 9, chunkBytes: 1024 * 1024 }, afterKey, rowBytes: 0 })
      for (let at = 0; at < 2 && !done; at += 1) {
        const chunk = await reader.next()
        for (const row of chunk.rows) seen.add(JSON.stringify(row.map((cell) => (typeof cell === 'bigint' ? String(cell) : cell))))
        if (chunk.rows.length > 9) t.fail('a chunk keeps its limit')
        afterKey = chunk.lastKey ?? afterKey
        done = chunk.tableDone
      }
    }
    t.equal(seen.size, 200, `${name}, ${chunks} readers`)
  }
})

t.test('chunks of large rows stay within their bytes, and a key that cannot be ordered is refused', async (t) => {
  await using server = await startMariadb({ port: 29_022, args: ['--max-allowed-packet=64M'] })
  await using session = await sessionOn(server)
  await session.run(
    "CREATE DATABASE shop; USE shop; CREATE TABLE shop.blobs (a INT PRIMARY KEY, b LONGBLOB); INSERT INTO shop.blobs SELECT seq, REPEAT('x', 100000) FROM seq_1_to_300; ANALYZE TABLE shop.blobs"
  )
  const open = async (name: string): Promise<ChunkReader> => {
    const [description] = await describeTables((sql) => session.records(sql), { flavour: 'mariadb', table: { schema: 'shop', name } })
    if (description === undefined) throw new Error('no table')
    return new ChunkReader(session, description, {
      limits: { chunkRows: 4096, chunkBytes: 1024 * 1024 },
      afterKey: null,
      rowBytes: await rowBytesOf(session, { schema: 'shop', name })
    })
  }
  const reader = await open('blobs')
  const sizes: number[] = []
  for (let done = false; !done; ) {
    const chunk = await reader.next()
    sizes.push(chunk.rows.length)
    done = chunk.tableDone
  }
  t.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    300
  )
  t.ok(
    sizes.every((size) => size <= 10),
    `${sizes.join(' ')} rows of 100 kB in 1 MiB`
  )
  await session.run('CREATE TABLE shop.none (a INT)')
  await t.rejects(open('none'), { code: 'BOO_SOURCE_REFUSED' })
})

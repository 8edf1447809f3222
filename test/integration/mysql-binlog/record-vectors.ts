/**
 * Records binlog bytes of a real MariaDB for the table tests, with the statements and the server's version that made them:
 * `node test/integration/mysql-binlog/record-vectors.ts`. The recording is kept in the repository, since the tests must not need a server.
 */
import { writeFileSync } from 'node:fs'
import { packetsOfFile } from '@cellway/mysql-binlog'
import { startSource } from './source.ts'

/** What `before` does is not recorded. */
const STATEMENTS: readonly { name: string; before?: readonly string[]; sql: readonly string[] }[] = [
  {
    name: 'integers',
    before: ['CREATE TABLE ints (a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d INT UNSIGNED, e BIGINT, f BIGINT UNSIGNED, PRIMARY KEY (d, a))'],
    sql: ['INSERT INTO ints VALUES (-128, 65535, -8388608, 4294967295, -9223372036854775808, 18446744073709551615), (127, 0, -1, 0, NULL, 0)']
  },
  {
    name: 'decimals and floats',
    before: ['CREATE TABLE decs (a DECIMAL(65,30), b DECIMAL(4,4), c DECIMAL(10,0), d FLOAT, e DOUBLE)'],
    sql: [
      'INSERT INTO decs VALUES (-12345678901234567890123456789012345.123456789012345678901234567890, -0.0001, 1000000000, 1.1, 0.1), (0, 0, 0, 16777217, -5e-324)'
    ]
  },
  {
    name: 'temporal',
    before: ['CREATE TABLE temps (a DATE, b TIME(6), c DATETIME(3), d TIMESTAMP(1) NULL, e YEAR)'],
    sql: [
      "INSERT INTO temps VALUES ('2024-02-30', '-838:59:58.999999', '9999-12-31 23:59:59.999', '2038-01-19 03:14:07.9', 2155), ('0000-00-00', '-00:00:00.000001', '2024-00-00', '0000-00-00', 0)"
    ]
  },
  {
    name: 'text, bytes and members',
    before: [
      "CREATE TABLE texts (a CHAR(3) CHARACTER SET gbk, b BINARY(4), c VARCHAR(300), d TEXT, e ENUM('x','y,z'), f SET('p','q''r','s'), g BIT(12), h UUID, i INET6) CHARACTER SET utf8mb4"
    ],
    sql: [
      "INSERT INTO texts VALUES ('漢', X'6100', 'ü', 'doc', 'y,z', 'p,s', b'101010101010', '123e4567-e89b-42d3-a456-426614170000', '2001:db8::'), ('', '', '', '', '', '', 0, NULL, '::')"
    ]
  },
  {
    name: 'geometry among text columns',
    before: ['CREATE TABLE geo (a VARCHAR(5) CHARACTER SET latin1, g POINT, b BINARY(3), t TEXT CHARACTER SET utf8mb4)'],
    sql: ["INSERT INTO geo VALUES ('x', ST_GeomFromText('POINT(1 2)', 4326), X'01', 'y')"]
  },
  {
    name: 'compressed columns',
    before: ['CREATE TABLE comp (a VARCHAR(500) COMPRESSED, b BLOB COMPRESSED)'],
    sql: ["INSERT INTO comp VALUES (REPEAT('abc', 100), REPEAT(X'00', 400)), ('short', '')"]
  },
  {
    name: 'compressed events',
    before: ['SET GLOBAL log_bin_compress=ON, log_bin_compress_min_len=10', 'CREATE TABLE ce (id INT PRIMARY KEY, v VARCHAR(300))'],
    sql: [
      "INSERT INTO ce VALUES (1, REPEAT('a', 200))",
      "UPDATE ce SET v = REPEAT('b', 200)",
      'DELETE FROM ce',
      `CREATE TABLE ce2 (id INT) COMMENT='${'c'.repeat(100)}'`
    ]
  },
  {
    name: 'minimal row images',
    before: [
      'SET GLOBAL log_bin_compress=OFF',
      "SET SESSION binlog_row_image='MINIMAL'",
      'CREATE TABLE mini (id INT PRIMARY KEY, a INT, b VARCHAR(5), c INT)',
      'INSERT INTO mini VALUES (1, 2, NULL, 4)'
    ],
    sql: ["UPDATE mini SET b='x'", 'UPDATE mini SET a=NULL', 'DELETE FROM mini']
  },
  {
    name: 'XA, DDL, statement format',
    before: ["SET SESSION binlog_row_image='FULL'", 'CREATE TABLE xa (id INT PRIMARY KEY)'],
    sql: [
      "XA START 'g','b',1; INSERT INTO xa VALUES (1); XA END 'g','b',1; XA PREPARE 'g','b',1; XA COMMIT 'g','b',1",
      'ALTER TABLE xa ADD v INT',
      'SET SESSION binlog_format=STATEMENT; SET @u = 5; SET INSERT_ID = 9; UPDATE xa SET v = @u + RAND(3); SET SESSION binlog_format=ROW'
    ]
  }
]

await using source = await startSource()
/** `events` are whole events in hex, the format event first. */
const vectors: { name: string; sql: string[]; events: string[] }[] = []
for (const { name, before = [], sql } of STATEMENTS) {
  for (const statement of before) await source.run(statement)
  const bytes = await source.record(async () => {
    for (const statement of sql) await source.run(`SET timestamp = 1700000000; ${statement}`)
  })
  vectors.push({ name, sql: [...before, ...sql], events: [...packetsOfFile(bytes)].map((packet) => packet.toString('hex')) })
}
writeFileSync(
  new URL('../../../packages/mysql-binlog/vectors/mariadb-10.11.vectors.json', import.meta.url),
  `${JSON.stringify({ server: source.version, vectors }, undefined, 1)}\n`
)
process.exit()

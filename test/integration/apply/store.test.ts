import { isCellwayError } from '@cellway/base'
import t from 'tap'
import { placeCheckpoint, readCheckpoint } from '../../../services/replicator/src/store/checkpoint.ts'
import { takeEpoch } from '../../../services/replicator/src/store/epoch.ts'
import { ensureTables } from '../../../services/replicator/src/store/migrations.ts'
import { ensureSchema } from '../../../services/replicator/src/store/schema.ts'
import { errnoOf } from '../../../services/replicator/src/store/server-errors.ts'
import { type MysqlConfig, openSession, reservedServerId } from '../../../services/replicator/src/store/session.ts'
import { startMariadb } from '../servers.ts'

const server = await startMariadb({ args: ['--log-bin', '--server-id=1', '--binlog-format=ROW', '--max-allowed-packet=64M'] })
t.teardown(() => server[Symbol.asyncDispose]())
const config: MysqlConfig = { host: server.host, port: server.port, user: server.user, password: server.password }
const alive = new AbortController()
const open = (role: 'applier' | 'plain' = 'plain') =>
  openSession(config, { role, reservedServerId: reservedServerId(3), signal: AbortSignal.any([alive.signal, AbortSignal.timeout(60_000)]) })

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (cause: unknown) => (isCellwayError(cause) ? cause.code : String(cause))
  )
}

t.test('a session sets what exact values rest on, and an applier the reserved server id', async (t) => {
  await using applier = await open('applier')
  const [row] = await applier.rows('SELECT @@server_id, @@tx_isolation, @@time_zone, @@character_set_results, @@foreign_key_checks')
  t.same(
    row?.map((cell) => cell?.toString() ?? null),
    ['4000000003', 'READ-COMMITTED', '+00:00', null, '1']
  )
  t.equal(applier.flavour, 'mariadb')
  t.equal(applier.packetBytesMax, 64 * 1024 * 1024)
})

t.test('values come as their bytes, NULL and empty apart, each statement of a packet with its own result', async (t) => {
  await using session = await open()
  await session.run('CREATE DATABASE raw; CREATE TABLE raw.t (id INT PRIMARY KEY, l VARCHAR(9) CHARACTER SET latin1, b VARBINARY(9))')
  const results = await session.run(
    "INSERT INTO raw.t VALUES (1, 'é', X'00ff'), (2, NULL, ''); SELECT l, b FROM raw.t ORDER BY id; UPDATE raw.t SET l = l; SELECT 1 FROM raw.t WHERE id = 9"
  )
  t.same(
    results.map(({ affectedRows, rows }) => [affectedRows, rows.map((row) => row.map((cell) => cell?.toString('hex') ?? null))]),
    [
      [2, []],
      [
        0,
        [
          ['e9', '00ff'],
          [null, '']
        ]
      ],
      [2, []],
      [0, []]
    ]
  )
  t.same(await session.records('SELECT id, b IS NULL AS none, CAST(7.50 AS DECIMAL(5,2)) AS d, NULL AS n FROM raw.t WHERE id = 1'), [
    { id: 1, none: 0, d: '7.50', n: null }
  ])
})

t.test('a statement that fails names its number, and nothing behind it runs', async (t) => {
  await using session = await open()
  await session.run('CREATE DATABASE IF NOT EXISTS raw; CREATE TABLE raw.u (id INT PRIMARY KEY)')
  const failed = await session.run('INSERT INTO raw.u VALUES (1); INSERT INTO raw.u VALUES (1); INSERT INTO raw.u VALUES (2)').catch((cause) => cause)
  t.equal(errnoOf(failed), 1062)
  t.equal(failed.details.index, 1)
  t.same(
    (await session.records('SELECT id FROM raw.u')).map(({ id }) => id),
    [1]
  )
})

t.test('packets around and above the size of one frame arrive whole', async (t) => {
  await using session = await open()
  for (const bytes of [0xff_ff_ff - 1, 0xff_ff_ff, 0xff_ff_ff + 1, 2 * 0xff_ff_ff, 40_000_000]) {
    const head = "SELECT LENGTH('"
    const body = Buffer.alloc(bytes - 1 - head.length - 2, 'x')
    const [[cell] = []] = await session.rows([head, body, "')"])
    t.equal(cell?.toString(), String(body.length))
  }
  const [[large] = []] = await session.rows("SELECT REPEAT('y', 20000000)")
  t.equal(large?.length, 20_000_000)
})

t.test('a session ends with its signal, by its time limit, and when the server goes', async (t) => {
  const abort = new AbortController()
  const aborted = await openSession(config, { role: 'plain', signal: abort.signal })
  const waiting = aborted.run('SELECT SLEEP(30)')
  abort.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  const slow = await open()
  t.equal(await codeOf(slow.run('SELECT SLEEP(30)', { timeoutMs: 50 })), 'STO_TIMEOUT')
  t.equal(await codeOf(slow.run('SELECT 1')), 'STO_CONNECTION_LOST')
  await using killer = await open()
  const victim = await open()
  const [[id] = []] = await victim.rows('SELECT CONNECTION_ID()')
  const sleeping = codeOf(victim.run('SELECT SLEEP(30)'))
  await killer.run(`KILL ${id?.toString()}`)
  t.match(await sleeping, /STO_(CONNECTION_LOST|STATEMENT_FAILED)/)
  t.equal(await codeOf(openSession({ ...config, port: 1 }, { role: 'plain', signal: AbortSignal.timeout(5000) })), 'STO_CONNECT_FAILED')
})

t.test('an account that may not set the reserved server id is refused with the grant it needs', async (t) => {
  await using session = await open()
  await session.run("CREATE USER weak@'%' IDENTIFIED BY 'weak'")
  const refused = await openSession(
    { ...config, user: 'weak', password: 'weak' },
    { role: 'applier', reservedServerId: 4_000_000_001, signal: AbortSignal.timeout(5000) }
  ).catch((cause) => cause)
  t.equal(refused.code, 'STO_SERVER_ID_REFUSED')
  t.match(refused.details.statement, /GRANT BINLOG REPLAY/)
})

t.test('the schema is made once, by whoever comes first, and a newer one is not touched', async (t) => {
  await using first = await open()
  await using second = await open()
  await Promise.all([ensureSchema(first), ensureSchema(second)])
  await first.run('FLUSH BINARY LOGS')
  const [before] = await first.rows('SHOW MASTER STATUS')
  await ensureSchema(first)
  const [after] = await first.rows('SHOW MASTER STATUS')
  t.same(after?.map(String), before?.map(String), 'nothing is written when all is there')
  const part = { part: 'trial', migrations: [['CREATE TABLE IF NOT EXISTS cellway.trial (id INT PRIMARY KEY)']] }
  await ensureTables(first, part)
  await ensureTables(first, { ...part, migrations: [...part.migrations, ['ALTER TABLE cellway.trial ADD COLUMN IF NOT EXISTS b INT']] })
  t.equal((await first.records('SELECT COUNT(*) AS n FROM information_schema.COLUMNS WHERE TABLE_NAME = "trial"'))[0]?.n, 2)
  t.equal(await codeOf(ensureTables(first, part)), 'STO_SCHEMA_NEWER')
})

t.test('epochs only grow, whoever takes them', async (t) => {
  await using session = await open()
  await ensureSchema(session)
  await using other = await open()
  const taken = await Promise.all([takeEpoch(session, 'mysql'), takeEpoch(other, 'mysql'), takeEpoch(session, 'mysql')])
  t.same([...taken].sort(), [1, 2, 3])
  t.equal(await takeEpoch(session, 'other'), 1)
})

t.test('a checkpoint is placed and read back', async (t) => {
  await using session = await open()
  await ensureSchema(session)
  t.equal(await readCheckpoint(session, 'a', 'mysql'), undefined)
  await placeCheckpoint(session, { sourceCell: 'a', store: 'mysql', position: '0-1-7', epoch: 4 })
  await placeCheckpoint(session, { sourceCell: 'a', store: 'mysql', position: '0-1-9', epoch: 3 })
  const found = await readCheckpoint(session, 'a', 'mysql')
  t.match(found, { position: '0-1-9', applied: 2n, applierEpoch: 4, log: undefined })
})

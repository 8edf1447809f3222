/** The printed grants suffice for everything that the replicator says to its server, and each of them is missed when it is not there. */
import { parsePosition } from '@cellway/change'
import { describeTables } from '@cellway/mysql-value'
import t, { type Test } from 'tap'
import { openReplica } from '../../../services/replicator/src/capture/replica.ts'
import { grants, type PreflightRole, preflight } from '../../../services/replicator/src/preflight/preflight.ts'
import { placeCheckpoint } from '../../../services/replicator/src/store/checkpoint.ts'
import { takeEpoch } from '../../../services/replicator/src/store/epoch.ts'
import { ensureSchema } from '../../../services/replicator/src/store/schema.ts'
import { reservedServerId, type Session } from '../../../services/replicator/src/store/session.ts'
import { startMysql9 } from '../mysql9.ts'
import { startMariadb } from '../servers.ts'
import { type Server, sessionOn, snapshotOf, topologyOf } from './cells.ts'

t.setTimeout(180_000)

const ACCOUNT = { user: 'cellway', host: '%', schemas: ['sh_op'] }
const BINLOG = ['--log-bin=binlog', '--binlog-format=ROW', '--binlog-row-metadata=FULL', '--server-id=101', '--gtid-strict-mode=ON']

async function withAccount(root: Session, role: PreflightRole): Promise<void> {
  await root.run(`DROP USER IF EXISTS cellway; CREATE USER cellway@'%'; ${grants(role, root.flavour, ACCOUNT).join(' ')}`)
}

const SCHEMA = `CREATE DATABASE sh_op; CREATE TABLE sh_op.users (id BIGINT PRIMARY KEY, name TEXT);
  CREATE TRIGGER sh_op.seen BEFORE INSERT ON sh_op.users FOR EACH ROW SET @seen = 1`

/** What the capture, its heartbeats and its barriers say. */
async function capture(session: Session): Promise<void> {
  await ensureSchema(session)
  await takeEpoch(session, 'mysql')
  await session.run(
    "INSERT INTO cellway.heartbeat (cell, store, number, time_us) VALUES ('a', 'mysql', 1, 1) ON DUPLICATE KEY UPDATE number = number + 1"
  )
  const [table] = await describeTables((sql) => session.records(sql), { flavour: session.flavour, schemas: ['sh_op'] })
  if (table?.triggers.length !== 1 || table.keyColumns.length !== 1) throw new Error('the account does not see keys and triggers')
  await session.rows(session.flavour === 'mariadb' ? 'SHOW MASTER STATUS' : 'SHOW BINARY LOG STATUS')
  await session.rows('SHOW BINARY LOGS')
  await session.rows(session.flavour === 'mariadb' ? 'SELECT @@global.gtid_binlog_pos' : 'SELECT @@global.gtid_executed')
}

/** What appliers, repairs, verification and bootstrap say. */
async function apply(session: Session): Promise<void> {
  await ensureSchema(session)
  await placeCheckpoint(session, { sourceCell: 'b', store: 'mysql', position: '', epoch: 1 })
  for (const sql of [
    'START TRANSACTION',
    "UPDATE cellway.checkpoint SET applied = applied + 1 WHERE source_cell = 'b'",
    'SAVEPOINT row1',
    'SELECT * FROM sh_op.users WHERE id IN (1, 2) FOR UPDATE',
    "INSERT INTO sh_op.users VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO sh_op.users VALUES (1, 'c') ON DUPLICATE KEY UPDATE name = VALUES(name)",
    "REPLACE INTO sh_op.users VALUES (2, 'd')",
    'DELETE FROM sh_op.users WHERE id = 1',
    'COMMIT',
    'SET SESSION foreign_key_checks = 0',
    'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ',
    'START TRANSACTION WITH CONSISTENT SNAPSHOT',
    'SELECT * FROM sh_op.users ORDER BY id LIMIT 10',
    'COMMIT',
    'SHOW CREATE TABLE sh_op.users',
    'CREATE TABLE IF NOT EXISTS sh_op.child (id BIGINT PRIMARY KEY, parent BIGINT, FOREIGN KEY (parent) REFERENCES sh_op.users (id))',
    'TRUNCATE TABLE sh_op.child',
    'DROP TABLE sh_op.child',
    'DELETE FROM sh_op.users'
  ]) {
    await session.run(sql)
  }
}

t.test('MariaDB', async (t) => {
  await using server = await startMariadb({ port: 29_011, args: BINLOG })
  await using root = await sessionOn(server)
  await root.run(SCHEMA)
  await provesSufficient(t, { root, open: (role) => sessionOn(server, { user: 'cellway', ...applierOf(role) }), server })
})

t.test('MySQL 9', async (t) => {
  await using server = await startMysql9({ port: 29_012 })
  await using root = await sessionOn(server)
  await root.run(SCHEMA)
  await provesSufficient(t, { root, open: (role) => sessionOn(server, { user: 'cellway', ...applierOf(role) }), server })
})

function applierOf(role: PreflightRole): { role: 'applier' | 'plain'; reservedServerId?: number } {
  return role === 'capture' ? { role: 'plain' } : { role: 'applier', reservedServerId: reservedServerId(3) }
}

interface Proof {
  readonly root: Session
  readonly open: (role: PreflightRole) => Promise<Session>
  readonly server: Server
}

/** The replica client of the capture, from the beginning up to the first event. */
async function dump({ root, server }: Proof): Promise<void> {
  const life = new AbortController()
  const first = Promise.withResolvers<void>()
  const mysql = { host: server.host, port: server.port, user: 'cellway', password: '' }
  const position = parsePosition(root.flavour, '')
  const options = {
    mysql,
    cell: 'beijing',
    cellNumber: 0,
    position,
    semiSync: false,
    signal: life.signal,
    onEvent: () => first.resolve(),
    onIdle: () => undefined
  }
  const replica = await openReplica(options)
  try {
    await Promise.race([first.promise, replica.ended])
  } finally {
    replica.destroy(new Error('seen enough'))
    await replica.ended.catch(() => undefined)
    life.abort()
  }
}

async function provesSufficient(t: Test, proof: Proof): Promise<void> {
  const { root, open } = proof
  const snapshot = snapshotOf(topologyOf([{ table: 'sh_op.users', space: 'users', column: 'id' }]))
  for (const role of ['capture', 'apply', 'both'] as const) {
    await withAccount(root, role)
    await using session = await open(role)
    const missing = async (): Promise<string[]> =>
      (await preflight(session, { snapshot, cell: 'beijing', role, reservedServerId: reservedServerId(0) }))
        .filter(({ code }) => code === 'PRE_GRANT_MISSING')
        .map(({ fixSql }) => fixSql ?? '')
    t.same(await missing(), [], `${role}: the preflight sees the grants`)
    if (role !== 'apply') await t.resolves(capture(session), `${role}: the capture's statements`)
    if (role !== 'apply') await t.resolves(dump(proof), `${role}: the dump`)
    if (role !== 'capture') await t.resolves(apply(session), `${role}: the applier's statements`)
    for (const grant of grants(role, root.flavour, ACCOUNT)) {
      const [, privileges = '', scope = ''] = /^GRANT (.+) ON (\S+) TO/.exec(grant) ?? []
      for (const privilege of privileges.split(', ')) {
        await root.run(`REVOKE ${privilege} ON ${scope} FROM cellway@'%'`)
        const statements = await missing()
        t.match(statements, [new RegExp(`GRANT ${privilege} ON`)], `${role} without ${privilege} on ${scope}`)
        await root.run(statements.join(' '))
      }
    }
    t.same(await missing(), [], `${role}: what the findings say mends them`)
  }
  await withAccount(root, 'apply')
  await t.rejects(dump(proof), 'an applier may not read the binary log')
  await withAccount(root, 'capture')
  await using session = await open('capture')
  await t.rejects(session.run("INSERT INTO sh_op.users VALUES (9, 'x')"), 'a capture may not write rows')
  await root.run('REVOKE ALL PRIVILEGES, GRANT OPTION FROM cellway')
}

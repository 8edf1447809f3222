/** Every precondition, broken on a real server, is found; and what the finding says mends it. */
import t from 'tap'
import { type Finding, type PreflightOptions, preflight } from '../../../services/replicator/src/preflight/preflight.ts'
import type { Session } from '../../../services/replicator/src/store/session.ts'
import { startMariadb } from '../servers.ts'
import { type Declared, sessionOn, snapshotOf, topologyOf } from './cells.ts'

const GOOD = [
  '--log-bin=binlog',
  '--binlog-format=ROW',
  '--binlog-row-image=FULL',
  '--binlog-row-metadata=FULL',
  '--gtid-strict-mode=ON',
  '--server-id=101',
  '--gtid-domain-id=1',
  '--sync-binlog=1',
  '--auto-increment-increment=16',
  '--auto-increment-offset=1',
  '--max-allowed-packet=1G',
  '--log-bin-compress=ON'
]
const RESERVED = 4_000_000_000

const TABLES: readonly Declared[] = [
  { table: 'shop.users', space: 'users', column: 'id' },
  { table: 'shop.orders', space: 'users', column: 'user_id' },
  { table: 'shop.areas', space: 'areas', column: 'code' },
  { table: 'shop.cache', class: 'local' }
]
const SCHEMA = `CREATE DATABASE shop;
  CREATE TABLE shop.users (id BIGINT AUTO_INCREMENT PRIMARY KEY, name TEXT);
  CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, note TEXT);
  CREATE TABLE shop.areas (code VARCHAR(8) PRIMARY KEY, note TEXT);
  CREATE TABLE shop.cache (id BIGINT, note TEXT)`

function options(more: Partial<PreflightOptions> = {}): PreflightOptions {
  return { snapshot: snapshotOf(topologyOf(TABLES)), cell: 'beijing', role: 'both', reservedServerId: RESERVED, ...more }
}

/** root of a fresh server may do everything, and there are more such accounts: no matter here. */
function codes(findings: readonly Finding[]): string[] {
  return findings.map(({ code }) => code).filter((code) => code !== 'PRE_ACCOUNT_HIDES_WRITES')
}

async function mend(session: Session, findings: readonly Finding[]): Promise<void> {
  for (const { fixSql } of findings) if (fixSql !== undefined) await session.run(fixSql)
}

t.test('a server as it comes out of the box', async (t) => {
  await using server = await startMariadb({ port: 29_001 })
  await using session = await sessionOn(server)
  await session.run(SCHEMA)
  const found = codes(await preflight(session, options()))
  t.same(found, ['PRE_LOG_BIN', 'PRE_GTID_STRICT', 'PRE_AUTO_INCREMENT', 'PRE_SYNC_BINLOG', 'PRE_GTID_DOMAIN', 'PRE_SERVER_ID', 'PRE_PACKET_SIZE'])
  t.notOk(found.includes('PRE_BINLOG_FORMAT'), 'of a log that is off nothing else is said')
})

t.test('options that only a start can set', async (t) => {
  const args = [
    '--log-bin=binlog',
    '--binlog-do-db=crm',
    '--server-id=4000000003',
    '--binlog-expire-logs-seconds=3600',
    '--read-only=ON',
    '--gtid-domain-id=1'
  ]
  await using server = await startMariadb({ port: 29_002, args })
  await using session = await sessionOn(server)
  await session.run(SCHEMA)
  const findings = await preflight(session, options({ rpo: 'zero' }))
  t.same(codes(findings).toSorted(), [
    'PRE_AUTO_INCREMENT',
    'PRE_BINLOG_FILTER',
    'PRE_BINLOG_FORMAT',
    'PRE_BINLOG_RETENTION',
    'PRE_GTID_STRICT',
    'PRE_PACKET_SIZE',
    'PRE_READ_ONLY',
    'PRE_ROW_METADATA',
    'PRE_SEMI_SYNC',
    'PRE_SEMI_SYNC_POINT',
    'PRE_SEMI_SYNC_TIMEOUT',
    'PRE_SERVER_ID_RESERVED',
    'PRE_SYNC_BINLOG'
  ])
  t.match(findings.find(({ code }) => code === 'PRE_BINLOG_FILTER')?.what, /binlog-do-db = crm; so cellway, shop would be left out/)
  await mend(session, findings)
  t.same(codes(await preflight(session, options({ rpo: 'zero' }))), ['PRE_BINLOG_FILTER'], 'the statements mend all that statements can mend')
})

t.test('each bad setting and table is found alone, and its statement mends it', async (t) => {
  await using server = await startMariadb({ port: 29_003, args: GOOD })
  await using session = await sessionOn(server)
  await session.run(SCHEMA)
  t.same(codes(await preflight(session, options())), [], 'nothing on a good server; compressed logs are fine')
  const rows: readonly (readonly [code: string, breakIt: string, more?: Partial<PreflightOptions>])[] = [
    ['PRE_BINLOG_FORMAT', "SET GLOBAL binlog_format = 'MIXED'"],
    ['PRE_ROW_IMAGE', "SET GLOBAL binlog_row_image = 'MINIMAL'"],
    ['PRE_ROW_METADATA', "SET GLOBAL binlog_row_metadata = 'MINIMAL'"],
    ['PRE_BINLOG_CHECKSUM', "SET GLOBAL binlog_checksum = 'NONE'"],
    ['PRE_BINLOG_RETENTION', 'SET GLOBAL binlog_expire_logs_seconds = 600'],
    ['PRE_SYNC_BINLOG', 'SET GLOBAL sync_binlog = 0'],
    ['PRE_FLUSH_LOG', 'SET GLOBAL innodb_flush_log_at_trx_commit = 2'],
    ['PRE_GTID_STRICT', 'SET GLOBAL gtid_strict_mode = 0'],
    ['PRE_GTID_DOMAIN', 'SET GLOBAL gtid_domain_id = 0'],
    ['PRE_SERVER_ID', 'SET GLOBAL server_id = 1'],
    ['PRE_SERVER_ID_RESERVED', 'SET GLOBAL server_id = 4000000001'],
    ['PRE_SERVER_ID_TWICE', 'SET GLOBAL server_id = 201', { peers: [{ cell: 'shanghai', serverId: 201 }] }],
    ['PRE_AUTO_INCREMENT', 'SET GLOBAL auto_increment_increment = 2'],
    ['PRE_AUTO_INCREMENT', 'SET GLOBAL auto_increment_offset = 3'],
    ['PRE_READ_ONLY', 'SET GLOBAL read_only = 1'],
    ['PRE_PACKET_SIZE', 'SET GLOBAL max_allowed_packet = 16777216'],
    ['PRE_LOCK_WAIT', 'SET GLOBAL innodb_lock_wait_timeout = 600'],
    ['PRE_EVENTS', 'CREATE EVENT shop.`nightly job` ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.cache; SET GLOBAL event_scheduler = ON'],
    ['PRE_TABLE_NO_KEY', 'ALTER TABLE shop.orders DROP PRIMARY KEY, ADD UNIQUE KEY u (id, note(10))'],
    ['PRE_TABLE_ENGINE', 'ALTER TABLE shop.areas ENGINE = Aria'],
    ['PRE_TABLE_VERSIONED', 'ALTER TABLE shop.areas ADD SYSTEM VERSIONING'],
    ['PRE_FOREIGN_KEY_CASCADE', 'ALTER TABLE shop.orders ADD CONSTRAINT o FOREIGN KEY (user_id) REFERENCES shop.users (id) ON DELETE CASCADE'],
    ['PRE_FOREIGN_KEY_ACROSS', 'ALTER TABLE shop.cache ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES shop.users (id)'],
    ['PRE_TRIGGER', 'CREATE TRIGGER shop.watch AFTER INSERT ON shop.users FOR EACH ROW INSERT INTO shop.cache VALUES (NEW.id, "seen")'],
    ['PRE_TRIGGER', 'CREATE TRIGGER shop.watch2 BEFORE UPDATE ON shop.users FOR EACH ROW BEGIN SET NEW.name = UPPER(NEW.name); END']
  ]
  for (const [code, breakIt, more] of rows) {
    await session.run(breakIt)
    const findings = await preflight(session, options(more))
    t.same(codes(findings), [code], breakIt)
    t.ok(findings[0]?.why.endsWith('.') && findings[0].what !== '')
    await mend(session, findings)
    t.same(codes(await preflight(session, options(more))), [], `${findings[0]?.fixSql}`)
  }
})

t.test('tables against the topology', async (t) => {
  await using server = await startMariadb({ port: 29_004, args: GOOD })
  await using session = await sessionOn(server)
  await session.run(SCHEMA)
  await session.run(
    'DROP TABLE shop.areas; ALTER TABLE shop.orders CHANGE user_id who BIGINT; CREATE TABLE shop.loose (id INT PRIMARY KEY); CREATE SEQUENCE shop.numbers'
  )
  const findings = await preflight(session, options())
  t.same(
    findings.filter(({ code }) => code !== 'PRE_ACCOUNT_HIDES_WRITES').map(({ code, what }) => `${code} ${/shop\.\w+/.exec(what)?.[0]}`),
    ['PRE_TABLE_UNDECLARED shop.loose', 'PRE_TABLE_UNDECLARED shop.numbers', 'PRE_COLUMN_MISSING shop.orders', 'PRE_TABLE_MISSING shop.areas']
  )
  const applying = codes(await preflight(session, options({ role: 'apply' })))
  t.notOk(applying.includes('PRE_TABLE_UNDECLARED'), 'only a capture meets undeclared tables')
  await session.run("CREATE USER sneaky@'%'; GRANT BINLOG ADMIN, SUPER ON *.* TO sneaky@'%'")
  const warned = (await preflight(session, options())).find(({ what }) => what.includes('sneaky'))
  t.match(warned, { code: 'PRE_ACCOUNT_HIDES_WRITES', level: 'warning' })
  await session.run(warned?.fixSql ?? '')
  t.notOk((await preflight(session, options())).some(({ what }) => what.includes('sneaky')))
})

t.test('a guarded trigger does not fire for appliers, and still does for the application', async (t) => {
  await using server = await startMariadb({ port: 29_005, args: GOOD })
  await using session = await sessionOn(server)
  await session.run(SCHEMA)
  await session.run('CREATE TRIGGER shop.watch AFTER INSERT ON shop.users FOR EACH ROW INSERT INTO shop.cache VALUES (NEW.id, "seen")')
  await mend(session, await preflight(session, options()))
  await using applier = await sessionOn(server, { role: 'applier', reservedServerId: RESERVED })
  await applier.run('INSERT INTO shop.users VALUES (7, "applied")')
  await session.run('INSERT INTO shop.users VALUES (8, "local")')
  t.same(await session.records('SELECT id FROM shop.cache'), [{ id: 8 }])
})

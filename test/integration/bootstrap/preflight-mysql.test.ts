/** The same on MySQL 9: other variables, other statements. */
import t from 'tap'
import { type Finding, type PreflightOptions, preflight } from '../../../services/replicator/src/preflight/preflight.ts'
import { startMysql9 } from '../mysql9.ts'
import { sessionOn, snapshotOf, topologyOf } from './cells.ts'

t.setTimeout(180_000)

const GOOD = [
  '--server-id=101',
  '--auto-increment-increment=16',
  '--auto-increment-offset=1',
  '--max-allowed-packet=1G',
  '--event-scheduler=OFF',
  '--binlog-transaction-compression=ON'
]
const SCHEMA = `CREATE DATABASE shop;
  CREATE TABLE shop.users (id BIGINT AUTO_INCREMENT PRIMARY KEY, name TEXT);
  CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, note TEXT)`

function options(more: Partial<PreflightOptions> = {}): PreflightOptions {
  const topology = topologyOf([
    { table: 'shop.users', space: 'users', column: 'id' },
    { table: 'shop.orders', space: 'users', column: 'user_id' }
  ])
  return { snapshot: snapshotOf(topology), cell: 'beijing', role: 'both', reservedServerId: 4_000_000_000, ...more }
}

function codes(findings: readonly Finding[]): string[] {
  return findings.map(({ code }) => code).filter((code) => code !== 'PRE_ACCOUNT_HIDES_WRITES')
}

t.test('each bad setting and table is found alone, and its statement mends it', async (t) => {
  await using server = await startMysql9({ port: 29_031, args: GOOD })
  await using session = await sessionOn(server)
  await session.run(SCHEMA)
  t.same(codes(await preflight(session, options())), [], 'nothing on a good server; compressed transactions are fine')
  const rows: readonly (readonly [code: string, breakIt: string, more?: Partial<PreflightOptions>])[] = [
    ['PRE_ROW_IMAGE', "SET GLOBAL binlog_row_image = 'MINIMAL'"],
    ['PRE_ROW_METADATA', "SET GLOBAL binlog_row_metadata = 'MINIMAL'"],
    ['PRE_ROW_VALUE_OPTIONS', "SET GLOBAL binlog_row_value_options = 'PARTIAL_JSON'"],
    ['PRE_BINLOG_CHECKSUM', "SET GLOBAL binlog_checksum = 'NONE'"],
    ['PRE_BINLOG_RETENTION', 'SET GLOBAL binlog_expire_logs_seconds = 600'],
    ['PRE_SYNC_BINLOG', 'SET GLOBAL sync_binlog = 0'],
    ['PRE_FLUSH_LOG', 'SET GLOBAL innodb_flush_log_at_trx_commit = 2'],
    ['PRE_ORDER_COMMITS', 'SET GLOBAL binlog_order_commits = 0'],
    ['PRE_GTID_MODE', 'SET GLOBAL gtid_mode = ON_PERMISSIVE; SET GLOBAL gtid_mode = OFF_PERMISSIVE; SET GLOBAL gtid_mode = OFF'],
    ['PRE_SERVER_ID', 'SET GLOBAL server_id = 1'],
    ['PRE_SERVER_ID_RESERVED', 'SET GLOBAL server_id = 4000000001'],
    ['PRE_AUTO_INCREMENT', 'SET GLOBAL auto_increment_increment = 1'],
    ['PRE_READ_ONLY', 'SET GLOBAL super_read_only = 1'],
    ['PRE_PACKET_SIZE', 'SET GLOBAL max_allowed_packet = 16777216'],
    ['PRE_LOCK_WAIT', 'SET GLOBAL innodb_lock_wait_timeout = 600'],
    ['PRE_EVENTS', 'CREATE EVENT shop.nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.users; SET GLOBAL event_scheduler = ON'],
    ['PRE_TABLE_NO_KEY', 'ALTER TABLE shop.orders DROP PRIMARY KEY, ADD UNIQUE KEY u ((user_id + 1))'],
    ['PRE_TABLE_ENGINE', 'ALTER TABLE shop.users ENGINE = MyISAM'],
    ['PRE_FOREIGN_KEY_CASCADE', 'ALTER TABLE shop.orders ADD CONSTRAINT o FOREIGN KEY (user_id) REFERENCES shop.users (id) ON DELETE CASCADE'],
    ['PRE_TRIGGER', 'CREATE TRIGGER shop.watch BEFORE INSERT ON shop.users FOR EACH ROW SET NEW.name = UPPER(NEW.name)', { applierUser: 'cellway' }]
  ]
  for (const [code, breakIt, more] of rows) {
    await session.run(breakIt)
    const findings = await preflight(session, options(more))
    t.same(codes(findings), [code], breakIt)
    for (const { fixSql, code: found } of findings) if (fixSql !== undefined && found !== 'PRE_ACCOUNT_HIDES_WRITES') await session.run(fixSql)
    t.same(codes(await preflight(session, options(more))), [], `${findings[0]?.fixSql}`)
  }
})

t.test('rpo zero asks for the plugin, and then for its settings', async (t) => {
  await using server = await startMysql9({ port: 29_032, args: GOOD })
  await using session = await sessionOn(server)
  await session.run(SCHEMA)
  const zero = options({ rpo: 'zero' })
  const [missing] = await preflight(session, zero)
  t.match(missing, { code: 'PRE_SEMI_SYNC', fixSql: /INSTALL PLUGIN/ })
  await session.run(missing?.fixSql ?? '')
  const settings = await preflight(session, zero)
  t.same(codes(settings), ['PRE_SEMI_SYNC_TIMEOUT'])
  await session.run('SET GLOBAL rpl_semi_sync_source_wait_no_replica = OFF; SET GLOBAL rpl_semi_sync_source_enabled = OFF')
  t.same(codes(await preflight(session, zero)), ['PRE_SEMI_SYNC', 'PRE_SEMI_SYNC_ALONE', 'PRE_SEMI_SYNC_TIMEOUT'])
  for (const { fixSql, code } of await preflight(session, zero)) if (code.startsWith('PRE_SEMI')) await session.run(fixSql ?? '')
  t.same(codes(await preflight(session, zero)), [])
})

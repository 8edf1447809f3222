import type { Status } from '@cellway/client'
import t from 'tap'
import { renderFindings } from '../render/doctor.ts'
import { gatewaysAsReported } from './examine.ts'
import type { Finding } from './finding.ts'
import { judgeSnapshot } from './http.ts'
import { takeInventory } from './inventory.ts'
import { judgeMysql, judgeTogether, type MysqlFacts } from './mysql.ts'
import { judgeRedis, parseInfo, type RedisFacts } from './redis.ts'

const ACCESS = { host: '127.0.0.1', port: 7106, user: 'root', password: '' }
const GOOD: MysqlFacts = {
  version: '10.11.6-MariaDB',
  variables: {
    log_bin: 'ON',
    binlog_format: 'ROW',
    binlog_row_image: 'FULL',
    binlog_row_metadata: 'FULL',
    sync_binlog: '1',
    innodb_flush_log_at_trx_commit: '1',
    auto_increment_increment: '16',
    auto_increment_offset: '2',
    server_id: '2'
  },
  clockSkewMs: 3,
  autoIncrementTables: ['shop.legacy']
}

function ill(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ verdict }) => verdict !== 'ok')
}

t.test('MySQL: good settings pass, each bad one is found with what mends it', async (t) => {
  t.same(ill(judgeMysql('a/mysql', GOOD, { access: ACCESS, cells: 3 })), [])
  const rows: [string, Partial<MysqlFacts['variables']>, string][] = [
    ['log_bin', { log_bin: 'OFF' }, 'log_bin = binlog'],
    ['binlog_format', { binlog_format: 'MIXED' }, "SET GLOBAL binlog_format = 'ROW'"],
    ['binlog_row_image', { binlog_row_image: 'MINIMAL' }, "SET GLOBAL binlog_row_image = 'FULL'"],
    ['binlog_row_metadata', { binlog_row_metadata: 'NO_LOG' }, "SET GLOBAL binlog_row_metadata = 'FULL'"],
    ['sync_binlog', { sync_binlog: '0' }, 'SET GLOBAL sync_binlog = 1'],
    ['innodb_flush_log_at_trx_commit', { innodb_flush_log_at_trx_commit: '2' }, 'SET GLOBAL innodb_flush_log_at_trx_commit = 1'],
    ['auto_increment offset', { auto_increment_increment: '1', auto_increment_offset: '1' }, 'auto_increment_increment = 16']
  ]
  for (const [check, changes, fix] of rows) {
    const found = ill(
      judgeMysql('a/mysql', { ...GOOD, variables: { ...GOOD.variables, ...changes } as MysqlFacts['variables'] }, { access: ACCESS, cells: 3 })
    )
    t.equal(found.length, 1, check)
    t.match(found[0], { check, verdict: 'fail' })
    t.ok(found[0]?.fix.join('\n').includes(fix), `${check}: ${found[0]?.fix.join(' | ')}`)
  }
})

t.test('MySQL: a variable that the server does not know is missing, not good', async (t) => {
  const { binlog_row_metadata: _gone, ...variables } = GOOD.variables
  t.match(ill(judgeMysql('a', { ...GOOD, variables }, { access: ACCESS, cells: 3 })), [{ check: 'binlog_row_metadata', measured: 'missing' }])
})

t.test('MySQL 8 keeps settings with SET PERSIST', async (t) => {
  const facts = { ...GOOD, version: '9.1.0', variables: { ...GOOD.variables, sync_binlog: '0' } }
  t.same(ill(judgeMysql('a', facts, { access: ACCESS, cells: 3 }))[0]?.fix, [
    'mysql -h 127.0.0.1 -P 7106 -u root -p -e "SET PERSIST sync_binlog = 1"'
  ])
})

t.test('auto_increment does not matter where no table uses it; clocks do', async (t) => {
  const facts = { ...GOOD, variables: { ...GOOD.variables, auto_increment_increment: '1' }, autoIncrementTables: [] }
  t.same(ill(judgeMysql('a', facts, { access: ACCESS, cells: 3 })), [])
  t.match(ill(judgeMysql('a', { ...GOOD, clockSkewMs: -700 }, { access: ACCESS, cells: 3 })), [{ check: 'clock', verdict: 'warn' }])
})

t.test('servers are compared with each other', async (t) => {
  const other = { ...GOOD, variables: { ...GOOD.variables, server_id: '3', auto_increment_offset: '3' } }
  t.same(
    judgeTogether(
      new Map([
        ['a', GOOD],
        ['b', other]
      ])
    ),
    []
  )
  t.match(
    judgeTogether(
      new Map([
        ['a', GOOD],
        ['b', GOOD]
      ])
    ),
    [
      { subject: 'a, b', check: 'server_id', verdict: 'fail' },
      { subject: 'a, b', check: 'auto_increment_offset' }
    ]
  )
  const idle = { ...GOOD, autoIncrementTables: [] }
  t.equal(
    judgeTogether(
      new Map([
        ['a', idle],
        ['b', idle]
      ])
    ).length,
    1
  )
})

t.test('Redis: persistence and the last save', async (t) => {
  const good: RedisFacts = {
    info: { redis_version: '7.0.15', role: 'master', aof_enabled: '1', aof_last_write_status: 'ok', rdb_last_bgsave_status: 'ok' },
    save: '',
    clockSkewMs: 0
  }
  const rows: [string, RedisFacts, Partial<Finding> | undefined][] = [
    ['append-only', good, undefined],
    ['nothing', { ...good, info: { ...good.info, aof_enabled: '0' } }, { check: 'persistence', verdict: 'fail' }],
    ['snapshots only', { ...good, info: { ...good.info, aof_enabled: '0' }, save: '3600 1' }, { check: 'persistence', verdict: 'warn' }],
    ['CONFIG forbidden', { ...good, info: { ...good.info, aof_enabled: '0' }, save: undefined }, { check: 'persistence', verdict: 'unknown' }],
    ['disk full', { ...good, info: { ...good.info, aof_last_write_status: 'err' } }, { check: 'last save', verdict: 'fail' }]
  ]
  for (const [name, facts, want] of rows) {
    const found = ill(judgeRedis('a/redis', facts, { host: 'h', port: 1 }))
    if (want === undefined) t.same(found, [], name)
    else t.match(found, [want], name)
  }
  t.same(parseInfo('# Server\r\nredis_version:7.0.15\r\n\r\nexecutable:/usr/bin/a:b\r\n'), { redis_version: '7.0.15', executable: '/usr/bin/a:b' })
})

t.test('gateway snapshots against control', async (t) => {
  const wanted = { version: 7, checksum: 'a'.repeat(64) }
  const rows: [string, number, string, string][] = [
    ['same', 7, wanted.checksum, 'ok'],
    ['behind', 6, 'b'.repeat(64), 'fail'],
    ['ahead', 8, 'b'.repeat(64), 'fail'],
    ['diverged', 7, 'b'.repeat(64), 'fail']
  ]
  for (const [name, version, checksum, want] of rows) t.equal(judgeSnapshot('g', { version, checksum }, wanted).verdict, want, name)
  t.equal(judgeSnapshot('g', { version: 7, checksum: '' }, undefined).verdict, 'unknown')
})

t.test('without an admin address control is asked', async (t) => {
  const member = { member: 'g1', kind: 'gateway', cell: 'a', version: 7, state: 'current' } as const
  const status = { version: 7, members: [member] } as unknown as Status
  t.match(gatewaysAsReported('a', status), [{ verdict: 'ok' }])
  t.match(gatewaysAsReported('b', status), [{ verdict: 'fail', measured: /no gateway/ }])
  t.match(gatewaysAsReported('a', undefined), [{ verdict: 'unknown' }])
})

t.test('inventory: the local run wins, secrets are resolved, what cannot be resolved is said', async (t) => {
  const stores = { mysql: { host: 'db', user: 'env:DB_USER', password: 'env:DB_PASSWORD' }, redis: { host: 'cache' } }
  const topology = { cells: { a: { number: 3, apps: { default: ['http://a1', 'http://a2'], admin: ['http://a2'] }, stores } } } as never
  const [a] = takeInventory(topology, undefined, { DB_USER: 'u', DB_PASSWORD: 'p' })
  t.match(a, {
    cell: 'a',
    number: 3,
    gatewayAdmin: undefined,
    apps: ['http://a1', 'http://a2'],
    mysql: { host: 'db', port: 3306, user: 'u', password: 'p' },
    redis: { host: 'cache', port: 6379 }
  })
  const [unresolved] = takeInventory(topology, undefined, {})
  t.equal(unresolved?.mysql, undefined)
  t.equal(unresolved?.notes.length, 1)
  const local = {
    gateway: 'g',
    gatewayAdmin: 'ga',
    app: 'x',
    apps: ['x', 'y'],
    mysql: { ...ACCESS, user: 'shop', adminUser: 'root', adminPassword: 's' },
    redis: { host: 'r', port: 1 }
  }
  const [merged] = takeInventory(topology, { control: { url: 'u', token: 't' }, cells: { a: local } }, {})
  t.match(merged, { gatewayAdmin: 'ga', apps: ['x', 'y'], mysql: { user: 'root', password: 's', port: 7106 }, number: 3 })
})

t.test('the page: what fails first, with the fix; what is well in short', async (t) => {
  const findings: Finding[] = [
    { subject: 'control', check: 'reachable', verdict: 'ok', measured: 'http://c', wanted: '', fix: [] },
    { subject: 'a/redis', check: 'persistence', verdict: 'warn', measured: 'snapshots only', wanted: 'append-only file', fix: [] },
    { subject: 'a/mysql', check: 'sync_binlog', verdict: 'fail', measured: '0', wanted: '1', fix: ['do this', 'then that'] }
  ]
  t.equal(
    renderFindings(findings),
    `✗ a/mysql  sync_binlog: 0
  wanted  1
  fix     do this
          then that

! a/redis  persistence: snapshots only
  wanted  append-only file

✓ control  reachable: http://c

3 checks, 1 ok, 1 failed, 1 to look at, 0 unknown`
  )
})

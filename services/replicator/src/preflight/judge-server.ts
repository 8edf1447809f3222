/** Pure: the settings of one server. */
import type { ServerFacts } from './facts.ts'
import { errorFinding, type Finding, type FindingCode, warningFinding } from './finding.ts'

export type PreflightRole = 'capture' | 'apply' | 'both'

export interface PeerServer {
  readonly cell: string
  readonly serverId: number
}

export interface ServerRules {
  readonly role: PreflightRole
  /** Of this cell, 0 to 15. */
  readonly cellNumber: number
  readonly cells: number
  readonly reservedServerId: number
  /** `zero`: a commit returns only when its change is durable outside of the cell. */
  readonly rpo: 'default' | 'zero'
  /** Servers of other cells, as far as somebody knows them. */
  readonly peers: readonly PeerServer[]
  /** Schemas whose tables are declared. */
  readonly schemas: readonly string[]
  /** Whether a declared table counts its own ids. */
  readonly countsIds: boolean
}

/** All marks of appliers: 4,000,000,000 plus the number of a cell. */
export const RESERVED_SERVER_IDS = { from: 4_000_000_000, to: 4_000_000_255 } as const

/** A day: what an outage over a night needs, and some. */
const RETENTION_SECONDS_MIN = 24 * 3600
const PACKET_BYTES_MIN = 64 * 1024 * 1024
const LOCK_WAIT_SECONDS_MAX = 60
/** An hour: long enough for people to come and decide. */
const SEMI_SYNC_TIMEOUT_MS_MIN = 3_600_000

export function judgeServer(facts: ServerFacts, rules: ServerRules): Finding[] {
  const captures =
    rules.role !== 'apply' ? [...judgeBinlog(facts), ...judgeDurability(facts), ...judgeFilter(facts, rules), ...judgeRetention(facts)] : []
  const identity = [...judgeGtids(facts, rules), ...judgeServerId(facts, rules)]
  const applies = rules.role !== 'capture' ? judgeApplySettings(facts) : []
  const semiSync = rules.role !== 'apply' && rules.rpo === 'zero' ? judgeSemiSync(facts) : []
  return [...captures, ...identity, ...judgeAutoIncrement(facts, rules), ...applies, ...semiSync]
}

/** `SET PERSIST` lasts on MySQL; MariaDB needs its configuration file as well. */
export function setGlobal({ flavour }: ServerFacts, name: string, value: string): { fixSql: string; fixConfig?: string } {
  if (flavour === 'mysql') return { fixSql: `SET PERSIST ${name} = ${value};` }
  return { fixSql: `SET GLOBAL ${name} = ${value};`, fixConfig: `[mysqld] ${name} = ${value.replaceAll("'", '')}` }
}

function setting(facts: ServerFacts, code: FindingCode, { name, wanted }: { name: string; wanted: string }): Finding[] {
  const found = facts.variables.get(name)
  if (found === undefined || found.toUpperCase() === wanted.toUpperCase()) return []
  return [errorFinding(code, { what: `${name} is '${found}', not '${wanted}'`, ...setGlobal(facts, name, `'${wanted}'`) })]
}

function judgeBinlog(facts: ServerFacts): Finding[] {
  if (!isOn(facts, 'log_bin')) {
    return [errorFinding('PRE_LOG_BIN', { what: 'log_bin is OFF', fixConfig: '[mysqld] log_bin = binlog   (then restart the server)' })]
  }
  return [
    ...setting(facts, 'PRE_BINLOG_FORMAT', { name: 'binlog_format', wanted: 'ROW' }),
    ...setting(facts, 'PRE_ROW_IMAGE', { name: 'binlog_row_image', wanted: 'FULL' }),
    ...setting(facts, 'PRE_ROW_METADATA', { name: 'binlog_row_metadata', wanted: 'FULL' }),
    ...setting(facts, 'PRE_ROW_VALUE_OPTIONS', { name: 'binlog_row_value_options', wanted: '' }),
    ...setting(facts, 'PRE_BINLOG_CHECKSUM', { name: 'binlog_checksum', wanted: 'CRC32' })
  ]
}

function judgeDurability(facts: ServerFacts): Finding[] {
  const findings: Finding[] = []
  const warn = (code: FindingCode, name: string, wanted: string): void => {
    const found = facts.variables.get(name)
    if (found !== undefined && found !== wanted) {
      findings.push(warningFinding(code, { what: `${name} is ${found}, not ${wanted}`, ...setGlobal(facts, name, wanted) }))
    }
  }
  warn('PRE_SYNC_BINLOG', 'sync_binlog', '1')
  warn('PRE_FLUSH_LOG', 'innodb_flush_log_at_trx_commit', '1')
  warn('PRE_ORDER_COMMITS', 'binlog_order_commits', 'ON')
  const logUpdates = facts.variables.has('log_replica_updates') ? 'log_replica_updates' : 'log_slave_updates'
  if (facts.variables.get(logUpdates) === 'OFF' && facts.replicasRunning > 0) {
    const what = `${logUpdates} is OFF, and ${facts.replicasRunning} replication channel runs on this server`
    findings.push(errorFinding('PRE_LOG_REPLICA_UPDATES', { what, fixConfig: `[mysqld] ${logUpdates} = ON   (then restart the server)` }))
  }
  return findings
}

function judgeFilter({ binlogFilter }: ServerFacts, { schemas }: ServerRules): Finding[] {
  if (binlogFilter === undefined) return []
  const { only, never } = binlogFilter
  const wanted = [...new Set(['cellway', ...schemas])]
  const missing = wanted.filter((schema) => never.includes(schema) || (only.length > 0 && !only.includes(schema)))
  if (missing.length === 0) return []
  const options = [...only.map((name) => `binlog-do-db = ${name}`), ...never.map((name) => `binlog-ignore-db = ${name}`)].join(', ')
  const what = `the server has ${options}; so ${missing.join(', ')} would be left out`
  return [errorFinding('PRE_BINLOG_FILTER', { what, fixConfig: `[mysqld] without the lines ${options}   (then restart the server)` })]
}

function judgeRetention(facts: ServerFacts): Finding[] {
  const seconds = retentionSeconds(facts)
  if (seconds === undefined || seconds === 0 || seconds >= RETENTION_SECONDS_MIN) return []
  const what = `binary logs are removed after ${seconds} s`
  return [warningFinding('PRE_BINLOG_RETENTION', { what, ...setGlobal(facts, 'binlog_expire_logs_seconds', `${3 * RETENTION_SECONDS_MIN}`) })]
}

/** 0: they are kept for ever. */
function retentionSeconds({ variables }: ServerFacts): number | undefined {
  if (variables.get('binlog_expire_logs_auto_purge') === 'OFF') return 0
  const seconds = variables.get('binlog_expire_logs_seconds')
  if (seconds !== undefined) return Number(seconds)
  const days = variables.get('expire_logs_days')
  return days === undefined ? undefined : Math.round(Number(days) * RETENTION_SECONDS_MIN)
}

function judgeGtids(facts: ServerFacts, { cellNumber, role }: ServerRules): Finding[] {
  const { variables, flavour } = facts
  if (flavour === 'mysql') {
    if (role === 'apply' || variables.get('gtid_mode') === 'ON') return []
    const steps = ['SET PERSIST enforce_gtid_consistency = ON;']
    for (const mode of stepsToGtid(variables.get('gtid_mode') ?? 'OFF')) steps.push(`SET PERSIST gtid_mode = ${mode};`)
    return [errorFinding('PRE_GTID_MODE', { what: `gtid_mode is ${variables.get('gtid_mode') ?? 'missing'}`, fixSql: steps.join('\n') })]
  }
  const findings: Finding[] = []
  if (variables.get('gtid_strict_mode') === 'OFF') {
    findings.push(errorFinding('PRE_GTID_STRICT', { what: 'gtid_strict_mode is OFF', ...setGlobal(facts, 'gtid_strict_mode', 'ON') }))
  }
  if (variables.get('gtid_domain_id') === '0') {
    const what = 'gtid_domain_id is 0, as on every server that nobody configured'
    findings.push(warningFinding('PRE_GTID_DOMAIN', { what, ...setGlobal(facts, 'gtid_domain_id', `${cellNumber + 1}`) }))
  }
  return findings
}

/** The server allows only one step at a time. */
function stepsToGtid(mode: string): readonly string[] {
  const order = ['OFF', 'OFF_PERMISSIVE', 'ON_PERMISSIVE', 'ON']
  return order.slice(Math.max(0, order.indexOf(mode)) + 1)
}

function judgeServerId(facts: ServerFacts, { cellNumber, reservedServerId, peers }: ServerRules): Finding[] {
  const id = Number(facts.variables.get('server_id') ?? 0)
  // Room for a hundred servers per cell, and never the 1 of the manuals.
  const fix = setGlobal(facts, 'server_id', `${(cellNumber + 1) * 100 + 1}`)
  const twin = peers.find((peer) => peer.serverId === id)
  if (id === 0) return [errorFinding('PRE_SERVER_ID', { what: 'server_id is 0', ...fix })]
  if (id === reservedServerId || (id >= RESERVED_SERVER_IDS.from && id <= RESERVED_SERVER_IDS.to)) {
    return [errorFinding('PRE_SERVER_ID_RESERVED', { what: `server_id is ${id}, one of the ids that mark applied changes`, ...fix })]
  }
  if (twin !== undefined) return [errorFinding('PRE_SERVER_ID_TWICE', { what: `server_id is ${id}, and so it is in cell ${twin.cell}`, ...fix })]
  if (id === 1) return [warningFinding('PRE_SERVER_ID', { what: 'server_id is 1, as on every server that nobody configured', ...fix })]
  return []
}

function judgeAutoIncrement(facts: ServerFacts, { cells, cellNumber, countsIds }: ServerRules): Finding[] {
  const step = Number(facts.variables.get('auto_increment_increment') ?? 1)
  const offset = Number(facts.variables.get('auto_increment_offset') ?? 1)
  if (!countsIds || cells < 2) return []
  const wantedStep = Math.max(step, cells, cellNumber + 1)
  const fixes = [setGlobal(facts, 'auto_increment_increment', `${wantedStep}`), setGlobal(facts, 'auto_increment_offset', `${cellNumber + 1}`)]
  const fixConfig = fixes.flatMap((fix) => fix.fixConfig ?? []).join('\n')
  const fix = { fixSql: fixes.map((one) => one.fixSql).join('\n'), ...(fixConfig === '' ? {} : { fixConfig }) }
  if (step < wantedStep) {
    return [errorFinding('PRE_AUTO_INCREMENT', { what: `auto_increment_increment is ${step}, and there are ${cells} cells that count ids`, ...fix })]
  }
  if (offset !== cellNumber + 1) {
    // Larger offsets than the step are ignored by the server, so they collide with cell 0.
    const what = `auto_increment_offset is ${offset}; cell number ${cellNumber} counts from ${cellNumber + 1}, so that no two cells share one`
    return [errorFinding('PRE_AUTO_INCREMENT', { what, ...fix })]
  }
  return []
}

function judgeApplySettings(facts: ServerFacts): Finding[] {
  const findings: Finding[] = []
  const readOnly = facts.variables.get('read_only') ?? 'OFF'
  if (isOn(facts, 'read_only') || isOn(facts, 'super_read_only')) {
    const names = isOn(facts, 'super_read_only') ? ['super_read_only', 'read_only'] : ['read_only']
    const fixSql = names.map((name) => setGlobal(facts, name, 'OFF').fixSql).join('\n')
    findings.push(errorFinding('PRE_READ_ONLY', { what: `read_only is ${readOnly}`, fixSql }))
  }
  const packet = Number(facts.variables.get('max_allowed_packet') ?? PACKET_BYTES_MIN)
  if (packet < PACKET_BYTES_MIN) {
    const what = `max_allowed_packet is ${packet} bytes`
    findings.push(warningFinding('PRE_PACKET_SIZE', { what, ...setGlobal(facts, 'max_allowed_packet', `${1024 * 1024 * 1024}`) }))
  }
  const wait = Number(facts.variables.get('innodb_lock_wait_timeout') ?? 0)
  if (wait > LOCK_WAIT_SECONDS_MAX) {
    const what = `innodb_lock_wait_timeout is ${wait} s`
    findings.push(warningFinding('PRE_LOCK_WAIT', { what, ...setGlobal(facts, 'innodb_lock_wait_timeout', '50') }))
  }
  if (isOn(facts, 'event_scheduler') && facts.events.length > 0) {
    const shown = facts.events.slice(0, 5)
    const fixSql = shown.map((name) => `ALTER EVENT ${quoteDotted(name)} DISABLE;`).join('\n')
    findings.push(warningFinding('PRE_EVENTS', { what: `scheduled events run here: ${shown.join(', ')}`, fixSql }))
  }
  return findings
}

function judgeSemiSync(facts: ServerFacts): Finding[] {
  const { variables, flavour } = facts
  const side = variables.has('rpl_semi_sync_source_enabled') ? 'source' : 'master'
  const name = (rest: string): string => `rpl_semi_sync_${side}_${rest}`
  if (!variables.has(name('enabled'))) {
    const fixSql = "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so';\nSET PERSIST rpl_semi_sync_source_enabled = ON;"
    return [errorFinding('PRE_SEMI_SYNC', { what: 'the plugin for semi-synchronous replication is not installed', fixSql })]
  }
  const findings: Finding[] = []
  if (!isOn(facts, name('enabled'))) {
    findings.push(errorFinding('PRE_SEMI_SYNC', { what: `${name('enabled')} is OFF`, ...setGlobal(facts, name('enabled'), 'ON') }))
  }
  const timeoutMs = Number(variables.get(name('timeout')) ?? 0)
  if (timeoutMs < SEMI_SYNC_TIMEOUT_MS_MIN) {
    const what = `${name('timeout')} is ${timeoutMs} ms`
    findings.push(warningFinding('PRE_SEMI_SYNC_TIMEOUT', { what, ...setGlobal(facts, name('timeout'), `${SEMI_SYNC_TIMEOUT_MS_MIN}`) }))
  }
  if (variables.get(name('wait_point')) !== 'AFTER_SYNC') {
    const what = `${name('wait_point')} is ${variables.get(name('wait_point')) ?? 'missing'}`
    findings.push(errorFinding('PRE_SEMI_SYNC_POINT', { what, ...setGlobal(facts, name('wait_point'), "'AFTER_SYNC'") }))
  }
  const alone = name(side === 'source' ? 'wait_no_replica' : 'wait_no_slave')
  if (variables.get(alone) === 'OFF') {
    findings.push(errorFinding('PRE_SEMI_SYNC_ALONE', { what: `${alone} is OFF`, ...setGlobal({ ...facts, flavour }, alone, 'ON') }))
  }
  return findings
}

function isOn({ variables }: ServerFacts, name: string): boolean {
  return /^(?:ON|1|NO_LOCK|NO_LOCK_NO_ADMIN)$/i.test(variables.get(name) ?? '')
}

function quoteDotted(name: string): string {
  const dot = name.indexOf('.')
  return [name.slice(0, dot), name.slice(dot + 1)].map((part) => `\`${part.replaceAll('`', '``')}\``).join('.')
}

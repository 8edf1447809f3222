import { setTimeout as sleep } from 'node:timers/promises'
import { comparePositions, formatPosition, type Position, parsePosition } from '@cellway/change'
import { quoteText } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import { positionLost, sourceBehind, sourceSettings } from './errors.ts'
import { BEHIND_CHECKS_MAX } from './limits.ts'
import { BEHIND_FIX, BOOTSTRAP_FIX } from './source-errors.ts'

const BEHIND_WAIT_MS = 500

interface Setting {
  readonly variable: string
  readonly wanted: string
  readonly fix: string
}

const COMMON: readonly Setting[] = [
  { variable: 'log_bin', wanted: 'ON', fix: 'Start the server with log_bin' },
  { variable: 'binlog_format', wanted: 'ROW', fix: "SET GLOBAL binlog_format = 'ROW'" },
  { variable: 'binlog_row_image', wanted: 'FULL', fix: "SET GLOBAL binlog_row_image = 'FULL'" },
  { variable: 'binlog_row_metadata', wanted: 'FULL', fix: "SET GLOBAL binlog_row_metadata = 'FULL'" }
]
const MYSQL: readonly Setting[] = [
  { variable: 'gtid_mode', wanted: 'ON', fix: 'SET GLOBAL gtid_mode = ON (step by step, as the manual of MySQL says)' }
]

/** Before every dump. @throws CAP_SOURCE_SETTINGS, CAP_SOURCE_BEHIND, CAP_POSITION_LOST */
export async function checkSource(session: Session, position: Position, signal: AbortSignal): Promise<void> {
  await checkSettings(session)
  for (let attempt = 1; ; attempt += 1) {
    const behind = position.kind === 'mysql' ? await mysqlBehind(session, position) : await mariadbBehind(session, position)
    if (behind === undefined) return
    if (attempt >= BEHIND_CHECKS_MAX) throw sourceBehind({ position: formatPosition(position), sourcePosition: behind, fix: BEHIND_FIX })
    await sleep(BEHIND_WAIT_MS, undefined, { signal })
  }
}

/** Where the server is now. */
export async function currentPosition(session: Session): Promise<Position> {
  const { flavour } = session
  const [row] = await session.rows(flavour === 'mariadb' ? 'SELECT @@global.gtid_binlog_pos' : 'SELECT @@global.gtid_executed')
  return parsePosition(flavour, row?.[0]?.toString() ?? '')
}

async function checkSettings(session: Session): Promise<void> {
  const settings = session.flavour === 'mysql' ? [...COMMON, ...MYSQL] : COMMON
  const names = settings.map(({ variable }) => quoteText(variable)).join(', ')
  const rows = await session.rows(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`)
  const found = new Map(rows.map(([name, value]) => [name?.toString().toLowerCase(), value?.toString() ?? '']))
  const wrong = settings.flatMap(({ variable, wanted, fix }) => {
    // MySQL will drop binlog_format once ROW is all there is.
    const value = found.get(variable) ?? (variable === 'binlog_format' ? wanted : 'absent')
    return value.toUpperCase() === wanted ? [] : [{ variable, value, fix }]
  })
  if (wrong.length > 0) throw sourceSettings({ problems: wrong })
}

/** What the server has, if it has not all that the position holds. */
async function mariadbBehind(session: Session, position: Position): Promise<string | undefined> {
  const current = await currentPosition(session)
  const order = comparePositions(position, current)
  return order === 'before' || order === 'equal' ? undefined : formatPosition(current)
}

/**
 * Transactions of this server itself may be on their way: it waits for our own acknowledgement before it counts them as executed,
 * and judges them itself at the dump. Those of other servers must be there.
 */
async function mysqlBehind(session: Session, position: Position): Promise<string | undefined> {
  const set = quoteText(formatPosition(position))
  const [row] = await session.rows(
    `SELECT GTID_SUBTRACT(${set}, @@global.gtid_executed), @@global.server_uuid, @@global.gtid_executed, GTID_SUBTRACT(@@global.gtid_purged, ${set})`
  )
  const [missing = '', uuid = '', executed = '', purged = ''] = (row ?? []).map((cell) => cell?.toString().replaceAll('\n', '') ?? '')
  if (purged !== '') throw positionLost({ position: formatPosition(position), purged, fix: BOOTSTRAP_FIX })
  const foreign = parsePosition('mysql', missing)
  const isBehind = foreign.kind === 'mysql' && foreign.sets.some((source) => source.uuid !== uuid.toLowerCase())
  return isBehind ? executed : undefined
}

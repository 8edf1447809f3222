import { assertNever } from '@cellway/base'
import { changePositionIncomparable, changePositionInvalid } from './errors.ts'
import { POSITION_BYTES_MAX } from './limits.ts'
import type { MariadbGtid, MariadbPosition } from './position-mariadb.ts'
import { compareMariadb, formatMariadb, formatMariadbGtid, parseMariadb, unionMariadb } from './position-mariadb.ts'
import type { MysqlGtid, MysqlPosition } from './position-mysql.ts'
import { addMysql, compareMysql, formatMysql, formatMysqlGtid, mysqlIncludes, parseMysql, unionMysql } from './position-mysql.ts'
import type { RedisPosition } from './position-redis.ts'
import { compareRedis, formatRedis, parseRedis } from './position-redis.ts'

export type { MariadbGtid, MariadbPosition, MysqlGtid, MysqlPosition, RedisPosition }

/** How far a stream is, in the coordinates of its origin: never in the log's, so that the log can be lost or changed. */
export type Position = MariadbPosition | MysqlPosition | RedisPosition

/** The identity of one transaction. */
export type TransactionId = MariadbGtid | MysqlGtid

/** What one unit of a stream adds to a position. */
export type UnitPosition = TransactionId | RedisPosition

/**
 * `before`: everything in the left one is in the right one. `concurrent`: each has what the other has not.
 * `incomparable`: not the same history; no rule of skipping or waiting may be built on the two.
 */
export type PositionOrder = 'equal' | 'before' | 'after' | 'concurrent' | 'incomparable'

/** @throws CHANGE_POSITION_INVALID */
export function parsePosition(kind: Position['kind'], text: string): Position {
  if (text.length > POSITION_BYTES_MAX)
    throw changePositionInvalid({ text: `${text.slice(0, 64)}…`, problem: `longer than ${POSITION_BYTES_MAX} bytes` })
  switch (kind) {
    case 'mariadb':
      return parseMariadb(text)
    case 'mysql':
      return parseMysql(text)
    case 'redis':
      return parseRedis(text)
    default:
      return assertNever(kind)
  }
}

/** The one spelling of a position: as the server prints it, sorted. */
export function formatPosition(position: Position): string {
  switch (position.kind) {
    case 'mariadb':
      return formatMariadb(position)
    case 'mysql':
      return formatMysql(position)
    case 'redis':
      return formatRedis(position)
    default:
      return assertNever(position)
  }
}

export function formatUnitPosition(unit: UnitPosition): string {
  switch (unit.kind) {
    case 'mariadb-gtid':
      return formatMariadbGtid(unit)
    case 'mysql-gtid':
      return formatMysqlGtid(unit)
    case 'redis':
      return formatRedis(unit)
    default:
      return assertNever(unit)
  }
}

export function comparePositions(left: Position, right: Position): PositionOrder {
  if (left.kind === 'mariadb' && right.kind === 'mariadb') return compareMariadb(left, right)
  if (left.kind === 'mysql' && right.kind === 'mysql') return compareMysql(left, right)
  if (left.kind === 'redis' && right.kind === 'redis') return compareRedis(left, right)
  return 'incomparable'
}

/** Everything that is in one of the two. @throws CHANGE_POSITION_INCOMPARABLE */
export function unionPositions(left: Position, right: Position): Position {
  const order = comparePositions(left, right)
  if (order === 'equal' || order === 'after') return left
  if (order === 'before') return right
  if (order === 'concurrent' && left.kind === 'mariadb' && right.kind === 'mariadb') return unionMariadb(left, right)
  if (order === 'concurrent' && left.kind === 'mysql' && right.kind === 'mysql') return unionMysql(left, right)
  throw incomparable(formatPosition(left), formatPosition(right))
}

/** Whether the unit is in already, and so must be skipped. @throws CHANGE_POSITION_INCOMPARABLE */
export function positionIncludes(position: Position, unit: UnitPosition): boolean {
  if (position.kind === 'mysql' && unit.kind === 'mysql-gtid') return mysqlIncludes(position, unit)
  const order = comparePositions(ofUnit(unit), position)
  if (order === 'incomparable') throw incomparable(formatUnitPosition(unit), formatPosition(position))
  return order === 'before' || order === 'equal'
}

/** The position once the unit is in. A unit that is in changes nothing. @throws CHANGE_POSITION_INCOMPARABLE */
export function advancePosition(position: Position, unit: UnitPosition): Position {
  if (position.kind === 'mysql' && unit.kind === 'mysql-gtid') return addMysql(position, unit)
  return unionPositions(position, ofUnit(unit))
}

function ofUnit(unit: UnitPosition): Position {
  switch (unit.kind) {
    case 'mariadb-gtid':
      return { kind: 'mariadb', gtids: [unit] }
    case 'mysql-gtid':
      return { kind: 'mysql', sets: [{ uuid: unit.uuid, tag: unit.tag, intervals: [{ first: unit.number, last: unit.number }] }] }
    case 'redis':
      return unit
    default:
      return assertNever(unit)
  }
}

function incomparable(left: string, right: string): Error {
  return changePositionIncomparable({ left: left.slice(0, 200), right: right.slice(0, 200) })
}

import { changePositionInvalid } from './errors.ts'
import type { PositionOrder } from './position.ts'

/** Behind a unit of the replication stream, with the database that the stream had selected there. */
export interface RedisPosition {
  readonly kind: 'redis'
  /** 40 hexadecimal digits; a new one begins with each promotion. */
  readonly replicationId: string
  readonly offset: bigint
  readonly db: number
}

const POSITION = /^([0-9a-f]{40}):(\d{1,19}):(\d{1,9})$/
/** Offsets are signed in the server. */
const OFFSET_MAX = 0x7fff_ffff_ffff_ffffn

/** `replicationId:offset:db`. @throws CHANGE_POSITION_INVALID */
export function parseRedis(text: string): RedisPosition {
  const [, replicationId, offset, db] = POSITION.exec(text) ?? []
  if (replicationId === undefined || offset === undefined || db === undefined || BigInt(offset) > OFFSET_MAX) {
    throw changePositionInvalid({ text: text.slice(0, 200), problem: 'a position of Redis is replication id (40 digits):offset:db' })
  }
  return { kind: 'redis', replicationId, offset: BigInt(offset), db: Number(db) }
}

export function formatRedis({ replicationId, offset, db }: RedisPosition): string {
  return `${replicationId}:${offset}:${db}`
}

/** By offset within one replication id. One offset with two databases is a contradiction, and said so. */
export function compareRedis(left: RedisPosition, right: RedisPosition): PositionOrder {
  if (left.replicationId !== right.replicationId) return 'incomparable'
  if (left.offset !== right.offset) return left.offset < right.offset ? 'before' : 'after'
  return left.db === right.db ? 'equal' : 'incomparable'
}

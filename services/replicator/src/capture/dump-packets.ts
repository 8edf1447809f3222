import { createHash } from 'node:crypto'
import type { MysqlPosition } from '@cellway/change'

const COM_BINLOG_DUMP = 0x12
const COM_BINLOG_DUMP_GTID = 0x1e
/** MariaDB: with the statements behind the rows. The same bit means something else to MySQL. */
const SEND_ANNOTATE_ROWS = 0x02
const FIRST_OFFSET = 4
const TAGGED_FORMAT = 1n

/** Of the readers of binlogs: no server has it, and no applier writes with it. A second reader with it ends the first one. */
const READER_SERVER_ID_BASE = 4_100_000_000

export function readerServerId(cellNumber: number): number {
  return READER_SERVER_ID_BASE + cellNumber
}

/** By it MySQL knows that a second reader is the first one come again. The same for every process of the cell. */
export function readerUuid(cell: string): string {
  const hex = createHash('sha256').update(`cellway reader ${cell}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** The position stands in a session variable. */
export function mariadbDumpPacket(serverId: number): Buffer {
  const body = Buffer.alloc(11)
  body[0] = COM_BINLOG_DUMP
  body.writeUInt32LE(FIRST_OFFSET, 1)
  body.writeUInt16LE(SEND_ANNOTATE_ROWS, 5)
  body.writeUInt32LE(serverId, 7)
  return framed(body, 0)
}

export function mysqlDumpPacket(serverId: number, position: MysqlPosition): Buffer {
  const set = encodeGtidSet(position)
  const head = Buffer.alloc(23)
  head[0] = COM_BINLOG_DUMP_GTID
  head.writeUInt16LE(0, 1)
  head.writeUInt32LE(serverId, 3)
  head.writeUInt32LE(0, 7)
  head.writeBigUInt64LE(BigInt(FIRST_OFFSET), 11)
  head.writeUInt32LE(set.length, 19)
  return framed(Buffer.concat([head, set]), 0)
}

/** Everything up to this place is durable. The reply begins a sequence of its own, whatever was read before. */
export function semiSyncReply(file: string, offset: bigint): Buffer {
  const name = Buffer.from(file)
  const body = Buffer.alloc(9 + name.length)
  body[0] = SEMI_SYNC_MAGIC
  body.writeBigUInt64LE(offset, 1)
  body.set(name, 9)
  return framed(body, 0)
}

export const SEMI_SYNC_MAGIC = 0xef

/** As the server writes it itself; tags (MySQL 8.3 and later) only where there are some, so that older servers understand the rest. */
export function encodeGtidSet({ sets }: MysqlPosition): Buffer {
  const tagged = sets.some(({ tag }) => tag !== '')
  const count = BigInt(sets.length)
  const parts = [u64(tagged ? (TAGGED_FORMAT << 56n) | (count << 8n) | TAGGED_FORMAT : count)]
  for (const { uuid, tag, intervals } of sets) {
    parts.push(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
    // A length below 64 takes one byte of MySQL's variable integers: its bits, then a 0.
    if (tagged) parts.push(Buffer.from([tag.length << 1]), Buffer.from(tag, 'latin1'))
    parts.push(u64(BigInt(intervals.length)))
    for (const { first, last } of intervals) parts.push(u64(first), u64(last + 1n))
  }
  return Buffer.concat(parts)
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

function framed(body: Buffer, sequence: number): Buffer {
  const packet = Buffer.allocUnsafe(4 + body.length)
  packet.writeUIntLE(body.length, 0, 3)
  packet[3] = sequence
  packet.set(body, 4)
  return packet
}

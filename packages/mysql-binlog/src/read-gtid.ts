import type { ByteCursor } from './byte-cursor.ts'
import { malformed, versionUnsupported } from './errors.ts'
import type { EventHeader, GtidEvent, GtidListEvent, PreviousGtidsEvent } from './events.ts'
import { formatUuid, type Gtid, type GtidSetEntry } from './gtid.ts'

/** Flags of MariaDB's GTID event. */
const FLAG = { standalone: 0x01, groupCommit: 0x02, transactional: 0x04, ddl: 0x20, xaPrepare: 0x40, xaComplete: 0x80 }
const EXTRA = { multiEngine: 0x01, startAlter: 0x02, commitAlter: 0x04, rollbackAlter: 0x08 }

const UNSAID = {
  standalone: undefined,
  ddl: undefined,
  transactional: undefined,
  xa: undefined,
  alter: undefined,
  commitId: undefined,
  lastCommitted: undefined,
  sequenceNumber: undefined,
  committedAtUs: undefined,
  originCommittedAtUs: undefined,
  transactionBytes: undefined,
  mayHaveStatements: undefined
}

/** Event 162. The server's part of the id stands in the common header. */
export function readMariadbGtid(cursor: ByteCursor, header: EventHeader): GtidEvent {
  const sequence = cursor.u64()
  const domain = cursor.u32()
  const flags = cursor.u8()
  const commitId = flags & FLAG.groupCommit ? cursor.u64() : undefined
  const xa = flags & FLAG.xaPrepare ? 'prepare' : flags & FLAG.xaComplete ? 'complete' : undefined
  if (xa !== undefined) {
    cursor.skip(4)
    const [globalBytes, branchBytes] = [cursor.u8(), cursor.u8()]
    cursor.skip(globalBytes + branchBytes)
  }
  // Short events are padded with zeros, which read as "no extra flags".
  const extra = cursor.left > 0 ? cursor.u8() : 0
  return {
    ...UNSAID,
    kind: 'gtid',
    header,
    gtid: { flavour: 'mariadb', domain, server: header.serverId, sequence },
    standalone: (flags & FLAG.standalone) !== 0,
    ddl: (flags & FLAG.ddl) !== 0,
    transactional: (flags & FLAG.transactional) !== 0,
    xa,
    alter: alterOf(extra),
    commitId
  }
}

function alterOf(extra: number): GtidEvent['alter'] {
  if (extra & EXTRA.startAlter) return 'start'
  if (extra & EXTRA.commitAlter) return 'commit'
  return extra & EXTRA.rollbackAlter ? 'rollback' : undefined
}

/** Event 163. The upper four bits of the count are flags. */
export function readGtidList(cursor: ByteCursor, header: EventHeader): GtidListEvent {
  const count = cursor.u32() & 0x0fff_ffff
  const gtids: { flavour: 'mariadb'; domain: number; server: number; sequence: bigint }[] = []
  for (let index = 0; index < count; index++) {
    gtids.push({ flavour: 'mariadb', domain: cursor.u32(), server: cursor.u32(), sequence: cursor.u64() })
  }
  return { kind: 'gtid-list', header, gtids }
}

const ANONYMOUS = 34
const LOGICAL_CLOCK = 2
const TIMESTAMP_BITS = 55n
const FLAG_STATEMENTS = 0x01

/** Events 33 and 34. Servers before 5.7 end after the number, before 8.0 after the logical clock. */
export function readMysqlGtid(cursor: ByteCursor, header: EventHeader): GtidEvent {
  const flags = cursor.u8()
  const source = formatUuid(cursor.view(16))
  const number = cursor.i64()
  const gtid: Gtid = header.typeCode === ANONYMOUS ? { flavour: 'anonymous' } : { flavour: 'mysql', source, tag: '', number }
  if (gtid.flavour === 'mysql' && number < 1n) throw malformed({ ...cursor.place(), reason: `GTID number ${number}` })
  const event = { ...UNSAID, kind: 'gtid', header, gtid, mayHaveStatements: (flags & FLAG_STATEMENTS) !== 0 } as const
  if (cursor.left < 17 || cursor.u8() !== LOGICAL_CLOCK) return event
  const clock = { ...event, lastCommitted: cursor.i64(), sequenceNumber: cursor.i64() }
  if (cursor.left < 7) return clock
  const committed = u56(cursor)
  const hasOrigin = committed >> TIMESTAMP_BITS === 1n
  const committedAtUs = committed & ((1n << TIMESTAMP_BITS) - 1n)
  const originCommittedAtUs = hasOrigin ? u56(cursor) : committedAtUs
  const transactionBytes = cursor.left > 0 ? BigInt(cursor.lengthCoded()) : undefined
  return { ...clock, committedAtUs, originCommittedAtUs, transactionBytes }
}

function u56(cursor: ByteCursor): bigint {
  const low = cursor.u32()
  return BigInt(low) | (BigInt(cursor.u24()) << 32n)
}

/** The last field of event 42 that we know; a message that needs a later one cannot be read rightly. */
const TAGGED_FIELDS = 12
const TAG_BYTES_MAX = 32

/**
 * Event 42, MySQL 8.3 and later: a message of MySQL's serialization library. Fields stand in the order of their ids, absent ones
 * have defaults. All integers are of variable length.
 */
export function readTaggedGtid(cursor: ByteCursor, header: EventHeader): GtidEvent {
  const start = cursor.at
  const version = varint(cursor)
  if (version !== 1n) throw versionUnsupported({ ...cursor.place(), reason: `serialization version ${version}` })
  const messageBytes = Number(varint(cursor))
  const needed = varint(cursor)
  if (needed > TAGGED_FIELDS) throw versionUnsupported({ ...cursor.place(), reason: `tagged GTID needs field ${needed - 1n}` })
  const end = Math.min(start + messageBytes, cursor.end)
  const fields = readFields(cursor, end)
  const uuid = fields.uuid
  const number = fields.signed.get(2)
  if (uuid === undefined || number === undefined || number < 1n) throw malformed({ ...cursor.place(), reason: 'tagged GTID without its id' })
  const committedAtUs = fields.unsigned.get(6)
  return {
    ...UNSAID,
    kind: 'gtid',
    header,
    gtid: { flavour: 'mysql', source: formatUuid(uuid), tag: fields.tag, number },
    mayHaveStatements: ((fields.unsigned.get(0) ?? 0n) & 1n) === 1n,
    lastCommitted: fields.signed.get(4),
    sequenceNumber: fields.signed.get(5),
    committedAtUs,
    originCommittedAtUs: fields.unsigned.get(7) ?? committedAtUs,
    transactionBytes: fields.unsigned.get(8)
  }
}

interface TaggedFields {
  readonly signed: Map<number, bigint>
  readonly unsigned: Map<number, bigint>
  uuid: Buffer | undefined
  tag: string
}

const SIGNED_FIELDS = new Set([2, 4, 5])

function readFields(cursor: ByteCursor, end: number): TaggedFields {
  const fields: TaggedFields = { signed: new Map(), unsigned: new Map(), uuid: undefined, tag: '' }
  while (cursor.at < end) {
    const id = Number(varint(cursor))
    // Later fields are ones that the message does not need; how long they are cannot be told.
    if (id >= TAGGED_FIELDS) break
    if (id === 1) fields.uuid = Buffer.from(Array.from({ length: 16 }, () => Number(varint(cursor) & 0xffn)))
    else if (id === 3) fields.tag = readTag(cursor)
    else if (SIGNED_FIELDS.has(id)) fields.signed.set(id, zigzag(varint(cursor)))
    else fields.unsigned.set(id, varint(cursor))
  }
  return fields
}

function readTag(cursor: ByteCursor): string {
  const size = varint(cursor)
  if (size > TAG_BYTES_MAX) throw malformed({ ...cursor.place(), reason: `tag of ${size} bytes` })
  return cursor.text(Number(size), 'latin1')
}

/** As many more bytes as the first one has trailing 1 bits; the rest of its bits are the lowest of the value. */
function varint(cursor: ByteCursor): bigint {
  const first = cursor.u8()
  let more = 0
  while (more < 8 && (first >> more) & 1) more++
  if (more === 8) return cursor.u64()
  let rest = 0n
  for (let index = 0; index < more; index++) rest |= BigInt(cursor.u8()) << BigInt(8 * index)
  return BigInt(first >> (more + 1)) | (rest << BigInt(7 - more))
}

function zigzag(value: bigint): bigint {
  return value & 1n ? -(value >> 1n) - 1n : value >> 1n
}

/** Event 35. The top byte of the count is the format: 1 adds a tag to each entry (MySQL 8.3 and later). */
export function readPreviousGtids(cursor: ByteCursor, header: EventHeader): PreviousGtidsEvent {
  const head = cursor.u64()
  const format = head >> 56n
  if (format > 1n) throw versionUnsupported({ ...cursor.place(), reason: `GTID set format ${format}` })
  const count = format === 0n ? head : (head >> 8n) & 0xffff_ffff_ffffn
  const entries: GtidSetEntry[] = []
  for (let left = count; left > 0n; left--) {
    const source = formatUuid(cursor.view(16))
    const tag = format === 0n ? '' : readTag(cursor)
    const intervals: { start: bigint; end: bigint }[] = []
    for (let intervalsLeft = cursor.u64(); intervalsLeft > 0n; intervalsLeft--) {
      const start = cursor.u64()
      const end = cursor.u64()
      if (start < 1n || end <= start) throw malformed({ ...cursor.place(), reason: `GTID interval ${start}..${end}` })
      intervals.push({ start, end })
    }
    entries.push({ source, tag, intervals })
  }
  return { kind: 'previous-gtids', header, entries }
}

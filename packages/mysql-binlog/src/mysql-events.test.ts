import { crc32, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { event, lengthCoded, mysqlFormat, u16, u32, u48, u64 } from '../fixtures/hand-made.ts'
import { BinlogDecoder } from './decoder.ts'
import type { BinlogEvent } from './events.ts'
import { formatGtid, formatGtidSet } from './gtid.ts'

/**
 * Events of MySQL 8.0 to 9.x. HAND-MADE: laid out after the documentation of libs/mysql/binlog/event, not recorded from a server.
 */

const UUID = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const SID = Buffer.from(UUID.replaceAll('-', ''), 'hex')

function decode(...packets: Buffer[]): BinlogEvent[] {
  const decoder = new BinlogDecoder()
  return [mysqlFormat(), ...packets].flatMap((packet) => [...decoder.events(packet)]).slice(1)
}

function only(...packets: Buffer[]): BinlogEvent {
  const [found] = decode(...packets)
  if (found === undefined) throw new Error('no event')
  return found
}

t.test('GTID event of 8.0 with both commit times', async (t) => {
  const times = [Buffer.from('00000000000580', 'hex'), Buffer.from('01000000000500', 'hex')]
  const body = Buffer.concat([Buffer.from([1]), SID, u64(42n), Buffer.from([2]), u64(7n), u64(8n), ...times, lengthCoded(300), u32(80036)])
  const found = only(event(33, body))
  t.match(found, { kind: 'gtid', lastCommitted: 7n, sequenceNumber: 8n, transactionBytes: 300n, mayHaveStatements: true })
  if (found.kind !== 'gtid') throw new Error('no GTID')
  t.equal(formatGtid(found.gtid), `${UUID}:42`)
  t.equal(found.committedAtUs, 5n << 40n)
  t.equal(found.originCommittedAtUs, (5n << 40n) + 1n)
})

t.test('anonymous transactions, and events of 5.6 that end early', async (t) => {
  t.match(only(event(34, Buffer.concat([Buffer.from([0]), Buffer.alloc(16), u64(0n)]))), { gtid: { flavour: 'anonymous' }, lastCommitted: undefined })
  t.throws(() => only(event(33, Buffer.concat([Buffer.from([0]), SID, u64(0n)]))), { code: 'BINLOG_MALFORMED' })
})

/** MySQL's serialization: the count of trailing 1 bits in the first byte is the count of further bytes. */
function varint(value: bigint): Buffer {
  for (let more = 0; more < 8; more++) {
    if (value >= 1n << BigInt(7 * (more + 1))) continue
    const whole = (value << BigInt(more + 1)) | ((1n << BigInt(more)) - 1n)
    const bytes = u64(whole & 0xffff_ffff_ffff_ffffn)
    return bytes.subarray(0, more + 1)
  }
  return Buffer.concat([Buffer.from([0xff]), u64(value)])
}

function taggedGtid(fields: readonly Buffer[], lastNeeded = 1n): Buffer {
  const body = Buffer.concat([varint(lastNeeded), ...fields])
  return event(42, Buffer.concat([varint(1n), varint(BigInt(body.length + 2)), body]))
}

const TAGGED_FIELDS = [
  ...[varint(0n), varint(0n)],
  ...[varint(1n), ...[...SID].map((byte) => varint(BigInt(byte)))],
  ...[varint(2n), varint(99n << 1n)],
  ...[varint(3n), varint(5n), Buffer.from('blue_')],
  ...[varint(4n), varint(3n << 1n), varint(5n), varint(4n << 1n)],
  ...[varint(6n), varint(1_700_000_000_123_456n), varint(8n), varint(70_000n)]
]

t.test('tagged GTID event of 8.3 and later', async (t) => {
  const found = only(taggedGtid(TAGGED_FIELDS))
  if (found.kind !== 'gtid') throw new Error('no GTID')
  t.equal(formatGtid(found.gtid), `${UUID}:blue_:99`)
  t.match(found, { lastCommitted: 3n, sequenceNumber: 4n, committedAtUs: 1_700_000_000_123_456n, transactionBytes: 70_000n })
  t.throws(() => only(taggedGtid(TAGGED_FIELDS, 14n)), { code: 'BINLOG_VERSION' }, 'a message that needs a field of the future')
})

t.test('previous GTIDs, with and without tags', async (t) => {
  const interval = [u64(1n), u64(1n), u64(6n)]
  const plain = only(event(35, Buffer.concat([u64(1n), SID, ...interval])))
  t.equal(plain.kind === 'previous-gtids' && formatGtidSet(plain.entries), `${UUID}:1-5`)
  const head = u64((1n << 56n) | (2n << 8n) | 1n)
  const tagged = only(event(35, Buffer.concat([head, SID, varint(0n), ...interval, SID, varint(1n), Buffer.from('x'), u64(1n), u64(7n), u64(8n)])))
  t.equal(tagged.kind === 'previous-gtids' && formatGtidSet(tagged.entries), `${UUID}:1-5:x:7`)
  t.throws(() => only(event(35, Buffer.concat([u64(2n ** 40n), SID]))), { code: 'BINLOG_TRUNCATED' }, 'a count beyond the bytes')
})

t.test('heartbeats of both versions', async (t) => {
  t.match(only(event(27, Buffer.from('binlog.000007'), { endPosition: 190 })), { kind: 'heartbeat', file: 'binlog.000007', position: 190n })
  const name = Buffer.from('binlog.000008')
  const fields = [Buffer.from([1, name.length]), name, Buffer.from([2, 9, 0xfe]), u64(5_000_000_000n), Buffer.from([0])]
  t.match(only(event(41, Buffer.concat(fields))), { kind: 'heartbeat', file: 'binlog.000008', position: 5_000_000_000n })
})

t.test('rows query, incident, stop, ignorable, unknown', async (t) => {
  const query = only(event(29, Buffer.from('\x05INSERT INTO t VALUES (1)')))
  t.equal(query.kind === 'rows-query' && query.query.toString(), 'INSERT INTO t VALUES (1)')
  t.match(only(event(26, Buffer.from('\x01\x00\x04lost'))), { kind: 'incident', incident: 1, message: 'lost' })
  t.match(only(event(3, Buffer.alloc(0))), { kind: 'stop' })
  t.match(only(event(99, Buffer.from('abc'), { flags: 0x80 })), { kind: 'ignorable', typeCode: 99 })
  t.match(only(event(99, Buffer.from('abc'))), { kind: 'unknown', typeCode: 99, bodyBytes: 3 })
  t.throws(() => only(event(164, Buffer.alloc(17))), { code: 'BINLOG_ENCRYPTED' })
})

t.test('LOAD DATA in statement format is in plain sight', async (t) => {
  t.match(only(event(17, Buffer.concat([u32(5), Buffer.from('block')]))), { kind: 'statement-context', what: 'load-data', values: [5n] })
  const head = Buffer.concat([u32(1), u32(0), Buffer.from([1]), u16(0), u16(0), Buffer.alloc(13)])
  t.match(only(event(18, Buffer.concat([head, Buffer.from('d\0LOAD DATA INFILE 1')]))), { kind: 'query', schema: 'd', text: 'LOAD DATA INFILE 1' })
})

const XID = event(16, u64(9n), { checksum: false })

function payload(inner: Buffer, { compression = 0, size = inner.length }: { compression?: number; size?: number } = {}): Buffer {
  const bytes = compression === 0 ? zstdCompressSync(inner) : inner
  const field = (type: number, value: Buffer): Buffer => Buffer.concat([Buffer.from([type, value.length]), value])
  return event(
    40,
    Buffer.concat([field(2, lengthCoded(compression)), field(3, lengthCoded(size)), field(1, lengthCoded(bytes.length)), Buffer.from([0]), bytes])
  )
}

t.test('transaction payloads', async (t) => {
  t.match(decode(payload(Buffer.concat([XID, XID]))), [{ kind: 'xid' }, { kind: 'xid' }])
  t.match(decode(payload(XID, { compression: 255 })), [{ kind: 'xid', xid: 9n }])
  t.throws(() => decode(payload(XID, { size: 5 })), { code: 'BINLOG_INFLATE' }, 'more than announced')
  t.throws(() => decode(payload(XID, { size: 500 })), { code: 'BINLOG_INFLATE' }, 'less than announced')
  t.throws(() => decode(payload(XID, { size: 2 ** 40 })), { code: 'BINLOG_INFLATE' }, 'more than the limit, found before anything is inflated')
  t.throws(() => decode(payload(payload(XID))), { code: 'BINLOG_MALFORMED' }, 'no payload within a payload')
  t.throws(() => decode(payload(XID.subarray(0, 25))), { code: 'BINLOG_TRUNCATED' })
})

t.test('a checksum that does not fit stops the stream; a rotate before the format event may have one', async (t) => {
  const broken = Buffer.from(event(16, u64(9n)))
  broken[20] = 0xff
  t.throws(() => decode(broken), { code: 'BINLOG_CHECKSUM' })
  const rotate = event(4, Buffer.concat([u64(4n), Buffer.from('binlog.000001')]), { flags: 0x20 })
  t.match(new BinlogDecoder().decode(rotate), { kind: 'rotate', file: 'binlog.000001' })
  const bare = event(4, Buffer.concat([u64(4n), Buffer.from('binlog.000001')]), { flags: 0x20, checksum: false })
  t.match(new BinlogDecoder().decode(bare), { kind: 'rotate', file: 'binlog.000001' })
  t.equal(crc32('123456789'), 0xcbf43926)
})

t.test('rows of a table that was not mapped', async (t) => {
  t.throws(() => decode(event(30, Buffer.concat([u48(5), u16(1), u16(2), Buffer.from([1, 1, 0, 1])]))), { code: 'BINLOG_TABLE_UNMAPPED' })
})

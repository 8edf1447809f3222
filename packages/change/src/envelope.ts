import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { ByteCursor } from './bytes.ts'
import { createCursor, createWriter, putByte, putString, putText, putVarint, takeByte, takeString, takeText, takeVarint } from './bytes.ts'
import {
  changeChecksumWrong,
  changeCorrupt,
  changeFeatureUnknown,
  changeInvalid,
  changeNotARecord,
  changeTooLarge,
  changeTruncated,
  changeVersionUnknown
} from './errors.ts'
import { NAME_BYTES_MAX, POSITION_BYTES_MAX, RECORD_BYTES_MAX } from './limits.ts'
import type { Codec, Envelope, Origin, StoreKind } from './model.ts'
import type { Position } from './position.ts'
import { formatPosition, parsePosition } from './position.ts'
import { assertEnd, putSection, section, takeSections } from './section.ts'

/*
 * Offset  Bytes
 *      0      4  CWCR
 *      4      2  version
 *      6      1  codec of the body
 *      7      1  flags
 *      8      4  CRC-32 of everything else
 *     12      4  bytes of the record
 *     16      4  bytes of the head: sections, never compressed
 *     20      4  bytes of the body before compression
 *     24         head, body (both sections)
 */
const MAGIC = Buffer.from('CWCR')
const VERSION = 1
const HEADER_BYTES = 24
const AT = { version: 4, codec: 6, flags: 7, checksum: 8, recordBytes: 12, headBytes: 16, bodyBytes: 20 } as const
const FLAG = { firstPart: 1, lastPart: 2, fence: 4, barrier: 8 } as const
const FLAGS_KNOWN = 15
const HEAD_SECTION = { origin: 1, order: 2, from: 3, to: 4 } as const
const CODECS: readonly Codec[] = ['none', 'zstd']
const STORE_KINDS: readonly StoreKind[] = ['mariadb', 'mysql', 'redis']

/** Smaller bodies rarely shrink by what the call costs. */
const COMPRESSED_BYTES_MIN = 512
/** 16 MiB: as large as a record; a frame that asks for a larger window is not ours. */
const WINDOW_LOG_MAX = 24
const COMPRESSION_LEVEL = 1

/** A record whose header, checksum and head are proven; the body is still as it came. */
export interface SealedRecord {
  readonly envelope: Envelope
  readonly bytes: Buffer
  readonly bodyAt: number
  readonly bodyBytes: number
}

/** @throws CHANGE_TOO_LARGE, CHANGE_INVALID */
export function sealRecord(envelope: Envelope, body: readonly Uint8Array[]): Buffer {
  const head = headOf(envelope)
  const bodyBytes = body.reduce((sum, part) => sum + part.length, 0)
  if (HEADER_BYTES + head.length + bodyBytes > RECORD_BYTES_MAX) {
    throw changeTooLarge({ bytes: HEADER_BYTES + head.length + bodyBytes, bytesMax: RECORD_BYTES_MAX })
  }
  const { codec, parts } = compress(envelope.codec, body, bodyBytes)
  const record = Buffer.allocUnsafe(HEADER_BYTES + head.length + parts.reduce((sum, part) => sum + part.length, 0))
  record.set(MAGIC)
  record.writeUInt16LE(VERSION, AT.version)
  record[AT.codec] = CODECS.indexOf(codec)
  record[AT.flags] = flagsOf(envelope)
  record.writeUInt32LE(record.length, AT.recordBytes)
  record.writeUInt32LE(head.length, AT.headBytes)
  record.writeUInt32LE(bodyBytes, AT.bodyBytes)
  let at = HEADER_BYTES
  for (const part of [head, ...parts]) {
    record.set(part, at)
    at += part.length
  }
  record.writeUInt32LE(checksumOf(record), AT.checksum)
  return record
}

/**
 * What the center and the log need: proves that the record is whole and tells whose it is, without looking at the changes.
 * @throws CHANGE_NOT_A_RECORD, CHANGE_VERSION_UNKNOWN, CHANGE_TRUNCATED, CHANGE_TOO_LARGE, CHANGE_CHECKSUM_WRONG,
 * CHANGE_FEATURE_UNKNOWN, CHANGE_CORRUPT, CHANGE_POSITION_INVALID
 */
export function openEnvelope(record: Uint8Array): SealedRecord {
  const bytes = Buffer.isBuffer(record) ? record : Buffer.from(record.buffer, record.byteOffset, record.byteLength)
  checkHeader(bytes)
  const codec = CODECS[bytes[AT.codec] ?? 0]
  if (codec === undefined) throw changeFeatureUnknown({ offset: AT.codec, feature: 'codec', value: bytes[AT.codec] ?? 0 })
  const flags = bytes[AT.flags] ?? 0
  if ((flags & ~FLAGS_KNOWN) !== 0) throw changeFeatureUnknown({ offset: AT.flags, feature: 'flags', value: flags })
  const headEnd = HEADER_BYTES + bytes.readUInt32LE(AT.headBytes)
  if (headEnd > bytes.length) throw changeCorrupt({ offset: AT.headBytes, finding: 'the head is longer than the record' })
  const bodyBytes = bytes.readUInt32LE(AT.bodyBytes)
  if (bodyBytes > RECORD_BYTES_MAX) throw changeTooLarge({ bytes: bodyBytes, bytesMax: RECORD_BYTES_MAX })
  if (codec === 'none' && bodyBytes !== bytes.length - headEnd) throw changeCorrupt({ offset: AT.bodyBytes, finding: 'the body has another length' })
  return { envelope: takeEnvelope(createCursor(bytes, HEADER_BYTES, headEnd), { codec, flags }), bytes, bodyAt: headEnd, bodyBytes }
}

/** @throws CHANGE_CORRUPT when it does not decompress to what it promised */
export function openBody({ envelope, bytes, bodyAt, bodyBytes }: SealedRecord): ByteCursor {
  if (envelope.codec === 'none') return createCursor(bytes, bodyAt, bytes.length)
  if (bodyBytes === 0) throw changeCorrupt({ offset: AT.bodyBytes, finding: 'a compressed body of nothing' })
  let body: Buffer
  try {
    body = zstdDecompressSync(bytes.subarray(bodyAt), { maxOutputLength: bodyBytes, params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX } })
  } catch (cause) {
    throw changeCorrupt({ offset: bodyAt, finding: 'the body does not decompress' }, { cause })
  }
  if (body.length !== bodyBytes) throw changeCorrupt({ offset: bodyAt, finding: `the body has ${body.length} bytes instead of ${bodyBytes}` })
  return createCursor(body, 0, body.length)
}

function checkHeader(bytes: Buffer): void {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC.subarray(0, bytes.length))) throw changeNotARecord({ offset: 0 })
  if (bytes.length < HEADER_BYTES) throw changeTruncated({ offset: 0, wantedBytes: HEADER_BYTES, foundBytes: bytes.length })
  const version = bytes.readUInt16LE(AT.version)
  if (version !== VERSION) throw changeVersionUnknown({ offset: AT.version, version, known: VERSION })
  const recordBytes = bytes.readUInt32LE(AT.recordBytes)
  if (recordBytes > RECORD_BYTES_MAX) throw changeTooLarge({ bytes: recordBytes, bytesMax: RECORD_BYTES_MAX })
  if (bytes.length < recordBytes) throw changeTruncated({ offset: bytes.length, wantedBytes: recordBytes, foundBytes: bytes.length })
  if (bytes.length > recordBytes) throw changeCorrupt({ offset: recordBytes, finding: 'bytes behind the end of the record' })
  const stored = bytes.readUInt32LE(AT.checksum)
  const computed = checksumOf(bytes)
  if (stored !== computed) throw changeChecksumWrong({ offset: AT.checksum, stored, computed })
}

function checksumOf(record: Buffer): number {
  return crc32(record.subarray(AT.recordBytes), crc32(record.subarray(0, AT.checksum)))
}

function compress(codec: Codec, body: readonly Uint8Array[], bodyBytes: number): { codec: Codec; parts: readonly Uint8Array[] } {
  if (codec === 'none' || bodyBytes < COMPRESSED_BYTES_MIN) return { codec: 'none', parts: body }
  const packed = zstdCompressSync(Buffer.concat(body), { params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL } })
  return packed.length < bodyBytes ? { codec, parts: [packed] } : { codec: 'none', parts: body }
}

function flagsOf({ firstPart, lastPart, hasFence, hasBarrier }: Envelope): number {
  return (firstPart ? FLAG.firstPart : 0) | (lastPart ? FLAG.lastPart : 0) | (hasFence ? FLAG.fence : 0) | (hasBarrier ? FLAG.barrier : 0)
}

function headOf({ origin, streamEpoch, producerSequence, partIndex, firstPart, from, to }: Envelope): Buffer {
  if (from.kind !== origin.kind || to.kind !== origin.kind) throw changeInvalid({ problem: `a position of ${to.kind} in a stream of ${origin.kind}` })
  if (firstPart !== (partIndex === 0)) throw changeInvalid({ problem: 'the first part is the one with the index 0' })
  const writer = createWriter(256)
  putSection(writer, HEAD_SECTION.origin, (content) => {
    putString(content, origin.cell, NAME_BYTES_MAX)
    putString(content, origin.store, NAME_BYTES_MAX)
    putByte(content, STORE_KINDS.indexOf(origin.kind))
  })
  putSection(writer, HEAD_SECTION.order, (content) => {
    putVarint(content, streamEpoch)
    putVarint(content, producerSequence)
    putVarint(content, partIndex)
  })
  putSection(writer, HEAD_SECTION.from, (content) => putText(content, positionText(from)))
  putSection(writer, HEAD_SECTION.to, (content) => putText(content, positionText(to)))
  return writer.bytes.subarray(0, writer.at)
}

function positionText(position: Position): string {
  const text = formatPosition(position)
  if (text.length > POSITION_BYTES_MAX) throw changeTooLarge({ bytes: text.length, bytesMax: POSITION_BYTES_MAX })
  return text
}

function takeEnvelope(cursor: ByteCursor, { codec, flags }: { codec: Codec; flags: number }): Envelope {
  const sections = takeSections(cursor, Object.values(HEAD_SECTION), 'section of the head')
  const part = (number: number): ByteCursor => section(sections, number, HEADER_BYTES)
  const origin = takeOrigin(part(HEAD_SECTION.origin))
  const order = part(HEAD_SECTION.order)
  const [streamEpoch, producerSequence, partIndex] = [takeVarint(order), takeVarint(order), takeVarint(order)]
  assertEnd(order)
  const firstPart = (flags & FLAG.firstPart) !== 0
  if (firstPart !== (partIndex === 0)) throw changeCorrupt({ offset: AT.flags, finding: 'the flags and the index of the part disagree' })
  return {
    origin,
    streamEpoch,
    producerSequence,
    from: takePosition(part(HEAD_SECTION.from), origin),
    to: takePosition(part(HEAD_SECTION.to), origin),
    partIndex,
    firstPart,
    lastPart: (flags & FLAG.lastPart) !== 0,
    hasFence: (flags & FLAG.fence) !== 0,
    hasBarrier: (flags & FLAG.barrier) !== 0,
    codec
  }
}

function takeOrigin(cursor: ByteCursor): Origin {
  const cell = takeString(cursor, NAME_BYTES_MAX)
  const store = takeString(cursor, NAME_BYTES_MAX)
  const number = takeByte(cursor)
  const kind = STORE_KINDS[number]
  if (kind === undefined) throw changeFeatureUnknown({ offset: cursor.at - 1, feature: 'store kind', value: number })
  assertEnd(cursor)
  return { cell, store, kind }
}

function takePosition(cursor: ByteCursor, { kind }: Origin): Position {
  return parsePosition(kind, takeText(cursor, cursor.end - cursor.at))
}

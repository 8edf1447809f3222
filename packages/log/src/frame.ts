import { crc32 } from 'node:zlib'
import { RECORD_BYTES_MAX } from './limits.ts'

/*
 * A segment file is a header and records behind one another.
 *
 * Header, 64 bytes:  CWLG, version u16, 2 spare, CRC-32 of the bytes from 12 on, checksum of the last record before it u32,
 *                    log id 16, first sequence u64, epoch u64, created ms u64, 8 spare
 * Record, 40 bytes:  payload bytes u32, CRC-32 u32, sequence u64, first sequence of its group u64, epoch u64, appended ms u64; payload
 *
 * The CRC-32 of a record covers all of it but itself, and starts from the one of the log id: bytes of another log never look valid here.
 * A group is what was written and made durable at once. That a later group exists proves that all groups before it were durable.
 */
export const SEGMENT_HEADER_BYTES = 64
export const RECORD_HEADER_BYTES = 40
export const SEGMENT_VERSION = 1

const MAGIC = Buffer.from('CWLG')
const SEGMENT_AT = { version: 4, checksum: 8, covered: 12, previous: 12, logId: 16, base: 32, epoch: 40, created: 48 } as const
const RECORD_AT = { payloadBytes: 0, checksum: 4, sequence: 8, group: 16, epoch: 24, appended: 32 } as const
const U32 = 0x1_0000_0000

export interface SegmentHeader {
  readonly logId: string
  /** The first sequence in it. */
  readonly base: number
  readonly epoch: number
  readonly createdMs: number
  /** Checksum of the last record of the segment before; 0 for the first one. */
  readonly previousChecksum: number
}

export interface RecordHeader {
  readonly payloadBytes: number
  readonly checksum: number
  readonly sequence: number
  readonly group: number
  readonly epoch: number
  readonly appendedMs: number
}

export type NewRecord = Omit<RecordHeader, 'payloadBytes' | 'checksum'> & { readonly payload: Uint8Array }

export type FoundSegmentHeader = { readonly kind: 'header'; readonly header: SegmentHeader } | { readonly kind: 'foreign' | 'version' | 'damaged' }

export function encodeSegmentHeader({ logId, base, epoch, createdMs, previousChecksum }: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
  bytes.set(MAGIC)
  bytes.writeUInt16LE(SEGMENT_VERSION, SEGMENT_AT.version)
  bytes.writeUInt32LE(previousChecksum, SEGMENT_AT.previous)
  bytes.set(idBytes(logId), SEGMENT_AT.logId)
  putNumber(bytes, base, SEGMENT_AT.base)
  putNumber(bytes, epoch, SEGMENT_AT.epoch)
  putNumber(bytes, createdMs, SEGMENT_AT.created)
  bytes.writeUInt32LE(crc32(bytes.subarray(SEGMENT_AT.covered)), SEGMENT_AT.checksum)
  return bytes
}

/** @param bytes SEGMENT_HEADER_BYTES of them. */
export function decodeSegmentHeader(bytes: Buffer): FoundSegmentHeader {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return { kind: 'foreign' }
  if (bytes.readUInt16LE(SEGMENT_AT.version) !== SEGMENT_VERSION) return { kind: 'version' }
  if (crc32(bytes.subarray(SEGMENT_AT.covered)) !== bytes.readUInt32LE(SEGMENT_AT.checksum)) return { kind: 'damaged' }
  const hex = bytes.toString('hex', SEGMENT_AT.logId, SEGMENT_AT.logId + 16)
  return {
    kind: 'header',
    header: {
      logId: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
      base: takeNumber(bytes, SEGMENT_AT.base),
      epoch: takeNumber(bytes, SEGMENT_AT.epoch),
      createdMs: takeNumber(bytes, SEGMENT_AT.created),
      previousChecksum: bytes.readUInt32LE(SEGMENT_AT.previous)
    }
  }
}

/** Where the checksums of a log start from. */
export function seedOf(logId: string): number {
  return crc32(idBytes(logId))
}

/** Writes a record at `at`; gives its checksum. */
export function encodeRecord(bytes: Buffer, at: number, { seed, record }: { readonly seed: number; readonly record: NewRecord }): number {
  const { payload } = record
  const end = at + RECORD_HEADER_BYTES + payload.length
  bytes.writeUInt32LE(payload.length, at + RECORD_AT.payloadBytes)
  putNumber(bytes, record.sequence, at + RECORD_AT.sequence)
  putNumber(bytes, record.group, at + RECORD_AT.group)
  putNumber(bytes, record.epoch, at + RECORD_AT.epoch)
  putNumber(bytes, record.appendedMs, at + RECORD_AT.appended)
  bytes.set(payload, at + RECORD_HEADER_BYTES)
  const checksum = checksumOf(bytes, at, { end, seed })
  bytes.writeUInt32LE(checksum, at + RECORD_AT.checksum)
  return checksum
}

/** The header as it stands there; says nothing about whether it is true. @param bytes RECORD_HEADER_BYTES from `at` on. */
export function readRecordHeader(bytes: Buffer, at: number): RecordHeader {
  return {
    payloadBytes: bytes.readUInt32LE(at + RECORD_AT.payloadBytes),
    checksum: bytes.readUInt32LE(at + RECORD_AT.checksum),
    sequence: takeNumber(bytes, at + RECORD_AT.sequence),
    group: takeNumber(bytes, at + RECORD_AT.group),
    epoch: takeNumber(bytes, at + RECORD_AT.epoch),
    appendedMs: takeNumber(bytes, at + RECORD_AT.appended)
  }
}

/** Only the length, to know how much to read. `undefined`: no record has that length. */
export function recordBytesAt(bytes: Buffer, at: number): number | undefined {
  const payloadBytes = bytes.readUInt32LE(at + RECORD_AT.payloadBytes)
  return payloadBytes === 0 || payloadBytes > RECORD_BYTES_MAX ? undefined : RECORD_HEADER_BYTES + payloadBytes
}

/** Whether the record from `at` to `end` is as it was written. */
export function isRecordIntact(bytes: Buffer, at: number, { end, seed }: { readonly end: number; readonly seed: number }): boolean {
  return checksumOf(bytes, at, { end, seed }) === bytes.readUInt32LE(at + RECORD_AT.checksum)
}

function checksumOf(bytes: Buffer, at: number, { end, seed }: { readonly end: number; readonly seed: number }): number {
  return crc32(bytes.subarray(at + RECORD_AT.sequence, end), crc32(bytes.subarray(at, at + RECORD_AT.checksum), seed))
}

function idBytes(logId: string): Buffer {
  return Buffer.from(logId.replaceAll('-', ''), 'hex')
}

/** 53 bits in 8 bytes: no bigint in the path of every record. */
function putNumber(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % U32, at)
  bytes.writeUInt32LE(Math.floor(value / U32), at + 4)
}

/** More than 53 bits were not written by us; the checksum of such a record is wrong anyway. */
function takeNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * U32
}

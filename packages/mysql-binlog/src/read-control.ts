import { ByteCursor } from './byte-cursor.ts'
import { malformed, versionUnsupported } from './errors.ts'
import type {
  CheckpointEvent,
  EventHeader,
  FormatEvent,
  HeartbeatEvent,
  IncidentEvent,
  RotateEvent,
  TransactionPayloadEvent,
  XaPrepareEvent
} from './events.ts'

export const CHECKSUM_BYTES = 4
const SERVER_VERSION_BYTES = 50
/** MariaDB's own types begin here, so its format event lists more types than any MySQL's. */
const MARIADB_TYPES_MIN = 160
export const HEADER_BYTES = 19

/**
 * Event 15. Its end holds the checksum algorithm and always room for a checksum, whatever the algorithm: `cursor.end` lies behind
 * both. @throws BINLOG_VERSION
 */
export function readFormat(cursor: ByteCursor, header: EventHeader): FormatEvent {
  const binlogVersion = cursor.u16()
  const serverVersion = cursor.text(SERVER_VERSION_BYTES, 'latin1').replace(/\0.*$/s, '')
  const created = cursor.u32()
  const headerBytes = cursor.u8()
  if (binlogVersion !== 4 || headerBytes !== HEADER_BYTES) {
    throw versionUnsupported({ ...cursor.place(), reason: `binlog version ${binlogVersion}, headers of ${headerBytes} bytes` })
  }
  const types = cursor.left - 1 - CHECKSUM_BYTES
  cursor.skip(types)
  const algorithm = cursor.u8()
  if (algorithm > 1) throw versionUnsupported({ ...cursor.place(), reason: `checksum algorithm ${algorithm}` })
  const flavour = types >= MARIADB_TYPES_MIN || /mariadb/i.test(serverVersion) ? 'mariadb' : 'mysql'
  return { kind: 'format', header, binlogVersion, serverVersion, flavour, created, checksum: algorithm === 1 ? 'crc32' : 'none' }
}

export function readRotate(cursor: ByteCursor, header: EventHeader): RotateEvent {
  return { kind: 'rotate', header, position: cursor.u64(), file: cursor.text(cursor.left) }
}

/** Event 27. MariaDB puts a position over 4 GiB before the name, and 0 into the header. */
export function readHeartbeat(cursor: ByteCursor, header: EventHeader, flavour: 'mysql' | 'mariadb'): HeartbeatEvent {
  const wide = flavour === 'mariadb' && header.endPosition === 0 && cursor.left >= 8
  const position = wide ? cursor.u64() : BigInt(header.endPosition)
  return { kind: 'heartbeat', header, position, file: cursor.text(cursor.left) }
}

/** Event 41: fields of type, length, value. */
export function readHeartbeatV2(cursor: ByteCursor, header: EventHeader): HeartbeatEvent {
  let file = ''
  let position: bigint | undefined
  for (const { type, value } of fieldsOf(cursor)) {
    if (type === 1) file = value.text(value.left)
    if (type === 2) position = BigInt(value.lengthCoded())
  }
  return { kind: 'heartbeat', header, file, position }
}

/** Up to the end mark 0. Unknown fields are passed over by whoever reads them. */
function* fieldsOf(cursor: ByteCursor): Generator<{ type: number; value: ByteCursor }> {
  while (cursor.left > 0) {
    const type = cursor.lengthCoded()
    if (type === 0) return
    const size = cursor.lengthCoded()
    const at = cursor.take(size)
    yield { type, value: new ByteCursor(cursor.bytes, at, at + size, cursor.context) }
  }
}

/** Event 40. The payload stands behind the end mark. */
export function readTransactionPayload(cursor: ByteCursor, header: EventHeader): TransactionPayloadEvent {
  let payloadBytes: number | undefined
  let inflatedBytes: number | undefined
  let compression: TransactionPayloadEvent['compression'] | undefined
  for (const { type, value } of fieldsOf(cursor)) {
    if (type === 1) payloadBytes = value.lengthCoded()
    if (type === 2) compression = compressionOf(cursor, value.lengthCoded())
    if (type === 3) inflatedBytes = value.lengthCoded()
  }
  const payload = cursor.rest()
  const sized = compression === 'none' ? (inflatedBytes ?? payload.length) : inflatedBytes
  if (compression === undefined || sized === undefined || payload.length !== (payloadBytes ?? payload.length)) {
    throw malformed({ ...cursor.place(), reason: 'transaction payload without its sizes' })
  }
  return { kind: 'transaction-payload', header, compression, payload, inflatedBytes: sized }
}

function compressionOf(cursor: ByteCursor, code: number): TransactionPayloadEvent['compression'] {
  if (code === 0) return 'zstd'
  if (code === 255) return 'none'
  throw versionUnsupported({ ...cursor.place(), reason: `transaction compression ${code}` })
}

export function readIncident(cursor: ByteCursor, header: EventHeader): IncidentEvent {
  return { kind: 'incident', header, incident: cursor.u16(), message: cursor.text(cursor.u8()) }
}

export function readXaPrepare(cursor: ByteCursor, header: EventHeader): XaPrepareEvent {
  const onePhase = cursor.u8() !== 0
  const formatId = cursor.i32()
  const [globalBytes, branchBytes] = [cursor.u32(), cursor.u32()]
  const xid = { formatId, globalId: cursor.view(globalBytes), branch: cursor.view(branchBytes) }
  return { kind: 'xa-prepare', header, onePhase, xid }
}

export function readCheckpoint(cursor: ByteCursor, header: EventHeader): CheckpointEvent {
  return { kind: 'checkpoint', header, file: cursor.text(cursor.u32()) }
}

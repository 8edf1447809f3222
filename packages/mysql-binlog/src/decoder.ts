import { crc32 } from 'node:zlib'
import { ByteCursor } from './byte-cursor.ts'
import { compileReaders, type OldTemporalDecimals } from './column-readers.ts'
import type { Flavour } from './columns.ts'
import { checksumMismatch, encrypted, malformed, truncated } from './errors.ts'
import { type BinlogEvent, type EventHeader, HEADER_FLAG, type TransactionPayloadEvent } from './events.ts'
import { INFLATED_BYTES_MAX, inflate } from './inflate.ts'
import { bodyReaders } from './read-body.ts'
import { CHECKSUM_BYTES, HEADER_BYTES, readFormat } from './read-control.ts'
import type { CompiledTable } from './row-images.ts'
import { ROWS_SHAPES, readRowsEvent } from './rows-event.ts'
import { readTableMap } from './table-map.ts'

export interface DecoderOptions {
  /** Until the first format event says it. */
  readonly flavour?: Flavour
  /** Inflated bytes of one event, at most; larger ones end in BINLOG_INFLATE. */
  readonly inflatedBytesMax?: number
  /** Digits of columns in MariaDB's old temporal format; without it, values of such columns end in BINLOG_TEMPORAL_AMBIGUOUS. */
  readonly oldTemporalDecimals?: OldTemporalDecimals
}

/** Compiled table maps that are kept; the oldest goes first. A definition takes some KiB. */
const TABLES_MAX = 2048

const FORMAT = 15
const START_ENCRYPTION = 164
const TABLE_MAP = 19

/**
 * Event bytes in, events out. Holds what the stream's own order makes necessary: the format, and the table maps of the statement
 * that is under way. One decoder per stream; a new connection needs a new one.
 */
export class BinlogDecoder {
  readonly #options: Required<Omit<DecoderOptions, 'flavour'>>
  readonly #bodies
  #flavour: Flavour
  #checksum: 'none' | 'crc32' | 'unannounced' = 'unannounced'
  /** Valid until the statement ends. */
  readonly #open = new Map<number, CompiledTable>()
  /** By table id, with the bytes they were made from: most transactions repeat the same maps. */
  readonly #compiled = new Map<number, { readonly bytes: Buffer; readonly table: CompiledTable }>()

  constructor({ flavour = 'mysql', inflatedBytesMax = INFLATED_BYTES_MAX, oldTemporalDecimals = () => undefined }: DecoderOptions = {}) {
    this.#flavour = flavour
    this.#options = { inflatedBytesMax, oldTemporalDecimals }
    this.#bodies = bodyReaders(inflatedBytesMax)
  }

  get flavour(): Flavour {
    return this.#flavour
  }

  /**
   * The events of one packet (one event from its header to its checksum, without the packet's status byte): one, or those of a
   * compressed transaction. Views in them live as long as the packet's memory.
   * @throws BINLOG_TRUNCATED, BINLOG_CHECKSUM, BINLOG_MALFORMED, BINLOG_VERSION, BINLOG_ENCRYPTED, BINLOG_INFLATE,
   * BINLOG_TABLE_UNMAPPED, BINLOG_TABLE_MISMATCH. After an error the stream cannot be continued with this decoder.
   */
  *events(packet: Buffer): Generator<BinlogEvent, void> {
    const event = this.decode(packet)
    if (event.kind === 'transaction-payload') yield* this.#payloadEvents(event)
    else yield event
  }

  /** One event; a compressed transaction as it is. */
  decode(packet: Buffer): BinlogEvent {
    const header = readHeader(packet)
    if (header.typeCode === FORMAT) return this.#adopt(packet, header)
    const end = packet.length - this.#checkSum(packet, header)
    return this.#decodeBody(new ByteCursor(packet, HEADER_BYTES, end, header), header)
  }

  #adopt(packet: Buffer, header: EventHeader): BinlogEvent {
    const event = readFormat(new ByteCursor(packet, HEADER_BYTES, packet.length, header), header)
    if (event.checksum === 'crc32') verify(packet, header, formatChecksum(packet))
    this.#checksum = event.checksum
    this.#flavour = event.flavour
    this.#open.clear()
    // The ids of a restarted server mean other tables.
    this.#compiled.clear()
    return event
  }

  /** Bytes at the end that are the checksum. Before the first format event only the sum itself tells whether it is there. */
  #checkSum(packet: Buffer, header: EventHeader): number {
    if (this.#checksum === 'none' || packet.length < HEADER_BYTES + CHECKSUM_BYTES) return 0
    const body = packet.subarray(0, packet.length - CHECKSUM_BYTES)
    if (this.#checksum === 'unannounced') return crc32(body) === packet.readUInt32LE(body.length) ? CHECKSUM_BYTES : 0
    verify(packet, header, crc32(body))
    return CHECKSUM_BYTES
  }

  #decodeBody(cursor: ByteCursor, header: EventHeader): BinlogEvent {
    const { typeCode } = header
    const rows = ROWS_SHAPES.get(typeCode)
    if (rows !== undefined) return this.#rows(cursor, header, rows)
    if (typeCode === TABLE_MAP) return { kind: 'table-map', header, table: this.#map(cursor).map }
    if (typeCode === START_ENCRYPTION) throw encrypted(cursor.place())
    const read = this.#bodies.get(typeCode)
    if (read !== undefined) return read(cursor, header, this.#flavour)
    if (header.flags & HEADER_FLAG.ignorable) return { kind: 'ignorable', header, typeCode }
    return { kind: 'unknown', header, typeCode, bodyBytes: cursor.left }
  }

  #rows(cursor: ByteCursor, header: EventHeader, shape: Parameters<typeof readRowsEvent>[1]): BinlogEvent {
    const { inflatedBytesMax } = this.#options
    const event = readRowsEvent(cursor, shape, { header, tableOf: (tableId) => this.#open.get(tableId), inflatedBytesMax })
    if (event.kind === 'statement-end' || event.endOfStatement) this.#open.clear()
    return event.kind === 'statement-end' ? { kind: 'ignorable', header, typeCode: header.typeCode } : event
  }

  #map(cursor: ByteCursor): CompiledTable {
    const bytes = cursor.bytes.subarray(cursor.at, cursor.end)
    const known = this.#compiled.get(bytes.length < 6 ? -1 : bytes.readUIntLE(0, 6))
    const table = known?.bytes.equals(bytes) ? known.table : this.#compile(cursor, bytes)
    this.#open.set(table.map.tableId, table)
    return table
  }

  #compile(cursor: ByteCursor, bytes: Buffer): CompiledTable {
    const map = readTableMap(cursor, this.#flavour)
    const readers = compileReaders(map, this.#options.oldTemporalDecimals)
    const table = { map, readers, jsonColumns: map.columns.filter(({ type }) => type === 'json').length }
    this.#compiled.delete(map.tableId)
    this.#compiled.set(map.tableId, { bytes: Buffer.from(bytes), table })
    for (const oldest of this.#compiled.keys()) {
      if (this.#compiled.size <= TABLES_MAX) break
      this.#compiled.delete(oldest)
    }
    return table
  }

  /** Events inside a payload have no checksum of their own; the payload's has been verified. */
  *#payloadEvents({ header, compression, payload, inflatedBytes }: TransactionPayloadEvent): Generator<BinlogEvent, void> {
    const bytesMax = this.#options.inflatedBytesMax
    const outer = new ByteCursor(payload, 0, payload.length, header)
    const bytes = compression === 'none' ? payload : inflate(outer, { bytes: payload, algorithm: 'zstd', inflatedBytes, bytesMax })
    for (let at = 0; at < bytes.length; ) {
      const size = eventBytesAt(bytes, at, header)
      const packet = bytes.subarray(at, at + size)
      const inner = { ...readHeader(packet), endPosition: header.endPosition }
      if (FORBIDDEN_INSIDE.has(inner.typeCode)) throw malformed({ ...outer.place(), reason: `event ${inner.typeCode} in a transaction payload` })
      yield this.#decodeBody(new ByteCursor(packet, HEADER_BYTES, packet.length, inner), inner)
      at += size
    }
  }
}

/** A payload holds one transaction's events: nothing that changes the stream, and no payload, or nesting would have no end. */
const FORBIDDEN_INSIDE = new Set([4, FORMAT, 33, 34, 40, 42, START_ENCRYPTION])

function readHeader(packet: Buffer): EventHeader {
  if (packet.length < HEADER_BYTES) throw truncated({ offset: 0, eventType: -1, position: 0, wanted: HEADER_BYTES, left: packet.length })
  const header = {
    timestamp: packet.readUInt32LE(0),
    typeCode: packet[4] as number,
    serverId: packet.readUInt32LE(5),
    eventBytes: packet.readUInt32LE(9),
    endPosition: packet.readUInt32LE(13),
    flags: packet.readUInt16LE(17)
  }
  if (header.eventBytes !== packet.length) {
    const place = { offset: 9, eventType: header.typeCode, position: header.endPosition }
    throw malformed({ ...place, reason: `${packet.length} bytes, the header says ${header.eventBytes}` })
  }
  return header
}

export function eventBytesAt(bytes: Buffer, at: number, context: { typeCode: number; endPosition: number }): number {
  const left = bytes.length - at
  const place = { offset: at, eventType: context.typeCode, position: context.endPosition }
  if (left < HEADER_BYTES) throw truncated({ ...place, wanted: HEADER_BYTES, left })
  const size = bytes.readUInt32LE(at + 9)
  if (size < HEADER_BYTES) throw malformed({ ...place, reason: `an event of ${size} bytes` })
  if (size > left) throw truncated({ ...place, wanted: size, left })
  return size
}

/** Of a format event the sum is made as if the "in use" flag were off: the server takes that flag away when it closes the file. */
function formatChecksum(packet: Buffer): number {
  const flags = Buffer.from([(packet[17] as number) & ~HEADER_FLAG.inUse])
  return crc32(packet.subarray(18, packet.length - CHECKSUM_BYTES), crc32(flags, crc32(packet.subarray(0, 17))))
}

function verify(packet: Buffer, header: EventHeader, computed: number): void {
  const at = packet.length - CHECKSUM_BYTES
  const announced = packet.readUInt32LE(at)
  if (announced === computed) return
  throw checksumMismatch({ offset: at, eventType: header.typeCode, position: header.endPosition, announced, computed })
}

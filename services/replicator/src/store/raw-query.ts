import type { Connection } from 'mysql2'
import { connectionLost, statementFailed } from './errors.ts'
import { Cells, type RawColumn, type RawRow, takeColumn, takeRow, type WirePacket } from './raw-cells.ts'

/** Of one statement; a packet may hold several. */
export interface StatementResult {
  /** Rows found, whether or not they changed (CLIENT_FOUND_ROWS). */
  readonly affectedRows: number
  readonly insertId: number
  readonly columns: readonly RawColumn[]
  readonly rows: readonly RawRow[]
}

/**
 * Pieces are joined without a copy of the whole; bytes go out as they are. `quoted`: bytes of a literal between single quotes, which
 * are doubled within; exact in a session without backslash escapes whose character set is utf8mb4.
 */
export type SqlPiece = string | Uint8Array | { readonly quoted: Uint8Array }
export type Sql = string | readonly SqlPiece[]

interface WireConnection {
  sequenceId: number
  addCommand(command: object): void
  write(bytes: Uint8Array): void
  _resetSequenceId(): void
}

interface Open {
  affectedRows: number
  insertId: number
  columns: RawColumn[]
  rows: RawRow[]
}

const COM_QUERY = 3
const FRAME_BYTES_MAX = 0xff_ff_ff
const HEADER_BYTES = 4
const MORE_RESULTS = 8
const SERVER_ERROR = 0xff
const END_OF_ROWS = 0xfe
const STATEMENT_SHOWN_MAX = 200

/**
 * Runs the statements of one packet and gives their results as the server sent them, byte for byte. mysql2's own query command
 * would decode texts by their character set, and cannot tell which statement of a packet failed.
 */
export function runRaw(connection: Connection, sql: Sql): Promise<StatementResult[]> {
  return new Promise((resolve, reject) => {
    const wire = connection as unknown as WireConnection
    wire.addCommand(new RawQuery(sql, resolve, reject))
  })
}

class RawQuery {
  readonly #sql: Sql
  readonly #resolve: (results: StatementResult[]) => void
  readonly #reject: (cause: Error) => void
  readonly #results: StatementResult[] = []
  #open: Open | undefined
  #columnsLeft = 0
  #state: 'start' | 'head' | 'columns' | 'columns-end' | 'rows' = 'start'

  constructor(sql: Sql, resolve: (results: StatementResult[]) => void, reject: (cause: Error) => void) {
    this.#sql = sql
    this.#resolve = resolve
    this.#reject = reject
  }

  /** mysql2 calls it when the connection breaks under the command. */
  onResult(cause: Error | null): void {
    if (cause !== null) this.#reject(connectionLost({ problem: cause.message }, { cause }))
  }

  /** One packet of the answer; the first call has none and sends. Returns whether the command is over. */
  execute(packet: WirePacket | undefined, connection: WireConnection): boolean {
    if (this.#state === 'start' || packet === undefined) {
      connection._resetSequenceId()
      connection.sequenceId = send(this.#sql, (bytes) => connection.write(bytes)) % 256
      this.#state = 'head'
      return false
    }
    if (packet.buffer[packet.offset] === SERVER_ERROR && this.#state !== 'columns') {
      this.#fail(packet)
      return true
    }
    return this.#take(packet)
  }

  #take(packet: WirePacket): boolean {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(packet)
      case 'columns':
        this.#open?.columns.push(takeColumn(packet))
        this.#columnsLeft -= 1
        if (this.#columnsLeft === 0) this.#state = 'columns-end'
        return false
      case 'columns-end':
        this.#state = 'rows'
        return false
      default:
        if (packet.buffer[packet.offset] === END_OF_ROWS && packet.end - packet.offset < 9) {
          return this.#endStatement(packet.buffer.readUInt16LE(packet.offset + 3))
        }
        this.#open?.rows.push(takeRow(packet, this.#open.columns.length))
        return false
    }
  }

  #takeHead({ buffer, offset, end }: WirePacket): boolean {
    if (buffer[offset] !== 0) {
      this.#columnsLeft = new Cells(buffer, offset, end).number()
      this.#open = { affectedRows: 0, insertId: 0, columns: [], rows: [] }
      this.#state = 'columns'
      return false
    }
    const cells = new Cells(buffer, offset + 1, end)
    this.#open = { affectedRows: cells.number(), insertId: cells.number(), columns: [], rows: [] }
    return this.#endStatement(buffer.readUInt16LE(cells.at))
  }

  #endStatement(status: number): boolean {
    if (this.#open !== undefined) this.#results.push(this.#open)
    this.#open = undefined
    this.#state = 'head'
    if ((status & MORE_RESULTS) !== 0) return false
    this.#resolve(this.#results)
    return true
  }

  #fail({ buffer, offset, end }: WirePacket): void {
    const errno = buffer.readUInt16LE(offset + 1)
    const marked = buffer[offset + 3] === 0x23
    const sqlState = marked ? buffer.toString('latin1', offset + 4, offset + 9) : ''
    const problem = buffer.toString('utf8', offset + (marked ? 9 : 3), end)
    this.#reject(statementFailed({ errno, sqlState, problem, index: this.#results.length, statement: shown(this.#sql) }))
  }
}

function shown(sql: Sql): string {
  const first = typeof sql === 'string' ? sql : (sql[0] ?? '')
  return typeof first === 'string' ? first.slice(0, STATEMENT_SHOWN_MAX) : ''
}

/** Frames of at most 16 MiB - 1; a last one that is full needs an empty one behind it. Returns how many. */
function send(sql: Sql, write: (bytes: Uint8Array) => void): number {
  const pieces = typeof sql === 'string' ? [sql] : sql
  const bytes = 1 + sqlBytes(sql)
  if (bytes < FRAME_BYTES_MAX) {
    const packet = Buffer.allocUnsafe(HEADER_BYTES + bytes)
    putHeader(packet, bytes, 0)
    packet[HEADER_BYTES] = COM_QUERY
    let at = HEADER_BYTES + 1
    for (const piece of pieces) {
      if (typeof piece === 'string') at += packet.write(piece, at)
      else {
        for (const part of partsOf(piece)) {
          packet.set(part, at)
          at += part.length
        }
      }
    }
    write(packet)
    return 1
  }
  return sendFrames(pieces, bytes, write)
}

/** What is larger than a frame goes out piece by piece: no copy of the whole is made. */
function sendFrames(pieces: readonly SqlPiece[], bytes: number, write: (bytes: Uint8Array) => void): number {
  let [left, frames, room] = [bytes, 0, 0]
  const put = (chunk: Uint8Array): void => {
    for (let at = 0; at < chunk.length; ) {
      if (room === 0) {
        room = Math.min(left, FRAME_BYTES_MAX)
        write(header(room, frames))
        frames += 1
      }
      const part = chunk.subarray(at, at + room)
      write(part)
      at += part.length
      room -= part.length
      left -= part.length
    }
  }
  put(Uint8Array.of(COM_QUERY))
  for (const piece of pieces) {
    if (typeof piece === 'string') put(Buffer.from(piece))
    else for (const part of partsOf(piece)) put(part)
  }
  if (bytes % FRAME_BYTES_MAX === 0) {
    write(header(0, frames))
    frames += 1
  }
  return frames
}

const QUOTE = 0x27
/** Bytes of a literal that are looked through at a time; a slice with quotes is copied. */
const SLICE_BYTES = 256 * 1024

function* partsOf(piece: Uint8Array | { readonly quoted: Uint8Array }): Generator<Uint8Array> {
  if (piece instanceof Uint8Array) {
    yield piece
    return
  }
  for (let at = 0; at < piece.quoted.length; at += SLICE_BYTES) {
    const slice = piece.quoted.subarray(at, at + SLICE_BYTES)
    yield slice.includes(QUOTE) ? doubled(slice) : slice
  }
}

function doubled(slice: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(slice.length + quotesIn(slice))
  let at = 0
  for (const byte of slice) {
    out[at++] = byte
    if (byte === QUOTE) out[at++] = QUOTE
  }
  return out
}

function quotesIn(bytes: Uint8Array): number {
  let count = 0
  for (let at = bytes.indexOf(QUOTE); at !== -1; at = bytes.indexOf(QUOTE, at + 1)) count += 1
  return count
}

/** As it goes over the wire, without the frames. */
export function sqlBytes(sql: Sql): number {
  if (typeof sql === 'string') return Buffer.byteLength(sql)
  let bytes = 0
  for (const piece of sql) {
    if (typeof piece === 'string') bytes += Buffer.byteLength(piece)
    else bytes += piece instanceof Uint8Array ? piece.length : piece.quoted.length + quotesIn(piece.quoted)
  }
  return bytes
}

function header(bytes: number, sequence: number): Buffer {
  const head = Buffer.allocUnsafe(HEADER_BYTES)
  putHeader(head, bytes, sequence)
  return head
}

function putHeader(packet: Buffer, bytes: number, sequence: number): void {
  packet.writeUIntLE(bytes, 0, 3)
  packet[3] = sequence & 0xff
}

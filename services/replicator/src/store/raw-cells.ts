import { connectionLost } from './errors.ts'

/** A value as the server's text protocol sends it; `null` is NULL. A view into the packet it came in. */
export type RawCell = Buffer | null
export type RawRow = readonly RawCell[]

export interface RawColumn {
  readonly name: string
  /** Of the protocol. */
  readonly type: number
}

/** What the command needs of mysql2's packets and connection. */
export interface WirePacket {
  readonly buffer: Buffer
  readonly offset: number
  readonly end: number
}

const NULL_CELL = 0xfb

/** Length-coded numbers and texts. */
export class Cells {
  readonly buffer: Buffer
  readonly end: number
  at: number

  constructor(buffer: Buffer, at: number, end: number) {
    this.buffer = buffer
    this.at = at
    this.end = end
  }

  number(): number {
    const first = this.buffer[this.at] ?? 0
    this.at += 1
    if (first < NULL_CELL) return first
    const bytes = first === 0xfc ? 2 : first === 0xfd ? 3 : 8
    const value = bytes === 8 ? Number(this.buffer.readBigUInt64LE(this.at)) : this.buffer.readUIntLE(this.at, bytes)
    this.at += bytes
    return value
  }

  cell(): RawCell {
    if (this.buffer[this.at] === NULL_CELL) {
      this.at += 1
      return null
    }
    const bytes = this.number()
    if (this.at + bytes > this.end) throw connectionLost({ problem: 'a value is longer than its packet' })
    const cell = this.buffer.subarray(this.at, this.at + bytes)
    this.at += bytes
    return cell
  }
}

export function takeRow({ buffer, offset, end }: WirePacket, columns: number): RawRow {
  const cells = new Cells(buffer, offset, end)
  const row: RawCell[] = new Array(columns)
  for (let index = 0; index < columns; index += 1) row[index] = cells.cell()
  return row
}

/** catalog, schema, table, original table, name, …; at the end a block of fixed length with the type. */
export function takeColumn({ buffer, offset, end }: WirePacket): RawColumn {
  const cells = new Cells(buffer, offset, end)
  for (let skipped = 0; skipped < 4; skipped += 1) cells.cell()
  // From the end, because MariaDB may put more metadata before the block.
  return { name: cells.cell()?.toString() ?? '', type: buffer[end - 6] ?? 0 }
}

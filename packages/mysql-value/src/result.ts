import type { CellValue } from '@cellway/change'
import { shortestFloat32 } from '@cellway/mysql-binlog'
import type { ColumnShape } from './column-type.ts'

/** The value that the source's binlog would have, from a raw cell of the text protocol. */
export type ReadCell = (cell: Buffer) => CellValue

/** The cell that `selectSql` gives for an invalid ENUM value where the empty label is one as well. */
export const INVALID_ENUM_HEX = '00FF00FF43454C4C'
const INVALID_ENUM = Buffer.from(INVALID_ENUM_HEX, 'hex')

export interface ReadColumn {
  /** Of the source: it says how the value is held. */
  readonly shape: ColumnShape
  /** Of the target: it says how the server prints it. */
  readonly target: ColumnShape
}

export function readerOf({ shape, target }: ReadColumn): ReadCell {
  switch (shape.kind) {
    case 'int':
    case 'year':
      return readWhole
    case 'bigint':
      return readBigint
    case 'bit':
      return readBit
    case 'float':
      return (cell) => shortestFloat32(Math.fround(Number(latin1(cell))))
    case 'double':
      return (cell) => Number(latin1(cell))
    case 'decimal':
      return target.zerofill ? (cell) => latin1(cell).replace(/^0+(?=\d)/, '') : latin1
    case 'temporal':
    case 'address':
      return latin1
    case 'json':
      return (cell) => cell.toString('utf8')
    case 'enum':
      return target.members.includes('') ? (cell) => (cell.equals(INVALID_ENUM) ? 0 : cell) : (cell) => (cell.length === 0 ? 0 : cell)
    case 'set':
    case 'text':
    case 'bytes':
    case 'geometry':
      return asItIs
  }
}

function asItIs(cell: Buffer): Buffer {
  return cell
}

function latin1(cell: Buffer): string {
  return cell.toString('latin1')
}

const MINUS = 0x2d

/** Digits with, perhaps, a minus; exact below 2^53. */
function readWhole(cell: Buffer): number {
  const negative = cell[0] === MINUS
  let value = 0
  for (let at = negative ? 1 : 0; at < cell.length; at++) value = value * 10 + ((cell[at] as number) - 0x30)
  return negative ? -value : value
}

const SAFE_DIGITS = 15

function readBigint(cell: Buffer): bigint {
  return cell.length <= SAFE_DIGITS ? BigInt(readWhole(cell)) : BigInt(latin1(cell))
}

/** Big-endian bytes. */
function readBit(cell: Buffer): bigint {
  return cell.length === 0 ? 0n : BigInt(`0x${cell.toString('hex')}`)
}

import { canonicalJson } from '@cellway/base'
import type { CellValue } from '@cellway/change'
import type { ColumnShape } from './column-type.ts'
import { asBuffer } from './quote.ts'

export type IsSame = (a: CellValue, b: CellValue) => boolean

interface Compared {
  readonly shape: ColumnShape
  /** Both are JSON and at least one of them is not MariaDB's, which keeps the text byte for byte. */
  readonly anyJson: boolean
}

/** Equal as values of a column, however many zeros either side prints behind them. */
export function isSameOf({ shape, anyJson }: Compared): IsSame {
  if (anyJson) return sameJson
  switch (shape.kind) {
    case 'float':
      // MariaDB stores no -0, so the sign of a zero cannot tell two rows apart: a mixed pair of cells would never agree.
      return (a, b) => a === b || (typeof a === 'number' && typeof b === 'number' && Math.fround(a) === Math.fround(b))
    case 'decimal':
      return (a, b) => a === b || (typeof a === 'string' && typeof b === 'string' && plainDecimal(a) === plainDecimal(b))
    case 'temporal':
      return (a, b) => a === b || (typeof a === 'string' && typeof b === 'string' && plainTemporal(a) === plainTemporal(b))
    case 'bigint':
    case 'bit':
    case 'int':
    case 'year':
      return sameWhole
    case 'address':
    case 'double':
    case 'json':
      return (a, b) => a === b
    case 'text':
    case 'bytes':
    case 'enum':
    case 'set':
    case 'geometry':
      return sameBytes
  }
}

/** A column that is wider in one cell holds the same number as another kind of value. */
function sameWhole(a: CellValue, b: CellValue): boolean {
  if (a === b) return true
  return (typeof a === 'bigint' && typeof b === 'number') || (typeof a === 'number' && typeof b === 'bigint') ? BigInt(a) === BigInt(b) : false
}

function sameBytes(a: CellValue, b: CellValue): boolean {
  if (a === b) return true
  if (!(a instanceof Uint8Array && b instanceof Uint8Array)) return false
  return a.length === b.length && asBuffer(a).equals(b)
}

/** 1.50 and 1.5, 0.0 and -0.0: the same number. */
export function plainDecimal(text: string): string {
  const short = text.includes('.') ? text.replace(/\.?0+$/, '') : text
  const whole = short.replace(/^(-?)0+(?=\d)/, '$1')
  return whole === '-0' ? '0' : whole
}

/** Without zeros at the end of a fraction. */
export function plainTemporal(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

function sameJson(a: CellValue, b: CellValue): boolean {
  if (a === b) return true
  const left = jsonTextOf(a)
  const right = jsonTextOf(b)
  if (left === undefined || right === undefined) return false
  return left === right || sameCanonical(left, right)
}

function jsonTextOf(value: CellValue): string | undefined {
  if (typeof value === 'string') return value
  return value instanceof Uint8Array ? asBuffer(value).toString('utf8') : undefined
}

function sameCanonical(left: string, right: string): boolean {
  try {
    return canonicalJson(parseExact(left)) === canonicalJson(parseExact(right))
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

/** Numbers are told apart as MySQL does: whole numbers by all their digits, others as doubles. */
function parseExact(text: string): unknown {
  const tag = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    if (typeof value === 'string') return `s${value}`
    if (typeof value !== 'number') return value
    const source = context?.source ?? ''
    if (/^-?\d+$/.test(source) && isInteger64(source)) return `i${BigInt(source)}`
    return Object.is(value, -0) ? 'd-0' : `d${value}`
  }
  return JSON.parse(text, tag)
}

/** MySQL makes doubles of whole numbers beyond 64 bits. */
function isInteger64(text: string): boolean {
  const value = BigInt(text)
  return value >= -(2n ** 63n) && value < 2n ** 64n
}

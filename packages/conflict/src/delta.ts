import type { CellValue, Column, Row } from '@cellway/change'
import type { DecideInput } from './decide.ts'
import { mergeColumns } from './merge.ts'

/**
 * The current row with what the change added to the numeric columns; the other columns are merged. Two inserts of one key both count
 * from 0. undefined: the row is gone, or goes: its owner's word stands.
 */
export function addDeltas(input: DecideInput, names: readonly string[]): Row | undefined {
  const { before, after, current, table } = input
  if (after === undefined || current === undefined) return undefined
  const merged = before === undefined ? current : (mergeColumns(input) ?? current)
  return merged.map((value, at) => {
    const column = table.columns[at]
    if (column === undefined || !names.includes(column.name)) return value
    return added(column, { local: current[at], after: after[at], before: before === undefined ? undefined : before[at] })
  })
}

interface Numbers {
  readonly local: CellValue
  readonly after: CellValue
  readonly before: CellValue
}

/** NULL and absent count as nothing added. A sum that the column cannot hold leaves the local value: a wrapped counter is worse than a late one. */
function added(column: Column, { local, after, before }: Numbers): CellValue {
  if (local === undefined || after === undefined || after === null) return local
  const floating = typeof local === 'number' && /^(float|double|real)/i.test(column.type)
  if (floating) return local + (Number(after) - Number(before ?? 0))
  const parts = [local ?? 0, after, before ?? 0].map((value) => decimalOf(value))
  const scale = Math.max(...parts.map((part) => part?.scale ?? -1))
  const [own, plus, minus] = parts.map((part) => (part === undefined ? undefined : part.digits * 10n ** BigInt(scale - part.scale)))
  if (own === undefined || plus === undefined || minus === undefined) return local
  const sum = own + plus - minus
  if (!holds(column.type, sum, scale)) return local
  const sample = local ?? after
  if (typeof sample === 'bigint') return sum
  if (typeof sample === 'number') return Number(sum)
  return formatDecimal(sum, scale)
}

interface Decimal {
  readonly digits: bigint
  readonly scale: number
}

function decimalOf(value: CellValue): Decimal | undefined {
  if (typeof value === 'bigint') return { digits: value, scale: 0 }
  const text = typeof value === 'number' ? `${value}` : value
  if (typeof text !== 'string') return undefined
  const [, sign, whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []
  if (sign === undefined) return undefined
  return { digits: BigInt(`${sign}${whole}${fraction}`), scale: fraction.length }
}

function formatDecimal(digits: bigint, scale: number): string {
  const sign = digits < 0n ? '-' : ''
  const text = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0')
  return scale === 0 ? `${sign}${text}` : `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`
}

const INTEGER_BITS: Readonly<Record<string, number>> = { tinyint: 8, smallint: 16, mediumint: 24, int: 32, integer: 32, bigint: 64 }

function holds(type: string, digits: bigint, scale: number): boolean {
  const [, name = '', precision, declaredScale = '0'] = /^([a-z]+)(?:\((\d+)(?:,\s*(\d+))?\))?/i.exec(type) ?? []
  const unsigned = /unsigned/i.test(type)
  if (unsigned && digits < 0n) return false
  const bits = INTEGER_BITS[name.toLowerCase()]
  if (bits !== undefined) {
    const bound = 1n << BigInt(unsigned ? bits : bits - 1)
    return digits < bound && digits >= -bound
  }
  if (precision === undefined) return true
  const room = 10n ** BigInt(Number(precision) - Number(declaredScale) + scale)
  return digits < room && digits > -room
}

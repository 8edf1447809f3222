import type { CellValue, Row, TableIdentity } from '@cellway/change'

interface Versions {
  readonly left: Row
  readonly right: Row
  readonly table: TableIdentity
  readonly column: string
}

/** By the declared column, then by the bytes of the row: two different rows are never equally new. */
export function compareVersions({ left, right, table, column }: Versions): number {
  const at = table.columns.findIndex(({ name }) => name === column)
  const byVersion = at < 0 ? 0 : compareValues(left[at], right[at])
  if (byVersion !== 0) return byVersion
  for (let each = 0; each < table.columns.length; each += 1) {
    const order = compareValues(left[each], right[each])
    if (order !== 0) return order
  }
  return 0
}

/** A total order: absent, NULL, numbers, text, bytes. Texts of numbers (DECIMAL) by their value. */
function compareValues(left: CellValue, right: CellValue): number {
  const [leftRank, rightRank] = [rankOf(left), rankOf(right)]
  if (leftRank !== rightRank) return leftRank - rightRank
  if (typeof left === 'string' && typeof right === 'string') return compareTexts(left, right)
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right)
  if ((typeof left === 'number' || typeof left === 'bigint') && (typeof right === 'number' || typeof right === 'bigint'))
    return left < right ? -1 : left > right ? 1 : 0
  return 0
}

function compareTexts(left: string, right: string): number {
  const numeric = /^-?\d+(\.\d+)?$/
  if (numeric.test(left) && numeric.test(right)) {
    const [leftDigits, rightDigits] = aligned(left, right)
    if (leftDigits !== rightDigits) return leftDigits < rightDigits ? -1 : 1
  }
  return left < right ? -1 : left > right ? 1 : 0
}

function aligned(left: string, right: string): [bigint, bigint] {
  const [leftScale, rightScale] = [scaleOf(left), scaleOf(right)]
  const scale = Math.max(leftScale, rightScale)
  const digits = (text: string, own: number): bigint => BigInt(text.replace('.', '')) * 10n ** BigInt(scale - own)
  return [digits(left, leftScale), digits(right, rightScale)]
}

function scaleOf(text: string): number {
  const point = text.indexOf('.')
  return point < 0 ? 0 : text.length - point - 1
}

function rankOf(value: CellValue): number {
  if (value === undefined) return 0
  if (value === null) return 1
  if (typeof value === 'number' || typeof value === 'bigint') return 2
  return typeof value === 'string' ? 3 : 4
}

import { jsonDoubleText } from '@cellway/mysql-binlog'
import { quoteText } from './quote.ts'

/**
 * MySQL's JSON can hold a DECIMAL, which it prints with all its digits, and reads back as a DOUBLE. So a document with such numbers is
 * written as the document and, one by one, the decimals in it. Times and the like in a document come back as the text they print as.
 */
export function jsonLiteral(text: string): string {
  const plain = quoteText(text)
  if (!MAY_HAVE_DECIMAL.test(text)) return plain
  const found: Decimal[] = []
  findDecimals(JSON.parse(text, keepNumbers), '$', found)
  if (found.length === 0) return plain
  return `JSON_SET(CAST(${plain} AS JSON),${found.map(({ path, text: number }) => `${quoteText(path)},${decimalSql(number)}`).join(',')})`
}

/** Zeros at the end of a fraction, or more digits than a double has. */
const MAY_HAVE_DECIMAL = /\.\d+0(?!\d)|(?:\d\.?){16}/

interface Decimal {
  readonly path: string
  readonly text: string
}

class NumberText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

function keepNumbers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? new NumberText(context?.source ?? '') : value
}

function findDecimals(value: unknown, path: string, found: Decimal[]): void {
  if (value instanceof NumberText) {
    if (isDecimal(value.text)) found.push({ path, text: value.text })
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) findDecimals(item, `${path}[${index}]`, found)
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) findDecimals(item, `${path}.${JSON.stringify(key)}`, found)
  }
}

/** Not as MySQL prints a DOUBLE; and no whole number of 64 bits. */
function isDecimal(text: string): boolean {
  if (!/^-?\d+(?:\.\d+)?$/.test(text)) return false
  if (!text.includes('.')) {
    const whole = BigInt(text)
    return whole < -(2n ** 63n) || whole >= 2n ** 64n
  }
  return text !== jsonDoubleText(Number(text))
}

function decimalSql(text: string): string {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.')
  return `CAST(${text} AS DECIMAL(${whole.length + fraction.length},${fraction.length}))`
}

import type { CellValue, Column } from '@cellway/change'
import { isAsciiBased } from './charset.ts'
import type { ColumnShape } from './column-type.ts'
import { valueInvalid } from './errors.ts'
import { jsonLiteral } from './json-literal.ts'
import { asBuffer, charactersOf, isOf, isPlainText, quoteBytes, quoteText } from './quote.ts'

/** One value as SQL, exact in a session that ran SESSION_SQL. Neither NULL nor absent. @throws MYV_VALUE_INVALID */
export type Literal = (value: CellValue) => string

export interface LiteralColumn {
  readonly table: string
  readonly column: Column
  readonly shape: ColumnShape
  /** MySQL's JSON. */
  readonly targetIsJson: boolean
}

export function literalOf(of: LiteralColumn): Literal {
  const { shape, column } = of
  switch (shape.kind) {
    case 'int':
    case 'year':
      return (value) => (Number.isSafeInteger(value) ? String(value) : refuse(of, value, 'no whole number'))
    case 'bigint':
    case 'bit':
      return (value) => (typeof value === 'bigint' ? bigintSql(value) : refuse(of, value, 'no 64-bit number'))
    case 'decimal':
      return (value) => (typeof value === 'string' && isDecimal(value) ? value : refuse(of, value, 'no decimal'))
    case 'float':
      return (value) => (typeof value === 'number' ? doubleSql(Math.fround(value)) : undefined) ?? refuse(of, value, 'no finite number')
    case 'double':
      return (value) => (typeof value === 'number' ? doubleSql(value) : undefined) ?? refuse(of, value, 'no finite number')
    case 'temporal':
      return (value) => (typeof value === 'string' && isOf(value, TEMPORAL) ? `'${value}'` : refuse(of, value, 'no date or time'))
    case 'address':
      return (value) => (typeof value === 'string' && isOf(value, ADDRESS) ? `'${value}'` : refuse(of, value, 'no address'))
    case 'json': {
      // MariaDB keeps the text as it is.
      const jsonText = of.targetIsJson ? jsonLiteral : quoteText
      return (value) => (typeof value === 'string' ? jsonText(value) : refuse(of, value, 'no text'))
    }
    case 'geometry':
    case 'bytes':
      return (value) => (value instanceof Uint8Array ? quoteBytes(value) : refuse(of, value, 'no bytes'))
    case 'enum':
    case 'set': {
      const label = textLiteral(of, column.characterSet)
      return (value) => (value === 0 && shape.kind === 'enum' ? '0' : label(value))
    }
    case 'text':
      return textLiteral(of, column.characterSet)
  }
}

const TEMPORAL = charactersOf('0123456789-: .')
const ADDRESS = charactersOf('0123456789abcdef:.-')

/** Half the time of String() while 53 bits hold it. */
function bigintSql(value: bigint): string {
  const short = Number(value)
  return Number.isSafeInteger(short) ? String(short) : String(value)
}

/** Digits with, perhaps, a minus before and a point within them: nothing else may stand in a statement without quotes. */
function isDecimal(text: string): boolean {
  let digits = 0
  let points = 0
  for (let at = text.charCodeAt(0) === MINUS ? 1 : 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === POINT && digits > 0 && points === 0) points = at
    else if (code >= ZERO && code <= NINE) digits++
    else return false
  }
  return digits > 0 && text.charCodeAt(text.length - 1) !== POINT
}

const [MINUS, POINT, ZERO, NINE] = [0x2d, 0x2e, 0x30, 0x39]

function textLiteral(of: LiteralColumn, characterSet: string): Literal {
  if (!isAsciiBased(characterSet)) return (value) => (value instanceof Uint8Array ? quoteBytes(value, characterSet) : refuse(of, value, 'no bytes'))
  return (value) => {
    if (!(value instanceof Uint8Array)) return refuse(of, value, 'no bytes')
    const bytes = asBuffer(value)
    const text = bytes.toString('latin1')
    return isPlainText(text) ? `'${text}'` : quoteBytes(bytes, characterSet)
  }
}

/** With an exponent, since a number without one is a DECIMAL in SQL. -0 goes as text, whose sign MySQL keeps; MariaDB has no -0. */
function doubleSql(value: number): string | undefined {
  if (!Number.isFinite(value)) return undefined
  if (Object.is(value, -0)) return "'-0'"
  const text = String(value)
  return text.includes('e') ? text : `${text}e0`
}

function refuse({ table, column, shape }: LiteralColumn, value: CellValue, problem: string): never {
  const found = value instanceof Uint8Array ? 'bytes' : typeof value
  throw valueInvalid({ table, column: column.name, type: shape.typeSql, problem: `${problem} but ${found}` })
}

import type { CellValue, Column } from '@cellway/change'
import { isAsciiBased } from './charset.ts'
import type { ColumnShape } from './column-type.ts'
import { valueInvalid } from './errors.ts'
import { jsonLiteral } from './json-literal.ts'
import { asBuffer, isPlainText, quoteBytes, quoteText } from './quote.ts'

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
      return (value) => (typeof value === 'bigint' ? String(value) : refuse(of, value, 'no 64-bit number'))
    case 'decimal':
      return (value) => (typeof value === 'string' && DECIMAL.test(value) ? value : refuse(of, value, 'no decimal'))
    case 'float':
      return (value) => (typeof value === 'number' ? doubleSql(Math.fround(value)) : undefined) ?? refuse(of, value, 'no finite number')
    case 'double':
      return (value) => (typeof value === 'number' ? doubleSql(value) : undefined) ?? refuse(of, value, 'no finite number')
    case 'temporal':
      return (value) => (typeof value === 'string' && TEMPORAL.test(value) ? `'${value}'` : refuse(of, value, 'no date or time'))
    case 'address':
      return (value) => (typeof value === 'string' && ADDRESS.test(value) ? `'${value}'` : refuse(of, value, 'no address'))
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

const DECIMAL = /^-?\d+(?:\.\d+)?$/
const TEMPORAL = /^[-\d :.]+$/
const ADDRESS = /^[0-9a-f:.-]+$/

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

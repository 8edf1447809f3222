import { CellwayError, isCellwayError } from '@cellway/base'

/** Why something stands, for people and for `cellway status`. */
export interface Explanation {
  readonly reason: string | null
  readonly code: string | null
  /** What an operator has to run so that it goes on. */
  readonly statement: string | null
}

export const NOTHING: Explanation = { reason: null, code: null, statement: null }

/** Characters: control takes no longer ones. */
const REASON_MAX = 2_000
const STATEMENT_MAX = 60_000

/** The sentence of the error with the details that a person can use; the statement apart, to be copied. */
export function explainError(error: unknown): Explanation {
  if (!isCellwayError(error))
    return { reason: shorten(error instanceof Error ? error.message : String(error), REASON_MAX), code: null, statement: null }
  const { statement, statements, fix, ...details } = error.details
  const shown = Object.entries(details).filter(([, value]) => value !== undefined && value !== null && value !== '')
  const facts = shown.map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value, bigintText)}`).join(', ')
  const toRun = [statement, ...(Array.isArray(statements) ? statements : []), fix].filter((one) => typeof one === 'string' && one !== '')
  return {
    reason: shorten(facts === '' ? error.message : `${error.message}: ${facts}`, REASON_MAX),
    code: error.code,
    statement: toRun.length === 0 ? null : shorten(toRun.map((one) => String(one).replace(/;$/, '')).join(';\n'), STATEMENT_MAX)
  }
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

function shorten(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}…`.toWellFormed()
}

/** The same for an error that a part has put into its status. */
export function explainWire(error: ReturnType<CellwayError['toJSON']>): Explanation {
  const { code, message, retry, details } = error
  return explainError(new CellwayError({ code, message, statusCode: 500, origin: 'operator', retry }, details))
}

import type { ErrorDefinition, RetryVerdict } from '@cellway/base'
import { CellwayError, isCellwayError } from '@cellway/base'
import * as table from './errors.ts'

const DEFINITIONS: ReadonlyMap<string, ErrorDefinition> = new Map(Object.values(table).map(({ definition }) => [definition.code, definition]))
const RETRY: readonly unknown[] = ['never', 'later', 'after-change'] satisfies RetryVerdict[]

/** As `encodeError` and the center's answers have it. */
export function errorToWire(error: CellwayError): object {
  return { ...error.toJSON(), statusCode: error.statusCode }
}

/** An error of the center, made one of ours again. */
export function errorFromWire(value: unknown, statusCode: number): CellwayError {
  const { code, message, retry, details, statusCode: own } = isObject(value) ? value : {}
  if (typeof code !== 'string') return table.logLinkBroken({ problem: `an answer with status ${statusCode} and no error that can be read` })
  const known = DEFINITIONS.get(code)
  const definition: ErrorDefinition = known ?? {
    code,
    message: typeof message === 'string' ? message : 'The center refused the call',
    statusCode: typeof own === 'number' ? own : statusCode,
    origin: 'operator',
    retry: RETRY.includes(retry) ? (retry as RetryVerdict) : 'later'
  }
  return new CellwayError(
    // It is the center that has to be mended, and whoever waits for it goes on by himself then.
    code === table.logFailed.definition.code ? { ...definition, retry: 'later' } : definition,
    isObject(details) ? details : {}
  )
}

/** That the center is not there, is starting or is stopping, as opposed to an answer of it. */
const AWAY: readonly string[] = ['LOG_FAILED', 'LOG_CLOSED', 'LOG_LINK_BROKEN', 'CTR_STOPPING', 'CTR_OVERLOADED', 'CTR_SUPERSEDED', 'CTR_INTERNAL']

/** Whether the same thing may just be tried again, once the center is back. */
export function isAway(cause: unknown): boolean {
  return !isCellwayError(cause) || AWAY.includes(cause.code)
}

/** For people and for `status`. */
export function codeOfCause(cause: unknown): string {
  if (isObject(cause) && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.name : String(cause)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

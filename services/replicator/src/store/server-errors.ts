import { isCellwayError } from '@cellway/base'
import { statementFailed } from './errors.ts'

/** Numbers that both flavours give the same meaning. */
export const SERVER_ERROR = {
  tableUnknown: 1146,
  columnUnknown: 1054,
  databaseUnknown: 1049,
  duplicateKey: 1062,
  duplicateKeyNamed: 1586,
  packetTooLarge: 1153,
  lockWaitTimeout: 1205,
  deadlock: 1213,
  privilegeMissing: 1227,
  noReferencedRow: 1452,
  rowIsReferenced: 1451
} as const

/** The number that the server gave, or undefined for anything else. */
export function errnoOf(cause: unknown): number | undefined {
  if (!isCellwayError(cause) || cause.code !== statementFailed.definition.code) return undefined
  return Number(cause.details.errno)
}

/** The transaction was given up for another one; the same again can succeed. */
export function isContention(cause: unknown): boolean {
  const errno = errnoOf(cause)
  return errno === SERVER_ERROR.deadlock || errno === SERVER_ERROR.lockWaitTimeout
}

export function isDuplicateKey(cause: unknown): boolean {
  const errno = errnoOf(cause)
  return errno === SERVER_ERROR.duplicateKey || errno === SERVER_ERROR.duplicateKeyNamed
}

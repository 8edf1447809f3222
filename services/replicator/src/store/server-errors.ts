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

/** A foreign key: the row refers to one that is not here, or one that is here refers to it. */
export function isOrphan(cause: unknown): boolean {
  const errno = errnoOf(cause)
  return errno === SERVER_ERROR.noReferencedRow || errno === SERVER_ERROR.rowIsReferenced
}

/** The row itself does not fit the table here: no other row and no waiting would change that. */
export function isMisfit(cause: unknown): boolean {
  return MISFITS.has(errnoOf(cause) ?? 0)
}

/** The table is not as it was when it was described. */
export function isSchemaChange(cause: unknown): boolean {
  return SCHEMA_CHANGES.has(errnoOf(cause) ?? 0)
}

/** NULL or no default where one is needed, out of range, cut, no such value, a CHECK. */
const MISFITS: ReadonlySet<number> = new Set([1048, 1264, 1265, 1292, 1300, 1364, 1366, 1406, 1416, 1690, 3140, 3819, 3854, 4025, 4078])
/** Unknown table or column, another count of columns, no such index, a definition that changed under the statement. */
const SCHEMA_CHANGES: ReadonlySet<number> = new Set([1049, 1054, 1136, 1146, 1176, 1412, 1615])

import { defineError } from '@cellway/base'
import type { Problem } from '@cellway/topology'

export const configInvalid = defineError<{ problems: readonly Problem[] }>({
  code: 'CTL_CONFIG_INVALID',
  message: 'The configuration of the control process is wrong',
  statusCode: 500,
  origin: 'operator',
  retry: 'after-change'
})

export const tokenFileInvalid = defineError<{ file: string; problem: string }>({
  code: 'CTL_TOKEN_FILE_INVALID',
  message: 'The file of the first admin token cannot be used',
  statusCode: 500,
  origin: 'operator',
  retry: 'after-change'
})

export const stateUnreadable = defineError<{ key: string }>({
  code: 'CTL_STATE_UNREADABLE',
  message: 'A stored value is not what this version of control writes',
  statusCode: 500,
  origin: 'operator',
  retry: 'never'
})

export const requestInvalid = defineError<{ problems: readonly { path: string; problem: string }[] }>({
  code: 'CTL_REQUEST_INVALID',
  message: 'The request does not match the schema of this call',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const bodyTooLarge = defineError<{ bytesMax: number }>({
  code: 'CTL_BODY_TOO_LARGE',
  message: 'The body is larger than this call accepts',
  statusCode: 413,
  origin: 'client',
  retry: 'never'
})

export const mediaTypeUnknown = defineError<{ wanted: string }>({
  code: 'CTL_MEDIA_TYPE_UNKNOWN',
  message: 'The body is not of a type that this call accepts',
  statusCode: 415,
  origin: 'client',
  retry: 'never'
})

export const callUnknown = defineError<{ method: string; path: string }>({
  code: 'CTL_CALL_UNKNOWN',
  message: 'There is no such call',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const tokenMissing = defineError<Record<string, never>>({
  code: 'CTL_TOKEN_MISSING',
  message: 'The call needs a bearer token',
  statusCode: 401,
  origin: 'client',
  retry: 'never'
})

export const tokenInvalid = defineError<Record<string, never>>({
  code: 'CTL_TOKEN_INVALID',
  message: 'The bearer token is unknown, revoked or expired',
  statusCode: 401,
  origin: 'client',
  retry: 'never'
})

export const forbidden = defineError<{ role: string; needed: readonly string[] }>({
  code: 'CTL_FORBIDDEN',
  message: 'The role of the token does not allow this call',
  statusCode: 403,
  origin: 'client',
  retry: 'never'
})

export const wrongCell = defineError<{ tokenCell: string; cell: string }>({
  code: 'CTL_WRONG_CELL',
  message: 'The token speaks for another cell',
  statusCode: 403,
  origin: 'client',
  retry: 'never'
})

export const noTopology = defineError<{ version: 0 }>({
  code: 'CTL_NO_TOPOLOGY',
  message: 'No topology was applied yet',
  statusCode: 404,
  origin: 'operator',
  retry: 'after-change'
})

export const topologyRefused = defineError<{ problems: readonly Problem[] }>({
  code: 'CTL_TOPOLOGY_INVALID',
  message: 'The topology has problems and was not taken',
  statusCode: 422,
  origin: 'client',
  retry: 'never'
})

export const preconditionMissing = defineError<{ version: number }>({
  code: 'CTL_PRECONDITION_MISSING',
  message: 'The call needs If-Match with the version it was made from',
  statusCode: 428,
  origin: 'client',
  retry: 'after-change'
})

export const versionStale = defineError<{ sent: string; version: number }>({
  code: 'CTL_VERSION_STALE',
  message: 'The topology has changed since the version in If-Match',
  statusCode: 412,
  origin: 'client',
  retry: 'after-change'
})

export const ledgerChangeInvalid = defineError<{ problems: readonly { path: string; problem: string }[] }>({
  code: 'CTL_LEDGER_CHANGE_INVALID',
  message: 'The ledger cannot take these changes',
  statusCode: 422,
  origin: 'client',
  retry: 'never'
})

export interface EpochConflict {
  readonly space: string
  readonly bucket: string
  readonly expectedEpoch: number
  readonly epoch: number
  readonly owner: string
}

export const epochConflict = defineError<{ conflicts: readonly EpochConflict[] }>({
  code: 'CTL_EPOCH_CONFLICT',
  message: 'Buckets are in another epoch than expected; nothing was changed',
  statusCode: 409,
  origin: 'client',
  retry: 'after-change'
})

export const tokenUnknown = defineError<{ id: string }>({
  code: 'CTL_TOKEN_UNKNOWN',
  message: 'There is no token with this id',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const lastAdmin = defineError<{ id: string }>({
  code: 'CTL_LAST_ADMIN',
  message: 'The last admin token cannot be deleted',
  statusCode: 409,
  origin: 'client',
  retry: 'after-change'
})

export const cellUnknown = defineError<{ cell: string; known: readonly string[] }>({
  code: 'CTL_CELL_UNKNOWN',
  message: 'The topology has no such cell',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const idempotencyMismatch = defineError<Record<string, never>>({
  code: 'CTL_IDEMPOTENCY_MISMATCH',
  message: 'This Idempotency-Key was used for a different command',
  statusCode: 422,
  origin: 'client',
  retry: 'never'
})

/** Another control process won every time; the caller may simply try again. */
export const commandContended = defineError<{ attempts: number }>({
  code: 'CTL_CONTENDED',
  message: 'Other commands changed the state during every attempt',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const busy = defineError<{ waiting: number }>({
  code: 'CTL_BUSY',
  message: 'Too many commands are waiting',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const tooManyMembers = defineError<{ membersMax: number }>({
  code: 'CTL_TOO_MANY_MEMBERS',
  message: 'Too many members are connected',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const stopping = defineError<Record<string, never>>({
  code: 'CTL_STOPPING',
  message: 'The control process is stopping',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** Says nothing about the cause: that is in the log, under the request id. */
export const internal = defineError<{ requestId: string }>({
  code: 'CTL_INTERNAL',
  message: 'Something unexpected went wrong in control',
  statusCode: 500,
  origin: 'internal',
  retry: 'later'
})

export const replicatorUnknown = defineError<{ cell: string }>({
  code: 'CTL_REPLICATOR_UNKNOWN',
  message: 'No replicator of the cell has reported lately',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

export const replicatorUnreachable = defineError<{ cell: string; member: string; reason: string }>({
  code: 'CTL_REPLICATOR_UNREACHABLE',
  message: 'The replicator of the cell reports, but does not answer at its admin address',
  statusCode: 504,
  origin: 'operator',
  retry: 'after-change'
})

export const replicatorAnswerInvalid = defineError<{ cell: string; status: number }>({
  code: 'CTL_REPLICATOR_ANSWER_INVALID',
  message: 'What answers at the admin address of the replicator is not that replicator',
  statusCode: 502,
  origin: 'operator',
  retry: 'later'
})

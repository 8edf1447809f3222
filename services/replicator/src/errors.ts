import { defineError } from '@cellway/base'

/** What can go wrong with a replicator as a process; its parts have tables of their own. `docs/errors.md` lists every row. */

export const configInvalid = defineError<{ problems: readonly string[] }>({
  code: 'RPL_CONFIG_INVALID',
  message: 'The configuration of the replicator is wrong',
  statusCode: 500,
  origin: 'operator',
  retry: 'after-change'
})

/** The cell of the configuration is in no topology yet, or no longer. */
export const cellUnknown = defineError<{ cell: string; known: readonly string[] }>({
  code: 'RPL_CELL_UNKNOWN',
  message: 'The topology has no such cell',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const preconditionsMissing = defineError<{ findings: readonly string[]; statements: readonly string[] }>({
  code: 'RPL_PRECONDITIONS_MISSING',
  message: 'The database of the cell cannot be replicated as it is set',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** Another process has taken the epoch after ours: two replicators for one cell, or one that only seemed dead. */
export const superseded = defineError<{ cell: string; epoch: number }>({
  code: 'RPL_SUPERSEDED',
  message: 'A newer replicator works for this cell; this process ends',
  statusCode: 409,
  origin: 'operator',
  retry: 'never'
})

export const notStarted = defineError<{ phase: string; reason: string }>({
  code: 'RPL_NOT_STARTED',
  message: 'The replicator has not started its parts yet',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const streamUnknown = defineError<{ source: string; known: readonly string[] }>({
  code: 'RPL_STREAM_UNKNOWN',
  message: 'No stream of this cell is applied here',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const unauthorised = defineError<Record<string, never>>({
  code: 'RPL_UNAUTHORISED',
  message: 'The call needs the secret of this process; control has it',
  statusCode: 401,
  origin: 'client',
  retry: 'never'
})

export const requestInvalid = defineError<{ problems: readonly string[] }>({
  code: 'RPL_REQUEST_INVALID',
  message: 'The request does not match the schema of this call',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const callUnknown = defineError<{ path: string }>({
  code: 'RPL_CALL_UNKNOWN',
  message: 'The replicator has no such call',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const bootstrapUnclear = defineError<{ cells: readonly string[]; fix: string }>({
  code: 'RPL_BOOTSTRAP_UNCLEAR',
  message: 'There are several cells that this one could be filled from',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const questionRefused = defineError<{ problem: string }>({
  code: 'RPL_QUESTION_REFUSED',
  message: 'A question of another replicator cannot be answered',
  statusCode: 400,
  origin: 'operator',
  retry: 'after-change'
})

export const internal = defineError<Record<string, never>>({
  code: 'RPL_INTERNAL',
  message: 'Something unexpected went wrong in the replicator',
  statusCode: 500,
  origin: 'internal',
  retry: 'later'
})

/** The cell has nothing of that origin, and the center no longer has its first changes. */
export const beginningGone = defineError<{ stream: string; oldest: number; fix: string }>({
  code: 'RPL_STREAM_BEGINNING_GONE',
  message: 'The cell has never applied this stream, and its beginning is no longer in the center',
  statusCode: 410,
  origin: 'operator',
  retry: 'after-change'
})

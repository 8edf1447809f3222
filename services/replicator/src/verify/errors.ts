import { defineError } from '@cellway/base'

/** What keeps two cells from being compared. `docs/errors.md` lists every row. */

export const tableDiffers = defineError<{ table: string; cell: string; problems: readonly string[] }>({
  code: 'VER_TABLE_DIFFERS',
  message: 'The table has another form in one of the cells, so that its rows cannot be compared',
  statusCode: 422,
  origin: 'operator',
  retry: 'after-change'
})

/** Rows that differ may only be on their way: nothing is said about them while a stream stands. */
export const notAligned = defineError<{ cell: string; behind: string; position: string; applied: string; waitedMs: number }>({
  code: 'VER_NOT_ALIGNED',
  message: 'One of the cells has not applied what the other one has written, for too long',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const peerUnknown = defineError<{ cell: string; known: readonly string[] }>({
  code: 'VER_PEER_UNKNOWN',
  message: 'There is no such cell to compare with',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const alreadyRunning = defineError<{ from: string; table: string }>({
  code: 'VER_ALREADY_RUNNING',
  message: 'A comparison is running; wait for it or look at its progress',
  statusCode: 409,
  origin: 'client',
  retry: 'later'
})

export const requestInvalid = defineError<{ problem: string }>({
  code: 'VER_REQUEST_INVALID',
  message: 'The question of another cell makes no sense here',
  statusCode: 400,
  origin: 'internal',
  retry: 'never'
})

/** Anything that has no code of its own; the cause is in the log. */
export const comparisonFailed = defineError<{ problem: string }>({
  code: 'VER_FAILED',
  message: 'The comparison of two cells ended with an unexpected error',
  statusCode: 500,
  origin: 'internal',
  retry: 'later'
})

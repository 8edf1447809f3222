import { defineError } from '@cellway/base'

/** What stands between a conflict and its repair. `docs/errors.md` lists every row. */

export const conflictUnknown = defineError<{ id: string }>({
  code: 'REP_CONFLICT_UNKNOWN',
  message: 'There is no such conflict in this cell',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

/** Deciding it here would be undone by the next change of the cell whose row counts. */
export const notArbiter = defineError<{ id: string; arbiter: string }>({
  code: 'REP_NOT_ARBITER',
  message: 'The row belongs to another cell; the conflict is decided there',
  statusCode: 409,
  origin: 'client',
  retry: 'after-change'
})

export const alreadyResolved = defineError<{ id: string; resolution: string; by: string }>({
  code: 'REP_ALREADY_RESOLVED',
  message: 'The conflict is decided already, and otherwise',
  statusCode: 409,
  origin: 'client',
  retry: 'never'
})

export const resolutionInvalid = defineError<{ id: string; problem: string }>({
  code: 'REP_RESOLUTION_INVALID',
  message: 'The conflict cannot be decided that way',
  statusCode: 422,
  origin: 'client',
  retry: 'never'
})

/** The table is gone here, or has no key any more. */
export const tableUnusable = defineError<{ table: string; problem: string }>({
  code: 'REP_TABLE_UNUSABLE',
  message: 'Rows of this table cannot be repaired',
  statusCode: 422,
  origin: 'operator',
  retry: 'after-change'
})

/** The image of a repair travels in one row. */
export const rowTooLarge = defineError<{ table: string; bytes: number; packetBytesMax: number }>({
  code: 'REP_ROW_TOO_LARGE',
  message: 'A row does not fit a repair; max_allowed_packet has to be more than twice its size',
  statusCode: 413,
  origin: 'operator',
  retry: 'after-change'
})

export const imagesCorrupt = defineError<{ problem: string }>({
  code: 'REP_IMAGES_CORRUPT',
  message: 'The images of a repair cannot be read',
  statusCode: 422,
  origin: 'internal',
  retry: 'never'
})

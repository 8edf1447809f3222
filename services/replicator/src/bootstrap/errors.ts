import { defineError } from '@cellway/base'

/** What can go wrong while a cell is filled from another one. `docs/errors.md` lists every row. */

export const targetOwns = defineError<{ cell: string; buckets: number; example: string; fix: string }>({
  code: 'BOO_TARGET_OWNS',
  message: 'The cell owns buckets, so it serves writes that the copy would run over',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const targetNotEmpty = defineError<{ table: string; fix: string }>({
  code: 'BOO_TARGET_NOT_EMPTY',
  message: 'A table of the cell holds rows, and the request does not say that they may go',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const runActive = defineError<{ runId: string; sourceCell: string; phase: string }>({
  code: 'BOO_RUN_ACTIVE',
  message: 'The cell is being filled already',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const requestInvalid = defineError<{ problem: string }>({
  code: 'BOO_REQUEST_INVALID',
  message: 'The cell cannot be filled in this way',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const schemaDiffers = defineError<{ table: string; problems: readonly string[]; fix: string }>({
  code: 'BOO_SCHEMA_DIFFERS',
  message: 'A table of the cell cannot hold the rows of the source; run the statement there, the copy goes on by itself',
  statusCode: 409,
  origin: 'operator',
  retry: 'later'
})

export const createFailed = defineError<{ table: string; problem: string; statement: string }>({
  code: 'BOO_CREATE_FAILED',
  message: 'A table of the source could not be created; create it by hand, the copy goes on by itself',
  statusCode: 409,
  origin: 'operator',
  retry: 'later'
})

export const foreignKeyCycle = defineError<{ tables: readonly string[]; fix: string }>({
  code: 'BOO_FOREIGN_KEY_CYCLE',
  message: 'Tables that refer to each other in a circle cannot be copied under traffic while foreign keys cascade',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const sourceRefused = defineError<{ sourceCell: string; problem: string }>({
  code: 'BOO_SOURCE_REFUSED',
  message: 'The source cell cannot give what was asked for; it is asked again',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const sourceSilent = defineError<{ sourceCell: string; waitedMs: number }>({
  code: 'BOO_SOURCE_SILENT',
  message: 'The source cell does not answer; its replicator has to run and reach the center',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const historyForked = defineError<{ cell: string; here: string; there: string }>({
  code: 'BOO_HISTORY_FORKED',
  message: 'Two cells name positions of a stream that do not belong to one history',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const answerInvalid = defineError<{ problem: string }>({
  code: 'BOO_ANSWER_INVALID',
  message: 'A record of a snapshot stream is not what this version writes',
  statusCode: 500,
  origin: 'internal',
  retry: 'never'
})

export const fencedOut = defineError<{ epoch: number }>({
  code: 'BOO_FENCED',
  message: 'A newer replicator of this cell goes on with the copy',
  statusCode: 409,
  origin: 'operator',
  retry: 'never'
})

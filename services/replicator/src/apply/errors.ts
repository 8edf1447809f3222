import { defineError } from '@cellway/base'

/** What stops an applier. `docs/errors.md` lists every row. */

/** The center no longer has what this cell needs next. Nothing is skipped: the cell is filled again from another one. */
export const positionLost = defineError<{ stream: string; applied: string; found: string; fix: string }>({
  code: 'APL_POSITION_LOST',
  message: 'The stream does not continue where this cell stands; the cell has to be bootstrapped from the origin',
  statusCode: 410,
  origin: 'operator',
  retry: 'after-change'
})

/** Two appliers of one stream: the one with the older epoch stops. */
export const fenced = defineError<{ stream: string; epoch: number; found: string }>({
  code: 'APL_FENCED',
  message: 'Another applier has taken over this stream',
  statusCode: 409,
  origin: 'operator',
  retry: 'never'
})

export const streamForeign = defineError<{ stream: string; found: string }>({
  code: 'APL_STREAM_FOREIGN',
  message: 'A record of the stream names another origin',
  statusCode: 422,
  origin: 'internal',
  retry: 'never'
})

export const streamBroken = defineError<{ stream: string; finding: string }>({
  code: 'APL_STREAM_BROKEN',
  message: 'The stream contradicts itself',
  statusCode: 422,
  origin: 'internal',
  retry: 'never'
})

/** The server closes a connection over a packet that is too large, so it is not even sent. */
export const rowTooLarge = defineError<{ table: string; bytes: number; packetBytesMax: number; statement: string }>({
  code: 'APL_ROW_TOO_LARGE',
  message: 'A row does not fit a packet of the database; max_allowed_packet has to be raised',
  statusCode: 413,
  origin: 'operator',
  retry: 'after-change'
})

export const cellUnknown = defineError<{ cell: string }>({
  code: 'APL_CELL_UNKNOWN',
  message: 'The topology does not name this cell',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const skipUnknown = defineError<{ stream: string; gtid: string; position: string }>({
  code: 'APL_SKIP_UNKNOWN',
  message: 'That transaction is applied already, or is not the name of one',
  statusCode: 409,
  origin: 'client',
  retry: 'never'
})

import { defineError } from '@cellway/base'

/** Trimmed, or never there: the reader has lost changes and has to be bootstrapped. The log never jumps for it. */
export const logPositionLost = defineError<{ stream: string; logId: string; wanted: number; first: number; next: number }>({
  code: 'LOG_POSITION_LOST',
  message: 'The log does not hold the wanted position; the reader needs a bootstrap from the origin',
  statusCode: 410,
  origin: 'operator',
  retry: 'after-change'
})

/** Sequences of another log mean nothing here: find the place by the positions of the origin. */
export const logReplaced = defineError<{ stream: string; wanted: string; logId: string }>({
  code: 'LOG_REPLACED',
  message: 'The stream belongs to another log than the position',
  statusCode: 410,
  origin: 'operator',
  retry: 'after-change'
})

export const logFenced = defineError<{ stream: string; epoch: number; current: number }>({
  code: 'LOG_FENCED',
  message: 'A writer with a newer epoch has taken over the stream',
  statusCode: 409,
  origin: 'operator',
  retry: 'never'
})

/** The records may or may not be there after a restart; readers drop what they see twice. */
export const logNotDurable = defineError<{ stream: string }>({
  code: 'LOG_NOT_DURABLE',
  message: 'The log could not make the record durable',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** After a failed write nobody knows what is on the disk, and a second fsync may lie: only opening it again tells. */
export const logFailed = defineError<{ adapter: string; folder: string }>({
  code: 'LOG_FAILED',
  message: 'The log stopped after a failed write; mend the disk and start it again',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

export const logCorrupt = defineError<{ stream: string; file: string; offset: number; finding: string }>({
  code: 'LOG_CORRUPT',
  message: 'A file of the log is damaged; restore it, or salvage what is readable into a new log',
  statusCode: 503,
  origin: 'operator',
  retry: 'never'
})

export const logOverloaded = defineError<{
  stream: string
  reason: 'pending' | 'disk' | 'retention' | 'streams' | 'readers'
  limit: number
  heldBy?: string
}>({
  code: 'LOG_OVERLOADED',
  message: 'The log takes no more for now; nothing was written',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const logTrimHeld = defineError<{ stream: string; before: number; reader: string; position: number }>({
  code: 'LOG_TRIM_HELD',
  message: 'A known reader still needs what would be trimmed; release the reader first',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const logStreamUnknown = defineError<{ stream: string }>({
  code: 'LOG_STREAM_UNKNOWN',
  message: 'Nothing was ever appended to the stream',
  statusCode: 404,
  origin: 'client',
  retry: 'later'
})

export const logRequestInvalid = defineError<{ problem: string }>({
  code: 'LOG_REQUEST_INVALID',
  message: 'The log cannot take this request',
  statusCode: 400,
  origin: 'internal',
  retry: 'never'
})

export const logRecordTooLarge = defineError<{ bytes: number; bytesMax: number }>({
  code: 'LOG_RECORD_TOO_LARGE',
  message: 'A record is larger than the log accepts',
  statusCode: 413,
  origin: 'client',
  retry: 'never'
})

/** Another process has the folder open; two writers would overwrite each other's records. */
export const logLocked = defineError<{ folder: string }>({
  code: 'LOG_LOCKED',
  message: 'Another process holds the log',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

export const logClosed = defineError<{ adapter: string }>({
  code: 'LOG_CLOSED',
  message: 'The log is closed',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** The center was not reached in time: for a call that changes nothing, or can be repeated. */
export const logUnreachable = defineError<{ attempts: number; reason: string }>({
  code: 'LOG_UNREACHABLE',
  message: 'The center of the log does not answer',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** Of the link between a cell and the center; it is made again. */
export const logLinkBroken = defineError<{ problem: string }>({
  code: 'LOG_LINK_BROKEN',
  message: 'What came over the link to or from the center is not what was sent, or it stopped coming',
  statusCode: 400,
  origin: 'operator',
  retry: 'later'
})

export const logFormatUnknown = defineError<{ file: string; found: number; known: number }>({
  code: 'LOG_FORMAT_UNKNOWN',
  message: 'The file was not written by this log, or by a newer version of it',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

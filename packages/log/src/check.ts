import { logPositionLost, logRecordTooLarge, logReplaced, logRequestInvalid } from './errors.ts'
import { READ_BYTES_MAX, RECORD_BYTES_MAX } from './limits.ts'
import type { LogBatch, LogBounds, LogPosition } from './log.ts'

const STREAM = /^[a-z][a-z0-9-]{0,31}\/[a-z][a-z0-9-]{0,31}$/
const READER = /^[a-z][a-z0-9-]{0,31}(?:\/[a-z][a-z0-9-]{0,31})?$/

/** @throws LOG_REQUEST_INVALID */
export function checkStream(stream: string): void {
  if (!STREAM.test(stream)) throw logRequestInvalid({ problem: 'a stream is named cell/store, in lower-case letters, digits and "-"' })
}

/** @throws LOG_REQUEST_INVALID */
export function checkReader(reader: string): void {
  if (!READER.test(reader)) throw logRequestInvalid({ problem: 'a reader is named as its cell, in lower-case letters, digits and "-"' })
}

/** @throws LOG_REQUEST_INVALID, LOG_RECORD_TOO_LARGE */
export function checkBatch({ epoch, payload }: LogBatch): void {
  if (!Number.isSafeInteger(epoch) || epoch < 1) throw logRequestInvalid({ problem: 'an epoch is an integer from 1 up' })
  if (payload.length === 0) throw logRequestInvalid({ problem: 'a record is not empty' })
  if (payload.length > RECORD_BYTES_MAX) throw logRecordTooLarge({ bytes: payload.length, bytesMax: RECORD_BYTES_MAX })
}

/** @throws LOG_REQUEST_INVALID */
export function checkMaxBytes(maxBytes: number): void {
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1 || maxBytes > READ_BYTES_MAX) {
    throw logRequestInvalid({ problem: `maxBytes is from 1 to ${READ_BYTES_MAX}` })
  }
}

/** @throws LOG_REQUEST_INVALID */
export function checkSequence({ sequence }: LogPosition): void {
  if (!Number.isSafeInteger(sequence) || sequence < 1) throw logRequestInvalid({ problem: 'a sequence is an integer from 1 up' })
}

/** @throws LOG_REQUEST_INVALID, LOG_REPLACED */
export function checkSameLog(stream: string, position: LogPosition, logId: string): void {
  checkSequence(position)
  if (position.logId !== logId) throw logReplaced({ stream, wanted: position.logId, logId })
}

/**
 * Readable now or next. Ahead of the end is lost too: this log was put back to an older state.
 * @throws LOG_POSITION_LOST
 */
export function checkHeld(stream: string, sequence: number, { logId, first, next }: LogBounds): void {
  if (sequence < first || sequence > next) throw logPositionLost({ stream, logId, wanted: sequence, first, next })
}

import { defineError } from '@cellway/base'

/** The bytes are not one of our records at all: the wrong topic, file or program. */
export const changeNotARecord = defineError<{ offset: number }>({
  code: 'CHANGE_NOT_A_RECORD',
  message: 'The bytes do not begin as a record of changes',
  statusCode: 422,
  origin: 'operator',
  retry: 'never'
})

export const changeVersionUnknown = defineError<{ offset: number; version: number; known: number }>({
  code: 'CHANGE_VERSION_UNKNOWN',
  message: 'The record was written in a format that this version does not know',
  statusCode: 422,
  origin: 'operator',
  retry: 'after-change'
})

/** Written by a newer version that marked the thing as needed for a right result: upgrade the reader. */
export const changeFeatureUnknown = defineError<{ offset: number; feature: string; value: number }>({
  code: 'CHANGE_FEATURE_UNKNOWN',
  message: 'The record needs a feature that this version does not know',
  statusCode: 422,
  origin: 'operator',
  retry: 'after-change'
})

export const changeChecksumWrong = defineError<{ offset: number; stored: number; computed: number }>({
  code: 'CHANGE_CHECKSUM_WRONG',
  message: 'The checksum of the record does not match its bytes',
  statusCode: 422,
  origin: 'operator',
  retry: 'later'
})

export const changeTruncated = defineError<{ offset: number; wantedBytes: number; foundBytes: number }>({
  code: 'CHANGE_TRUNCATED',
  message: 'The record ends too early',
  statusCode: 422,
  origin: 'operator',
  retry: 'later'
})

/** The checksum is right and the content is not: a forged record, or a mistake of the program that wrote it. */
export const changeCorrupt = defineError<{ offset: number; finding: string }>({
  code: 'CHANGE_CORRUPT',
  message: 'The record contradicts its own format',
  statusCode: 422,
  origin: 'operator',
  retry: 'never'
})

export const changeTooLarge = defineError<{ bytes: number; bytesMax: number }>({
  code: 'CHANGE_TOO_LARGE',
  message: 'A record or one of its parts is larger than allowed',
  statusCode: 413,
  origin: 'operator',
  retry: 'never'
})

export const changePositionInvalid = defineError<{ text: string; problem: string }>({
  code: 'CHANGE_POSITION_INVALID',
  message: 'The text is not a position of this kind of store',
  statusCode: 400,
  origin: 'operator',
  retry: 'never'
})

/** Two histories: the origin was replaced or forked. Nothing can be skipped or joined by position. */
export const changePositionIncomparable = defineError<{ left: string; right: string }>({
  code: 'CHANGE_POSITION_INCOMPARABLE',
  message: 'The positions belong to different histories',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

/** What was given to the encoder cannot be written exactly; writing something near it would be a wrong row elsewhere. */
export const changeInvalid = defineError<{ problem: string }>({
  code: 'CHANGE_INVALID',
  message: 'The change cannot be encoded',
  statusCode: 500,
  origin: 'internal',
  retry: 'never'
})

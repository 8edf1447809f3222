import { defineError } from '@cellway/base'

/** A table map without names and collations cannot be read exactly; the source has to write them. */
export const metadataMissing = defineError<{ table: string; missing: string }>({
  code: 'MYV_METADATA_MISSING',
  message: 'The source writes its binlog without full row metadata; set binlog_row_metadata = FULL there',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

/** Without a key a row cannot be found again in another cell. */
export const noKey = defineError<{ table: string; reason: string }>({
  code: 'MYV_NO_KEY',
  message: 'The table has neither a primary key nor a unique key of columns that are never NULL',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

/** The value is none of its column's type: a forged or broken record, or a mistake of ours. It is never written as something near it. */
export const valueInvalid = defineError<{ table: string; column: string; type: string; problem: string }>({
  code: 'MYV_VALUE_INVALID',
  message: 'A value is not one of the type of its column',
  statusCode: 422,
  origin: 'internal',
  retry: 'never'
})

export const typeUnknown = defineError<{ table: string; column: string; type: string }>({
  code: 'MYV_TYPE_UNKNOWN',
  message: 'This version does not know the type of a column',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

/** What information_schema answered is not what the query asked for. */
export const descriptionInvalid = defineError<{ problem: string }>({
  code: 'MYV_DESCRIPTION_INVALID',
  message: 'The server describes a table in a way that this version does not understand',
  statusCode: 502,
  origin: 'operator',
  retry: 'after-change'
})

export const imageInvalid = defineError<{ table: string; problem: string }>({
  code: 'MYV_IMAGE_INVALID',
  message: 'The text is not the image of a row of this table',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

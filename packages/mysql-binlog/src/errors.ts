import { defineError } from '@cellway/base'

/** Where in the stream it happened; `offset` counts from the first byte of the event's header, or of what was inflated from it. */
export interface EventPlace {
  readonly offset: number
  /** Type code of the event, -1 where no event was recognised yet. */
  readonly eventType: number
  /** End position in the binlog file as the header says it; 0 where the server does not say (MariaDB 11.4+ within a transaction). */
  readonly position: number
}

export type BrokenPlace = EventPlace & Readonly<Record<string, unknown>>

export const truncated = defineError<BrokenPlace & { wanted: number; left: number }>({
  code: 'BINLOG_TRUNCATED',
  message: 'A binlog event ends before a field that it announces',
  statusCode: 502,
  origin: 'operator',
  retry: 'later'
})

export const checksumMismatch = defineError<BrokenPlace & { announced: number; computed: number }>({
  code: 'BINLOG_CHECKSUM',
  message: 'The CRC-32 of a binlog event is not the one it carries; read it again, and check the disk and the network of the source',
  statusCode: 502,
  origin: 'operator',
  retry: 'later'
})

export const malformed = defineError<BrokenPlace & { reason: string }>({
  code: 'BINLOG_MALFORMED',
  message: 'A binlog event has a field that no server writes',
  statusCode: 502,
  origin: 'operator',
  retry: 'never'
})

export const valueInvalid = defineError<BrokenPlace & { type: string; reason: string }>({
  code: 'BINLOG_VALUE_INVALID',
  message: 'A column of a row image has bytes that are no value of its type',
  statusCode: 502,
  origin: 'operator',
  retry: 'never'
})

export const tableUnmapped = defineError<BrokenPlace & { tableId: number }>({
  code: 'BINLOG_TABLE_UNMAPPED',
  message: 'Rows of a table that no table map of this statement describes',
  statusCode: 502,
  origin: 'operator',
  retry: 'never'
})

export const tableMismatch = defineError<BrokenPlace & { table: string; reason: string }>({
  code: 'BINLOG_TABLE_MISMATCH',
  message: 'Rows do not fit the table map of their statement',
  statusCode: 502,
  origin: 'operator',
  retry: 'never'
})

export const typeUnknown = defineError<BrokenPlace & { table: string; column: number; typeCode: number }>({
  code: 'BINLOG_TYPE_UNKNOWN',
  message: 'A column has a type this version does not know, so its rows cannot be read',
  statusCode: 501,
  origin: 'operator',
  retry: 'never'
})

export const metadataMissing = defineError<BrokenPlace & { table: string; column: number; missing: string }>({
  code: 'BINLOG_METADATA_MISSING',
  message: 'The table map does not say enough to read a column exactly; set binlog_row_metadata=FULL on the source',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const temporalAmbiguous = defineError<BrokenPlace & { table: string; column: number }>({
  code: 'BINLOG_TEMPORAL_AMBIGUOUS',
  message: "A column has MariaDB's old temporal format, whose size the binlog does not tell; rebuild the table with ALTER TABLE … FORCE",
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const inflateFailed = defineError<BrokenPlace & { algorithm: string; bytesMax: number }>({
  code: 'BINLOG_INFLATE',
  message: 'A compressed part of the binlog does not inflate to the size it announces, or is larger than the limit',
  statusCode: 502,
  origin: 'operator',
  retry: 'never'
})

export const encrypted = defineError<BrokenPlace>({
  code: 'BINLOG_ENCRYPTED',
  message: 'The binlog bytes are encrypted; read them through a replication connection, which decrypts them',
  statusCode: 501,
  origin: 'operator',
  retry: 'never'
})

export const versionUnsupported = defineError<BrokenPlace & { reason: string }>({
  code: 'BINLOG_VERSION',
  message: 'The binlog has a format that this version does not read',
  statusCode: 501,
  origin: 'operator',
  retry: 'never'
})

export const orderBroken = defineError<BrokenPlace & { reason: string }>({
  code: 'BINLOG_ORDER',
  message: 'Binlog events come in an order in which no server writes them',
  statusCode: 502,
  origin: 'operator',
  retry: 'later'
})

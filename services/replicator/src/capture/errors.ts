import { defineError } from '@cellway/base'

/** Where in the source's binlog it happened. File and offset are for people; the GTID is the place. */
export interface SourcePlace {
  readonly file: string
  readonly offset: string
  readonly gtid: string
}

type Stop = SourcePlace & { readonly fix: string } & Readonly<Record<string, unknown>>

/** Changes are gone that the stream needs next. Never jumped over: that would be a loss that nobody sees. */
export const positionLost = defineError<{ position: string; purged: string; fix: string }>({
  code: 'CAP_POSITION_LOST',
  message: 'The source has purged binlogs that the stream still needs; the cell has to be bootstrapped again in the other cells',
  statusCode: 410,
  origin: 'operator',
  retry: 'after-change'
})

/** A replica was promoted that had not everything, or a server lost its newest transactions in a crash. */
export const sourceBehind = defineError<{ position: string; sourcePosition: string; fix: string }>({
  code: 'CAP_SOURCE_BEHIND',
  message: 'The source does not have transactions that were already captured from it',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const fencedByReader = defineError<{ serverId: number; problem: string }>({
  code: 'CAP_FENCED_BY_READER',
  message: 'Another replicator of this cell reads the binlog; the source ended this older connection',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const fenced = defineError<{ stream: string; epoch: number; current: number }>({
  code: 'CAP_FENCED',
  message: 'A newer replicator of this cell has taken over the stream',
  statusCode: 409,
  origin: 'operator',
  retry: 'never'
})

export const sourceRefused = defineError<{ errno: number; problem: string; position: string }>({
  code: 'CAP_SOURCE_REFUSED',
  message: 'The source refuses to send its binlog',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** The capture connects again by itself; seen in its status, thrown by nobody. */
export const sourceLost = defineError<{ problem: string }>({
  code: 'CAP_SOURCE_LOST',
  message: 'The connection to the source was lost',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const sourceSettings = defineError<{ problems: readonly { variable: string; value: string; fix: string }[] }>({
  code: 'CAP_SOURCE_SETTINGS',
  message: 'The source is not set up so that its changes can be captured exactly',
  statusCode: 409,
  origin: 'operator',
  retry: 'later'
})

export const statementWrite = defineError<Stop & { statement: string }>({
  code: 'CAP_STATEMENT_WRITE',
  message: 'A transaction has writes in statement format, whose effect cannot be taken from the binlog',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const eventUnknown = defineError<Stop & { typeCode: number }>({
  code: 'CAP_EVENT_UNKNOWN',
  message: 'The binlog has an event of a type that this version does not know',
  statusCode: 501,
  origin: 'operator',
  retry: 'after-change'
})

export const incident = defineError<Stop & { incident: number; problem: string }>({
  code: 'CAP_INCIDENT',
  message: 'The source reports that its binlog is not complete',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const gtidMissing = defineError<Stop>({
  code: 'CAP_GTID_MISSING',
  message: 'The source writes transactions without a GTID',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const gtidOrder = defineError<Stop & { position: string }>({
  code: 'CAP_GTID_ORDER',
  message: 'A transaction has a GTID that comes after a later one of its domain, so that no position can hold both',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const xaPrepared = defineError<Stop>({
  code: 'CAP_XA_PREPARED',
  message: 'A transaction is prepared only (XA PREPARE), and its rows may never take effect',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

/** One of two marks alone: an applied change that would go round, or a local one that would be lost. */
export const markMismatch = defineError<Stop & { serverId: number; checkpointRow: 'first' | 'later' | 'none' }>({
  code: 'CAP_MARK_MISMATCH',
  message: 'The two marks of an applied transaction do not agree',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

/** Shown while the capture waits; it goes on by itself. */
export const tableUndeclared = defineError<Stop & { table: string }>({
  code: 'CAP_TABLE_UNDECLARED',
  message: 'The topology does not say what a table that is written to belongs to',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const readersUnknown = defineError<{ stream: string; missing: readonly string[]; fix: string }>({
  code: 'CAP_READERS_UNKNOWN',
  message: 'The center does not have the stream, and not every cell has said yet how far it has applied it',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const readersDisagree = defineError<{ stream: string; positions: readonly string[]; fix: string }>({
  code: 'CAP_READERS_DISAGREE',
  message: 'Cells report positions of the stream that have no common order',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const streamForeign = defineError<{ stream: string; found: string; expected: string }>({
  code: 'CAP_STREAM_FOREIGN',
  message: 'The stream in the center was written by another kind of store or another cell',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const spillFailed = defineError<{ folder: string; problem: string }>({
  code: 'CAP_SPILL_FAILED',
  message: 'The spill folder cannot be written or read',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** A commit can return before its change has left the building. An alarm, not a stop. */
export const semiSyncLost = defineError<{ reason: 'not-enabled' | 'fallen-back'; fix: string }>({
  code: 'CAP_SEMI_SYNC_LOST',
  message: 'The source does not wait for the center: commits are acknowledged before they are durable there',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

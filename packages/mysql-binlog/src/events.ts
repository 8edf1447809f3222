import type { TableMap } from './columns.ts'
import type { Gtid, GtidSetEntry, MariadbGtid } from './gtid.ts'
import type { RowsEvent } from './rows-event.ts'

export interface EventHeader {
  /** Seconds since 1970, as the session at the source chose it: clients can set it, so nothing may be decided by it. */
  readonly timestamp: number
  readonly typeCode: number
  readonly serverId: number
  readonly eventBytes: number
  /** 32 bits of the position after this event; 0 = the server does not say. For people; never an identity. */
  readonly endPosition: number
  readonly flags: number
}

/** Flags of the header. */
export const HEADER_FLAG = {
  /** In a format description: the file is in use or was not closed. */
  inUse: 0x01,
  /** Made by the dump thread, not in the file. */
  artificial: 0x20,
  /** A reader that does not know the type may pass over it. */
  ignorable: 0x80,
  /** MariaDB: `skip_replication` was set. Any account may set it. */
  skipReplication: 0x8000
} as const

interface Base {
  readonly header: EventHeader
}

export interface FormatEvent extends Base {
  readonly kind: 'format'
  readonly binlogVersion: number
  readonly serverVersion: string
  readonly flavour: 'mysql' | 'mariadb'
  /** Seconds; not 0 when the server was started with this file: open transactions of the file before are rolled back. */
  readonly created: number
  readonly checksum: 'none' | 'crc32'
}

export interface RotateEvent extends Base {
  readonly kind: 'rotate'
  readonly file: string
  readonly position: bigint
}

export interface HeartbeatEvent extends Base {
  readonly kind: 'heartbeat'
  readonly file: string
  readonly position: bigint | undefined
}

export interface GtidEvent extends Base {
  readonly kind: 'gtid'
  readonly gtid: Gtid
  /** MariaDB: a statement without COMMIT follows. MySQL: unknown until its first event. */
  readonly standalone: boolean | undefined
  readonly ddl: boolean | undefined
  readonly transactional: boolean | undefined
  readonly xa: 'prepare' | 'complete' | undefined
  /** MariaDB's ALTER in two phases (`binlog_alter_two_phase`). */
  readonly alter: 'start' | 'commit' | 'rollback' | undefined
  /** MariaDB's group commit: transactions with the same id were committed together. */
  readonly commitId: bigint | undefined
  /** MySQL's logical clock. */
  readonly lastCommitted: bigint | undefined
  readonly sequenceNumber: bigint | undefined
  /** Microseconds since 1970 (MySQL): at the server that sends it, and at the one where it was first committed. */
  readonly committedAtUs: bigint | undefined
  readonly originCommittedAtUs: bigint | undefined
  /** Bytes of the whole transaction, as announced (MySQL). */
  readonly transactionBytes: bigint | undefined
  /** MySQL: it may have writes in statement format. */
  readonly mayHaveStatements: boolean | undefined
}

export interface GtidListEvent extends Base {
  readonly kind: 'gtid-list'
  readonly gtids: readonly MariadbGtid[]
}

export interface PreviousGtidsEvent extends Base {
  readonly kind: 'previous-gtids'
  readonly entries: readonly GtidSetEntry[]
}

export interface QueryEvent extends Base {
  readonly kind: 'query'
  readonly threadId: number
  readonly executionSeconds: number
  readonly errorCode: number
  readonly schema: string
  /** Bytes in the client's charset; `text` reads them as UTF-8. */
  readonly query: Buffer
  readonly text: string
  readonly statusVariables: Buffer
}

export interface TableMapEvent extends Base {
  readonly kind: 'table-map'
  readonly table: TableMap
}

export interface XidEvent extends Base {
  readonly kind: 'xid'
  readonly xid: bigint
}

export interface XaPrepareEvent extends Base {
  readonly kind: 'xa-prepare'
  readonly onePhase: boolean
  readonly xid: XaId
}

export interface XaId {
  readonly formatId: number
  readonly globalId: Buffer
  readonly branch: Buffer
}

/** The statement behind the rows that follow: ANNOTATE_ROWS of MariaDB, ROWS_QUERY of MySQL. */
export interface RowsQueryEvent extends Base {
  readonly kind: 'rows-query'
  readonly query: Buffer
}

/** Context of a statement-format write: INSERT_ID, RAND seeds, a user variable, a piece of LOAD DATA. */
export interface StatementContextEvent extends Base {
  readonly kind: 'statement-context'
  readonly what: 'last-insert-id' | 'insert-id' | 'rand' | 'user-variable' | 'load-data'
  readonly name: string | undefined
  readonly values: readonly bigint[]
}

export interface IncidentEvent extends Base {
  readonly kind: 'incident'
  readonly incident: number
  readonly message: string
}

/** A whole transaction, compressed (MySQL). Its events come from `BinlogDecoder.events`, which opens it. */
export interface TransactionPayloadEvent extends Base {
  readonly kind: 'transaction-payload'
  readonly compression: 'zstd' | 'none'
  readonly payload: Buffer
  readonly inflatedBytes: number
}

export interface CheckpointEvent extends Base {
  readonly kind: 'checkpoint'
  readonly file: string
}

export interface StopEvent extends Base {
  readonly kind: 'stop'
}

/** A type that is known and has no bearing on data: group replication's views and contexts, ignorable events. */
export interface IgnorableEvent extends Base {
  readonly kind: 'ignorable'
  readonly typeCode: number
}

/** A stream that meets one stops, unless `header.flags` has `HEADER_FLAG.ignorable`: then it is an IgnorableEvent. */
export interface UnknownEvent extends Base {
  readonly kind: 'unknown'
  readonly typeCode: number
  readonly bodyBytes: number
}

export type BinlogEvent =
  | FormatEvent
  | RotateEvent
  | HeartbeatEvent
  | GtidEvent
  | GtidListEvent
  | PreviousGtidsEvent
  | QueryEvent
  | TableMapEvent
  | RowsEvent
  | XidEvent
  | XaPrepareEvent
  | RowsQueryEvent
  | StatementContextEvent
  | IncidentEvent
  | TransactionPayloadEvent
  | CheckpointEvent
  | StopEvent
  | IgnorableEvent
  | UnknownEvent

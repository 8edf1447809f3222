import type { Position, RedisPosition, TransactionId } from './position.ts'

/**
 * One value of a row, exact. `undefined`: the column is absent from the image, which is not NULL.
 * 64-bit integers are bigint; DECIMAL, temporal values and JSON are text as the origin prints them; binary values are bytes.
 * Bytes of a decoded value are a view into the record: copy what outlives it.
 */
export type CellValue = undefined | null | number | bigint | string | Uint8Array

/** One image of a row: a value per column, in the order of `TableIdentity.columns`. */
export type Row = readonly CellValue[]

export interface Column {
  readonly name: string
  /** As the origin's SQL spells it: `bigint unsigned`, `varchar(20)`, `enum('a','b')`. */
  readonly type: string
  /** Empty where the type has none. */
  readonly characterSet: string
}

/** A table as it was when its rows were written. One object per version of the table: the encoder tells them apart by identity. */
export interface TableIdentity {
  readonly schema: string
  readonly name: string
  readonly columns: readonly Column[]
  /** Indexes into `columns`: the primary key, or the unique key that stands for it. */
  readonly keyColumns: readonly number[]
}

export type RowChange =
  | { readonly kind: 'insert'; readonly table: TableIdentity; readonly after: Row }
  | { readonly kind: 'update'; readonly table: TableIdentity; readonly before: Row; readonly after: Row }
  | { readonly kind: 'delete'; readonly table: TableIdentity; readonly before: Row }

/** A statement that changed the schema, verbatim; `schema` is the default schema of the session that ran it. */
export interface SchemaChange {
  readonly kind: 'schema'
  readonly schema: string
  readonly statement: string
}

export type Change = RowChange | SchemaChange

export interface TransactionHead {
  readonly id: TransactionId
  /** Microseconds since the epoch, 0 where the origin does not tell. For people and for lag, never for decisions: clients can set it. */
  readonly commitTimeUs: number
  /** Of the server that first wrote it: the loop mark on MariaDB. */
  readonly originServerId: number
}

export interface Transaction extends TransactionHead {
  readonly changes: readonly Change[]
}

/** Where a key stands in the raw bytes of its command. */
export interface KeySpan {
  readonly start: number
  readonly bytes: number
}

export interface RedisCommand {
  readonly db: number
  /** As it came from the source, RESP framing included. */
  readonly raw: Uint8Array
  readonly keys: readonly KeySpan[]
}

export interface RedisUnitHead {
  /** Behind the unit; its replication id is the one of the record. */
  readonly position: RedisPosition
  /** Microseconds since the epoch when the capture read it. */
  readonly capturedTimeUs: number
}

/** A command, or a whole MULTI…EXEC. */
export interface RedisUnit extends RedisUnitHead {
  readonly commands: readonly RedisCommand[]
}

export type StoreKind = 'mariadb' | 'mysql' | 'redis'

export interface Origin {
  readonly cell: string
  /** Name of the store within the cell; the stream is `cell/store`. */
  readonly store: string
  readonly kind: StoreKind
}

export type Codec = 'none' | 'zstd'

/** What one can know of a record without looking at its changes. */
export interface Envelope {
  readonly origin: Origin
  /** Grows whenever another capture takes over the stream; an older one is fenced. */
  readonly streamEpoch: number
  /** Consecutive within a stream epoch: readers find gaps and repeats by it. */
  readonly producerSequence: number
  /** What is in before this record: the end of the one before it. */
  readonly from: Position
  /** What is in once this record, with the parts before it, is applied. Equal to `from` for all parts but the last. */
  readonly to: Position
  /** 0 for whole transactions and for the first part of a split one. */
  readonly partIndex: number
  readonly firstPart: boolean
  readonly lastPart: boolean
  /** Whether rows of the fence or barriers are among the changes, so that a reader can tell without decoding. */
  readonly hasFence: boolean
  readonly hasBarrier: boolean
  readonly codec: Codec
}

/** Marks that a transaction gives to its record. */
export type ContentMark = 'fence' | 'barrier'

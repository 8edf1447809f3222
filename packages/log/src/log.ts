/**
 * The durable log of the center: streams `cell/store`, each one totally ordered. A record is one packed batch of changes and
 * opaque here. Sequences begin at 1 and are consecutive; they mean nothing outside of their log (`logId`).
 * Every adapter holds the promises of `contract.ts`.
 */
export interface Log extends AsyncDisposable {
  /** `memory`, `embedded`, …; for logs. */
  readonly adapter: string

  /**
   * Durable when it resolves. Appends of one caller become records in the order of the calls. The first one makes the stream.
   * The payload must not change until then. An abort gives up waiting: the record may still become durable.
   * @throws LOG_FENCED, LOG_NOT_DURABLE, LOG_FAILED, LOG_OVERLOADED, LOG_RECORD_TOO_LARGE, LOG_REQUEST_INVALID, LOG_CLOSED
   */
  append(stream: string, batch: LogBatch, options: { readonly signal: AbortSignal }): Promise<LogPosition>

  /**
   * Records from a position on (it is the first one wanted), in order, none left out; waits at the durable end for more.
   * Ends when the signal aborts. Payloads are views into the batch.
   * @throws LOG_POSITION_LOST, LOG_REPLACED, LOG_STREAM_UNKNOWN, LOG_CORRUPT, LOG_FAILED, LOG_OVERLOADED, LOG_REQUEST_INVALID, LOG_CLOSED
   */
  read(stream: string, from: LogPosition | 'oldest', options: ReadOptions): AsyncIterableIterator<ReadBatch>

  /** @throws LOG_STREAM_UNKNOWN, LOG_FAILED, LOG_CLOSED */
  bounds(stream: string): Promise<LogBounds>

  /**
   * Forgets what is before the position, for good. A position behind the end trims everything there is.
   * @throws LOG_TRIM_HELD, LOG_REPLACED, LOG_STREAM_UNKNOWN, LOG_FAILED, LOG_CLOSED
   */
  trim(stream: string, before: LogPosition): Promise<LogBounds>

  /** @throws LOG_STREAM_UNKNOWN, LOG_FAILED, LOG_CLOSED */
  identity(stream: string): Promise<LogIdentity>

  streams(): Promise<readonly string[]>

  /**
   * A known reader needs everything from this position on: retention and trim stop there. Called again as the reader goes on.
   * @throws LOG_POSITION_LOST, LOG_REPLACED, LOG_STREAM_UNKNOWN, LOG_OVERLOADED, LOG_REQUEST_INVALID, LOG_FAILED, LOG_CLOSED
   */
  retain(stream: string, reader: string, from: LogPosition): Promise<void>

  /** The reader is gone for good, or given up. @throws LOG_STREAM_UNKNOWN, LOG_FAILED, LOG_CLOSED */
  release(stream: string, reader: string): Promise<void>
}

export interface LogBatch {
  /** Of the capture that writes the stream. The newest one that appended fences all older ones. */
  readonly epoch: number
  readonly payload: Uint8Array
}

export interface LogPosition {
  readonly logId: string
  readonly sequence: number
}

export interface LogBounds {
  readonly logId: string
  /** The oldest record that is kept; equal to `next` when there is none. */
  readonly first: number
  /** Behind the newest durable record. */
  readonly next: number
}

export interface LogIdentity {
  /** New for every log that was ever made; the same as long as its records are. */
  readonly logId: string
  /** The newest that appended; 0 before the first. */
  readonly epoch: number
}

export interface ReadOptions {
  /** Of one batch. A record that is larger comes alone. */
  readonly maxBytes: number
  readonly signal: AbortSignal
}

export interface LogRecord {
  readonly sequence: number
  readonly epoch: number
  /** Of the log's clock: for retention and for people. */
  readonly appendedMs: number
  readonly payload: Buffer
}

export interface ReadBatch {
  readonly records: readonly LogRecord[]
  /** Where to go on. */
  readonly next: LogPosition
  /** The durable end when the batch was read: how far behind the reader is. */
  readonly durableNext: number
}

/** What the people who run the log should hear of; given to `onEvent`, logged by the service. */
export type LogEvent =
  | { readonly kind: 'torn-tail'; readonly stream: string; readonly file: string; readonly bytes: number; readonly copy: string }
  | { readonly kind: 'failed'; readonly stream: string; readonly cause: unknown }
  | { readonly kind: 'trimmed'; readonly stream: string; readonly first: number; readonly why: 'asked' | 'age' | 'size' }
  /** The reader gets LOG_POSITION_LOST if it ever comes back. */
  | { readonly kind: 'reader-lost'; readonly stream: string; readonly reader: string; readonly position: number }

/**
 * The control state port: a small ordered map with one global revision, in the manner of etcd.
 * Revision 0 is the empty store. Every commit that changes something takes the next revision; all its
 * changes carry that revision, and are seen together or not at all.
 */
export interface Store extends AsyncDisposable {
  /** `memory`, `embedded`, …; for logs. */
  readonly adapter: string

  get(key: string): Promise<StoreEntry | undefined>

  /** Entries whose key starts with `prefix`, in byte order of the keys. `revision` is the store's at the time of the page. */
  list(prefix: string, options: ListOptions): Promise<StorePage>

  /**
   * All or nothing: first every comparison, then every put and delete. Durable when it resolves.
   * A commit that changes nothing (no puts, deletes of absent keys only) does not take a revision.
   * @throws STORE_REQUEST_INVALID, STORE_VALUE_TOO_LARGE, STORE_COMMIT_TOO_LARGE, STORE_FULL, STORE_FAILED, STORE_CLOSED
   */
  commit(request: CommitRequest): Promise<CommitResult>

  /**
   * Every commit from `fromRevision` on (first the past ones) that touched the prefix, in order, each once and whole.
   * Ends when the signal aborts. A reader that is too slow is not queued for: it loses its place and gets STORE_COMPACTED.
   * @throws STORE_COMPACTED, STORE_REVISION_AHEAD (both: list again), STORE_CLOSED
   */
  watch(prefix: string, options: WatchOptions): AsyncIterableIterator<WatchBatch>

  revision(): Promise<number>
}

export interface StoreEntry {
  readonly key: string
  readonly value: string
  /** Of the commit that wrote this value. */
  readonly revision: number
}

export interface ListOptions {
  readonly limit: number
  /** Start behind this key. */
  readonly after?: string
}

export interface StorePage {
  readonly revision: number
  readonly entries: readonly StoreEntry[]
  readonly more: boolean
}

export interface CommitRequest {
  readonly compare?: readonly Comparison[]
  readonly puts?: readonly Put[]
  readonly deletes?: readonly string[]
}

export type Comparison = { readonly key: string; readonly revision: number } | { readonly key: string; readonly absent: true }

export interface Put {
  readonly key: string
  readonly value: string
}

export type CommitResult =
  | { readonly kind: 'committed'; readonly revision: number }
  /** Nothing was changed; `keys` are all the keys whose comparison failed. */
  | { readonly kind: 'conflict'; readonly revision: number; readonly keys: readonly string[] }

export interface WatchOptions {
  /** The first revision wanted: the revision of a list plus one. */
  readonly fromRevision: number
  readonly signal: AbortSignal
}

export interface WatchBatch {
  readonly revision: number
  readonly events: readonly WatchEvent[]
}

export type WatchEvent = { readonly kind: 'put'; readonly key: string; readonly value: string } | { readonly kind: 'delete'; readonly key: string }

/** Printable ASCII, so that byte order, UTF-16 order and SQL order are the same one. */
export const KEY_PATTERN = /^[!-~]+$/
/** A routing key of 4 KiB, percent-encoded, with room for the names around it. */
export const KEY_BYTES_MAX = 16 * 1024
/** The largest value is a topology of a thousand routes, about 400 KiB. */
export const VALUE_BYTES_MAX = 1024 * 1024
/** The first apply of a topology writes one row per bucket: 16 hash spaces of 1,024 buckets, and room. */
export const COMMIT_OPERATIONS_MAX = 20_000
/** 20,000 rows of 200 bytes and two topologies. */
export const COMMIT_BYTES_MAX = 8 * 1024 * 1024
export const LIST_LIMIT_MAX = 10_000
/** What watchers can resume from: hours of administrative changes; the byte bound keeps it in memory. */
export const HISTORY_COMMITS_MAX = 10_000
export const HISTORY_BYTES_MAX = 16 * 1024 * 1024

import { defineError } from '@cellway/base'

/** Another process has the data folder open; two writers would each believe they own the truth. */
export const storeLocked = defineError<{ file: string }>({
  code: 'STORE_LOCKED',
  message: 'Another process holds the store',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

export const storeClosed = defineError<{ adapter: string }>({
  code: 'STORE_CLOSED',
  message: 'The store is closed',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** The reader has to list again and watch from the revision of that list. */
export const storeCompacted = defineError<{ fromRevision: number; oldestRevision: number }>({
  code: 'STORE_COMPACTED',
  message: 'The asked revision is older than the history that the store keeps',
  statusCode: 410,
  origin: 'client',
  retry: 'after-change'
})

/** The store was restored from an older copy: what the reader knows may not exist here. */
export const storeRevisionAhead = defineError<{ fromRevision: number; revision: number }>({
  code: 'STORE_REVISION_AHEAD',
  message: 'The asked revision is newer than the store',
  statusCode: 410,
  origin: 'operator',
  retry: 'after-change'
})

export const storeRequestInvalid = defineError<{ problem: string; key?: string }>({
  code: 'STORE_REQUEST_INVALID',
  message: 'The store cannot take this request',
  statusCode: 400,
  origin: 'internal',
  retry: 'never'
})

export const storeValueTooLarge = defineError<{ key: string; bytes: number; bytesMax: number }>({
  code: 'STORE_VALUE_TOO_LARGE',
  message: 'A value is larger than the store accepts',
  statusCode: 413,
  origin: 'client',
  retry: 'never'
})

export const storeCommitTooLarge = defineError<{ operations: number; operationsMax: number; bytes: number; bytesMax: number }>({
  code: 'STORE_COMMIT_TOO_LARGE',
  message: 'A commit is larger than the store accepts',
  statusCode: 413,
  origin: 'client',
  retry: 'never'
})

export const storeListUnstable = defineError<{ prefix: string; attempts: number }>({
  code: 'STORE_LIST_UNSTABLE',
  message: 'The store changed during every attempt to list it',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** The commit was rolled back; nothing of it is stored. */
export const storeFull = defineError<{ file: string }>({
  code: 'STORE_FULL',
  message: 'No space is left for the store',
  statusCode: 507,
  origin: 'operator',
  retry: 'after-change'
})

/** After a failed write to the disk nobody knows what is durable: the store refuses everything until it is opened again. */
export const storeFailed = defineError<{ file: string; sqlite?: number }>({
  code: 'STORE_FAILED',
  message: 'The store cannot read or write its file',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

export const storeCorrupt = defineError<{ file: string; finding: string }>({
  code: 'STORE_CORRUPT',
  message: 'The file of the store is damaged',
  statusCode: 503,
  origin: 'operator',
  retry: 'never'
})

export const storeFormatUnknown = defineError<{ file: string; found: number; known: number }>({
  code: 'STORE_FORMAT_UNKNOWN',
  message: 'The file was not written by this store, or by a newer version of it',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

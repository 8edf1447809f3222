import { checkCommit, checkKey, checkList, checkPrefix } from './check.ts'
import { storeClosed } from './errors.ts'
import { createHistory } from './history.ts'
import { openSqliteFile } from './sqlite-file.ts'
import type { CommitRequest, CommitResult, Store, WatchEvent, WatchOptions } from './store.ts'
import { HISTORY_BYTES_MAX, HISTORY_COMMITS_MAX } from './store.ts'

export interface EmbeddedStoreOptions {
  /** Holds `control.db`; created if absent. */
  readonly folder: string
  readonly historyCommitsMax?: number
  readonly historyBytesMax?: number
  /** The disk space the store may take; a commit beyond it is refused with STORE_FULL. */
  readonly fileBytesMax?: number
}

/** Room for about twenty million audit entries. */
export const FILE_BYTES_MAX = 16 * 1024 * 1024 * 1024

/**
 * One process, one SQLite file. A commit blocks the event loop for one fsync: the price of a simple path
 * for a few administrative changes per second.
 * @throws STORE_LOCKED, STORE_CORRUPT, STORE_FORMAT_UNKNOWN, STORE_FAILED
 */
export function openEmbeddedStore(options: EmbeddedStoreOptions): Store {
  const adapter = 'embedded'
  const { folder, historyCommitsMax = HISTORY_COMMITS_MAX, historyBytesMax = HISTORY_BYTES_MAX, fileBytesMax = FILE_BYTES_MAX } = options
  const file = openSqliteFile({ folder, fileBytesMax })
  let revision = file.revision()
  const history = createHistory({ adapter, revision, batches: file.history(), bounds: { commitsMax: historyCommitsMax, bytesMax: historyBytesMax } })
  let closed = false

  function assertOpen(): void {
    if (closed) throw storeClosed({ adapter })
  }

  // Nothing else can write between the comparison and the transaction: the file is locked, and this function never waits.
  function commit(request: CommitRequest): CommitResult {
    const { compare, puts, deletes } = checkCommit(request)
    const keys = compare.filter((comparison) => file.keyRevision(comparison.key) !== ('absent' in comparison ? undefined : comparison.revision))
    if (keys.length > 0) return { kind: 'conflict', revision, keys: keys.map(({ key }) => key) }
    const removed = deletes.filter((key) => file.keyRevision(key) !== undefined)
    if (puts.length + removed.length === 0) return { kind: 'committed', revision }
    const events: WatchEvent[] = [
      ...puts.map(({ key, value }) => ({ kind: 'put', key, value }) as const),
      ...removed.map((key) => ({ kind: 'delete', key }) as const)
    ]
    const batch = { revision: revision + 1, events }
    file.write(batch, { forgetBefore: history.oldestRevision() })
    // Durable first, then told: a watcher never hears of what can be lost.
    revision = batch.revision
    history.append(batch)
    return { kind: 'committed', revision }
  }

  return {
    adapter,
    async get(key) {
      assertOpen()
      checkKey(key)
      return file.get(key)
    },
    async list(prefix, listOptions) {
      assertOpen()
      checkList(prefix, listOptions)
      return { revision, ...file.list(prefix, listOptions) }
    },
    async commit(request) {
      assertOpen()
      return commit(request)
    },
    watch(prefix: string, watchOptions: WatchOptions) {
      checkPrefix(prefix)
      return history.watch(prefix, watchOptions)
    },
    async revision() {
      assertOpen()
      return revision
    },
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      history.close()
      file.close()
    }
  }
}

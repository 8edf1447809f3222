import { checkCommit, checkKey, checkList, checkPrefix } from './check.ts'
import { storeClosed } from './errors.ts'
import { createHistory } from './history.ts'
import type { CommitRequest, CommitResult, ListOptions, Store, StoreEntry, StorePage, WatchEvent, WatchOptions } from './store.ts'
import { HISTORY_BYTES_MAX, HISTORY_COMMITS_MAX } from './store.ts'

export interface MemoryStoreOptions {
  readonly historyCommitsMax?: number
  readonly historyBytesMax?: number
}

/** For tests and for trying things out: durable until the process ends. */
export function createMemoryStore({ historyCommitsMax = HISTORY_COMMITS_MAX, historyBytesMax = HISTORY_BYTES_MAX }: MemoryStoreOptions = {}): Store {
  const adapter = 'memory'
  const entries = new Map<string, StoreEntry>()
  const history = createHistory({ adapter, revision: 0, batches: [], bounds: { commitsMax: historyCommitsMax, bytesMax: historyBytesMax } })
  let revision = 0
  let closed = false

  function assertOpen(): void {
    if (closed) throw storeClosed({ adapter })
  }

  function commit(request: CommitRequest): CommitResult {
    const { compare, puts, deletes } = checkCommit(request)
    const keys = compare.filter((comparison) => entries.get(comparison.key)?.revision !== ('absent' in comparison ? undefined : comparison.revision))
    if (keys.length > 0) return { kind: 'conflict', revision, keys: keys.map(({ key }) => key) }
    const removed = deletes.filter((key) => entries.has(key))
    if (puts.length + removed.length === 0) return { kind: 'committed', revision }
    revision += 1
    for (const { key, value } of puts) entries.set(key, { key, value, revision })
    for (const key of removed) entries.delete(key)
    const events: WatchEvent[] = [
      ...puts.map(({ key, value }) => ({ kind: 'put', key, value }) as const),
      ...removed.map((key) => ({ kind: 'delete', key }) as const)
    ]
    history.append({ revision, events })
    return { kind: 'committed', revision }
  }

  function list(prefix: string, options: ListOptions): StorePage {
    checkList(prefix, options)
    const { limit, after = '' } = options
    const found = [...entries.values()]
      .filter(({ key }) => key.startsWith(prefix) && key > after)
      .sort((left, right) => (left.key < right.key ? -1 : 1))
    return { revision, entries: found.slice(0, limit), more: found.length > limit }
  }

  return {
    adapter,
    async get(key) {
      assertOpen()
      checkKey(key)
      return entries.get(key)
    },
    async list(prefix, options) {
      assertOpen()
      return list(prefix, options)
    },
    async commit(request) {
      assertOpen()
      return commit(request)
    },
    watch(prefix: string, options: WatchOptions) {
      checkPrefix(prefix)
      return history.watch(prefix, options)
    },
    async revision() {
      assertOpen()
      return revision
    },
    async [Symbol.asyncDispose]() {
      closed = true
      history.close()
    }
  }
}

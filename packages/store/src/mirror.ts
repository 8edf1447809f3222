import { setImmediate as nextTurn } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import { storeListUnstable } from './errors.ts'
import type { Store, StoreEntry, WatchBatch } from './store.ts'
import { LIST_LIMIT_MAX } from './store.ts'

const LIST_ATTEMPTS_MAX = 20

/** All entries of a prefix as they stood together at one revision. @throws STORE_LIST_UNSTABLE */
export async function listAll(
  store: Store,
  prefix: string,
  { pageSize = LIST_LIMIT_MAX }: { pageSize?: number } = {}
): Promise<{ revision: number; entries: StoreEntry[] }> {
  for (let attempt = 1; attempt <= LIST_ATTEMPTS_MAX; attempt += 1) {
    const listed = await tryListAll(store, prefix, pageSize)
    if (listed !== undefined) return listed
    await nextTurn()
  }
  throw storeListUnstable({ prefix, attempts: LIST_ATTEMPTS_MAX })
}

/** Pages of different revisions would show halves of a commit: then it gives up. */
async function tryListAll(store: Store, prefix: string, pageSize: number): Promise<{ revision: number; entries: StoreEntry[] } | undefined> {
  const first = await store.list(prefix, { limit: pageSize })
  const entries = [...first.entries]
  let more = first.more
  while (more) {
    const page = await store.list(prefix, { limit: pageSize, after: entries.at(-1)?.key ?? prefix })
    if (page.revision !== first.revision) return undefined
    entries.push(...page.entries)
    more = page.more
  }
  return { revision: first.revision, entries }
}

/** A prefix of the store in memory, kept up to date by watching. */
export interface Mirror extends AsyncDisposable {
  readonly entries: ReadonlyMap<string, StoreEntry>
  /** All of the prefix up to here is in `entries`. */
  revision(): number
  /** Until a commit that touched the prefix is in `entries`. Rejects when the signal aborts or the mirror fails. */
  waitFor(revision: number, signal: AbortSignal): Promise<void>
  /** Settles when the mirror ends: rejects when it can no longer follow the store, which its owner must not survive. */
  readonly ended: Promise<void>
}

export interface MirrorOptions {
  readonly prefix: string
  /** After each whole commit, and after each new list. An exception ends the mirror. */
  readonly onChange: (entries: ReadonlyMap<string, StoreEntry>, revision: number) => void
}

export async function openMirror(store: Store, { prefix, onChange }: MirrorOptions): Promise<Mirror> {
  const entries = new Map<string, StoreEntry>()
  const stop = new AbortController()
  const waiters = new Set<{ revision: number; resolve: () => void; reject: (reason: unknown) => void }>()
  let revision = 0

  function settle(): void {
    onChange(entries, revision)
    for (const waiter of waiters) if (waiter.revision <= revision) waiter.resolve()
  }

  async function relist(): Promise<void> {
    const listed = await listAll(store, prefix)
    entries.clear()
    for (const entry of listed.entries) entries.set(entry.key, entry)
    revision = listed.revision
    settle()
  }

  function apply(batch: WatchBatch): void {
    for (const event of batch.events) {
      if (event.kind === 'put') entries.set(event.key, { key: event.key, value: event.value, revision: batch.revision })
      else entries.delete(event.key)
    }
    revision = batch.revision
    settle()
  }

  async function follow(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        for await (const batch of store.watch(prefix, { fromRevision: revision + 1, signal: stop.signal })) apply(batch)
      } catch (cause) {
        if (!isCellwayError(cause) || (cause.code !== 'STORE_COMPACTED' && cause.code !== 'STORE_REVISION_AHEAD')) throw cause
        await relist()
      }
    }
  }

  await relist()
  const ended = follow()
  const rejectWaiters = (reason: unknown): void => {
    for (const waiter of waiters) waiter.reject(reason)
  }
  ended.then(() => rejectWaiters(stop.signal.reason), rejectWaiters)

  return {
    entries,
    revision: () => revision,
    async waitFor(wanted, signal) {
      signal.throwIfAborted()
      if (revision >= wanted) return
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiter = { revision: wanted, resolve, reject }
      const onAbort = (): void => reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      waiters.add(waiter)
      try {
        await promise
      } finally {
        waiters.delete(waiter)
        signal.removeEventListener('abort', onAbort)
      }
    },
    ended,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended.catch(() => undefined)
    }
  }
}

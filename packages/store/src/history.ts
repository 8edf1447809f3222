import { storeClosed, storeCompacted, storeRevisionAhead } from './errors.ts'
import type { WatchBatch, WatchEvent, WatchOptions } from './store.ts'

export interface HistoryBounds {
  readonly commitsMax: number
  readonly bytesMax: number
}

/** The newest commits, in memory, and the watchers that read from them at their own pace. */
export interface History {
  append(batch: WatchBatch): void
  watch(prefix: string, options: WatchOptions): AsyncIterableIterator<WatchBatch>
  /** The oldest revision that can still be read; one more than the newest if there is none. */
  oldestRevision(): number
  close(): void
}

/** A watcher is only a cursor into the shared commits: however slow it is, it holds no memory of its own. */
export function createHistory(options: { adapter: string; revision: number; batches: readonly WatchBatch[]; bounds: HistoryBounds }): History {
  const { adapter, bounds } = options
  const batches: { batch: WatchBatch; bytes: number }[] = []
  let newest = options.revision
  let bytes = 0
  let closed = false
  let changed = Promise.withResolvers<void>()

  const oldestRevision = (): number => batches[0]?.batch.revision ?? newest + 1

  function remember(batch: WatchBatch): void {
    const size = batchBytes(batch)
    batches.push({ batch, bytes: size })
    bytes += size
    newest = batch.revision
    // The newest commit always stays, or nobody could hear of one that is larger than the bound.
    while (batches.length > 1 && (batches.length > bounds.commitsMax || bytes > bounds.bytesMax)) bytes -= batches.shift()?.bytes ?? 0
  }

  function wake(): void {
    const { resolve } = changed
    changed = Promise.withResolvers<void>()
    resolve()
  }

  async function* watch(prefix: string, { fromRevision, signal }: WatchOptions): AsyncGenerator<WatchBatch, void, undefined> {
    const aborted = Promise.withResolvers<void>()
    const onAbort = (): void => aborted.resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (fromRevision > newest + 1) throw storeRevisionAhead({ fromRevision, revision: newest })
      let next = fromRevision
      while (!signal.aborted) {
        if (closed) throw storeClosed({ adapter })
        if (next > newest) {
          await Promise.race([changed.promise, aborted.promise])
          continue
        }
        if (next < oldestRevision()) throw storeCompacted({ fromRevision: next, oldestRevision: oldestRevision() })
        const batch = batches[next - oldestRevision()]?.batch
        next += 1
        const events = batch?.events.filter((event) => event.key.startsWith(prefix)) ?? []
        if (batch !== undefined && events.length > 0) yield { revision: batch.revision, events }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  for (const batch of options.batches) remember(batch)
  return {
    append(batch) {
      remember(batch)
      wake()
    },
    watch,
    oldestRevision,
    close() {
      closed = true
      wake()
    }
  }
}

function batchBytes(batch: WatchBatch): number {
  return batch.events.reduce((sum, event) => sum + eventBytes(event), 0)
}

/** In memory a string takes up to two bytes per character; a rough size is enough for a bound. */
function eventBytes(event: WatchEvent): number {
  return 2 * (event.key.length + (event.kind === 'put' ? event.value.length : 0))
}

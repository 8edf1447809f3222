import { type CompiledSnapshot, compileSnapshot, type Snapshot } from '@cellway/topology'
import type { TopologyView } from '../context.ts'
import { notStarted } from '../errors.ts'

/** The newest snapshot, compiled once for all parts. */
export interface OwnedTopologyView extends TopologyView {
  adopt(snapshot: Snapshot): void
  /** Version of the snapshot in force; 0 before the first. */
  version(): number
}

export function createTopologyView(): OwnedTopologyView {
  let current: CompiledSnapshot | undefined
  const waiting = new Set<(compiled: CompiledSnapshot) => void>()

  function version(): number {
    return current?.snapshot.version ?? 0
  }

  return {
    adopt(snapshot) {
      const compiled = compileSnapshot(snapshot)
      current = compiled
      // A waiter may wait again at once: it must not meet itself in this round.
      for (const resolve of [...waiting]) resolve(compiled)
    },
    version,
    current() {
      if (current === undefined) throw notStarted({ phase: 'starting', reason: 'waiting for the first topology' })
      return current
    },
    async newerThan(than, signal) {
      signal.throwIfAborted()
      if (current !== undefined && current.snapshot.version > than) return current
      const { promise, resolve, reject } = Promise.withResolvers<CompiledSnapshot>()
      const offer = (compiled: CompiledSnapshot): void => {
        if (compiled.snapshot.version > than) resolve(compiled)
      }
      const onAbort = (): void => reject(signal.reason)
      waiting.add(offer)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        return await promise
      } finally {
        waiting.delete(offer)
        signal.removeEventListener('abort', onAbort)
      }
    }
  }
}

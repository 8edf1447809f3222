/** Readers that wait for the end of a stream to move. At most one entry per open read. */
export interface Waiters {
  /** Resolves at the next `wake`, or when the signal aborts; never rejects. */
  wait(signal: AbortSignal): Promise<void>
  wake(): void
}

export function createWaiters(): Waiters {
  const waiting = new Set<() => void>()
  return {
    wait(signal) {
      if (signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const done = (): void => {
          waiting.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        waiting.add(done)
        signal.addEventListener('abort', done)
      })
    },
    wake() {
      for (const done of [...waiting]) done()
    }
  }
}

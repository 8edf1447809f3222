/** Bytes that may be held at one time. Who wants more waits, first come first served; one that is larger than all of it waits for all. */
export interface Budget {
  /** Resolves once there is room; at once, without a promise, when there is. @throws the signal's reason */
  take(bytes: number, signal: AbortSignal): Promise<void> | undefined
  give(bytes: number): void
  readonly used: number
}

export function createBudget(bytesMax: number): Budget {
  let used = 0
  const waiting: { readonly bytes: number; readonly grant: () => void }[] = []
  const fits = (bytes: number): boolean => used === 0 || used + bytes <= bytesMax

  function grantNext(): void {
    for (let next = waiting[0]; next !== undefined && fits(next.bytes); next = waiting[0]) {
      waiting.shift()
      used += next.bytes
      next.grant()
    }
  }

  return {
    take(bytes, signal) {
      if (waiting.length === 0 && fits(bytes)) {
        used += bytes
        return undefined
      }
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          waiting.splice(waiting.indexOf(entry), 1)
          reject(signal.reason)
          grantNext()
        }
        const grant = (): void => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        const entry = { bytes, grant }
        if (signal.aborted) {
          reject(signal.reason)
          return
        }
        waiting.push(entry)
        signal.addEventListener('abort', onAbort, { once: true })
      })
    },
    give(bytes) {
      used -= bytes
      grantNext()
    },
    get used() {
      return used
    }
  }
}

import type { ReadBatch } from '@cellway/log'

/** What of a read is on its way to its reader, or in the reader's hands. */
export interface SendWindow {
  sent(batch: ReadBatch): void
  /** Everything before it is done with. */
  taken(next: number): void
  /** Until less than the window is out. @throws the signal's reason */
  room(signal: AbortSignal): Promise<void>
}

export function createSendWindow(bytesMax: number): SendWindow {
  const out: { readonly next: number; readonly bytes: number }[] = []
  let bytes = 0
  let wake: (() => void) | undefined
  return {
    sent({ records, next }) {
      const size = records.reduce((sum, { payload }) => sum + payload.length, 0)
      out.push({ next: next.sequence, bytes: size })
      bytes += size
    },
    taken(next) {
      for (let oldest = out[0]; oldest !== undefined && oldest.next <= next; oldest = out[0]) {
        out.shift()
        bytes -= oldest.bytes
      }
      wake?.()
    },
    async room(signal) {
      while (bytes >= bytesMax) {
        signal.throwIfAborted()
        await new Promise<void>((resolve) => {
          const done = (): void => {
            signal.removeEventListener('abort', done)
            wake = undefined
            resolve()
          }
          wake = done
          signal.addEventListener('abort', done)
        })
      }
    }
  }
}

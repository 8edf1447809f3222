import { holdFull, holdTimeout } from '../errors.ts'

export interface HoldLimits {
  readonly requestsMax: number
  readonly waitMsMax: number
}

export type HoldOutcome = 'released' | 'gone'

interface Held {
  readonly release: () => void
}

/**
 * Writes of moving buckets wait here, unread, until a newer snapshot is adopted; then each is judged again.
 * Bounded in number and in time: full or late gives 503 with `Retry-After`, and nothing was sent.
 */
export class HoldQueue {
  readonly #limits: HoldLimits
  readonly #held = new Set<Held>()

  constructor(limits: HoldLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#held.size
  }

  /** Waits for the next snapshot. @throws GW_HOLD_FULL, GW_HOLD_TIMEOUT */
  wait(bucket: string, waitedMs: number, onCancel: (cancel: () => void) => void): Promise<HoldOutcome> {
    if (this.#held.size >= this.#limits.requestsMax) throw holdFull({ bucket, heldMax: this.#limits.requestsMax })
    const remainingMs = this.#limits.waitMsMax - waitedMs
    const { promise, resolve, reject } = Promise.withResolvers<HoldOutcome>()
    const settle = (finish: () => void): void => {
      clearTimeout(timer)
      this.#held.delete(held)
      finish()
    }
    const held: Held = { release: () => settle(() => resolve('released')) }
    const timer = setTimeout(() => settle(() => reject(holdTimeout({ bucket, waitedMs: this.#limits.waitMsMax }))), Math.max(0, remainingMs))
    onCancel(() => settle(() => resolve('gone')))
    this.#held.add(held)
    return promise
  }

  /** A newer snapshot is in force: everybody is judged again, in the order of arrival. */
  releaseAll(): void {
    for (const held of [...this.#held]) held.release()
  }
}

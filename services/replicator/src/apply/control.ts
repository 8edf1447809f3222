import type { TransactionId } from '@cellway/change'
import { formatUnitPosition } from '@cellway/change'

export interface SkipRequest {
  readonly gtid: string
  readonly by: string
  readonly reason: string
  readonly done: () => void
  readonly failed: (cause: unknown) => void
}

/** What operators ask of an applier; it looks here between transactions. */
export class ApplierControl {
  #paused = false
  #skips = new Map<string, SkipRequest>()
  #changed = Promise.withResolvers<void>()

  get isPaused(): boolean {
    return this.#paused
  }

  set isPaused(paused: boolean) {
    this.#paused = paused
    this.#wake()
  }

  /** Resolves at the next change of anything here. */
  get changed(): Promise<void> {
    return this.#changed.promise
  }

  get hasSkips(): boolean {
    return this.#skips.size > 0
  }

  skip(gtid: string, by: string, reason: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const drop = (): void => {
        this.#skips.delete(gtid)
      }
      this.#skips.get(gtid)?.failed(new Error('asked for again'))
      this.#skips.set(gtid, {
        gtid,
        by,
        reason,
        done: () => {
          drop()
          resolve()
        },
        failed: (cause) => {
          drop()
          reject(cause)
        }
      })
      this.#wake()
    })
  }

  skipOf(id: TransactionId): SkipRequest | undefined {
    return this.#skips.size === 0 ? undefined : this.#skips.get(formatUnitPosition(id))
  }

  skips(): readonly SkipRequest[] {
    return [...this.#skips.values()]
  }

  #wake(): void {
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers<void>()
    resolve()
  }
}

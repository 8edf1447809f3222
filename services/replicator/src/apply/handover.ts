/** A queue between one who puts and one who takes, bounded by bytes: who puts waits while it is full. One item may be larger than the bound. */
export class Handover<Item> {
  readonly #bytesMax: number
  #items: ({ readonly item: Item; readonly bytes: number } | undefined)[] = []
  #head = 0
  #bytes = 0
  #onItem: (() => void) | undefined
  #onRoom: (() => void) | undefined

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  /** @throws the signal's reason */
  async put(item: Item, bytes: number, signal: AbortSignal): Promise<void> {
    while (this.length > 0 && this.#bytes + bytes > this.#bytesMax) {
      await waitFor((wake) => {
        this.#onRoom = wake
      }, signal)
    }
    this.#items.push({ item, bytes })
    this.#bytes += bytes
    const wake = this.#onItem
    this.#onItem = undefined
    wake?.()
  }

  /** @throws the signal's reason */
  async peek(signal: AbortSignal): Promise<Item> {
    for (;;) {
      const item = this.peekNow()
      if (item !== undefined) return item
      await waitFor((wake) => {
        this.#onItem = wake
      }, signal)
    }
  }

  peekNow(): Item | undefined {
    return this.#items[this.#head]?.item
  }

  take(): Item | undefined {
    const first = this.#items[this.#head]
    if (first === undefined) return undefined
    // What was taken must not be kept: items hold the bytes of whole records.
    this.#items[this.#head] = undefined
    this.#head += 1
    this.#bytes -= first.bytes
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    const wake = this.#onRoom
    this.#onRoom = undefined
    wake?.()
    return first.item
  }
}

function waitFor(arm: (wake: () => void) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    arm(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
  })
}

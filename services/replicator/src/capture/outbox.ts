import type { BuiltRecord, Position } from '@cellway/change'
import { OUTBOX_BYTES_MAX, SPILL_BYTES_MAX } from './limits.ts'
import type { Spill, SpillPlace } from './spill.ts'

/** A record on its way to the center. */
export interface OutboxEntry {
  readonly sequence: number
  readonly to: Position
  readonly bytes: number
  readonly transactions: number
  readonly builtMs: number
  /** The newest commit in it, microseconds; 0 where the source does not tell. */
  readonly commitTimeUs: number
}

interface Held extends OutboxEntry {
  /** In memory until it is written to the spill. */
  content: Buffer | undefined
  spilled: { readonly place: SpillPlace; readonly written: Promise<void> } | undefined
}

export interface OutboxOptions {
  readonly spill: Spill
  readonly memoryBytesMax?: number
  readonly spillBytesMax?: number
  onChange(outbox: Outbox): void
}

/** Records in the order of the stream: the first ones in memory, and what does not fit there on the disk, both within bounds. */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #memoryBytesMax: number
  readonly #spillBytesMax: number
  readonly #entries: Held[] = []
  /** How many of the first ones were given out by `next`. */
  #taken = 0
  #memoryBytes = 0
  #spilledEntries = 0
  #failure: unknown
  #waiting: (() => void)[] = []

  constructor(options: OutboxOptions) {
    this.#options = options
    this.#memoryBytesMax = options.memoryBytesMax ?? OUTBOX_BYTES_MAX
    this.#spillBytesMax = options.spillBytesMax ?? SPILL_BYTES_MAX
  }

  get length(): number {
    return this.#entries.length
  }

  get untaken(): number {
    return this.#entries.length - this.#taken
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  get oldest(): OutboxEntry | undefined {
    return this.#entries[0]
  }

  /** From here on the source is not read. What is pushed all the same is held. */
  get isFull(): boolean {
    return this.#options.spill.bytes >= this.#spillBytesMax || this.#memoryBytes >= 2 * this.#memoryBytesMax
  }

  /** Below it reading goes on: some way under full, so that it does not stop at every record. */
  get hasRoom(): boolean {
    return this.#options.spill.bytes < this.#spillBytesMax * 0.75 && this.#memoryBytes < this.#memoryBytesMax
  }

  push({ envelope, bytes }: BuiltRecord, facts: Pick<OutboxEntry, 'transactions' | 'builtMs' | 'commitTimeUs'>): void {
    const entry: Held = {
      sequence: envelope.producerSequence,
      to: envelope.to,
      bytes: bytes.length,
      content: bytes,
      spilled: undefined,
      ...facts
    }
    this.#entries.push(entry)
    this.#memoryBytes += bytes.length
    if (this.#spilledEntries > 0 || this.#memoryBytes > this.#memoryBytesMax) this.#spillOut(entry, bytes)
    this.#changed()
  }

  /** The next one that was not given out, with its bytes. @throws CAP_SPILL_FAILED */
  async next(): Promise<{ entry: OutboxEntry; content: Buffer } | undefined> {
    if (this.#failure !== undefined) throw this.#failure
    const entry = this.#entries[this.#taken]
    if (entry === undefined) return undefined
    this.#taken += 1
    const content = entry.content ?? (entry.spilled === undefined ? undefined : await this.#options.spill.read(entry.spilled.place))
    if (content === undefined) throw new TypeError('a record of the outbox is neither in memory nor on the disk')
    return { entry, content }
  }

  /** The first one is in the center. */
  async shift(): Promise<OutboxEntry | undefined> {
    const entry = this.#entries.shift()
    if (entry === undefined) return undefined
    this.#taken = Math.max(0, this.#taken - 1)
    if (entry.content !== undefined) {
      this.#memoryBytes -= entry.bytes
      entry.content = undefined
    }
    if (entry.spilled !== undefined) {
      this.#spilledEntries -= 1
      await entry.spilled.written
      await this.#options.spill.release(entry.spilled.place)
    }
    this.#changed()
    return entry
  }

  /** Those that are still here will be given out again. */
  rewind(): void {
    this.#taken = 0
  }

  /** Resolves at the next change, or when the signal aborts. */
  changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done, { once: true })
      this.#waiting.push(done)
    })
  }

  #spillOut(entry: Held, content: Buffer): void {
    entry.spilled = this.#options.spill.put(content)
    this.#spilledEntries += 1
    entry.spilled.written.then(
      () => {
        if (entry.content === undefined) return
        entry.content = undefined
        this.#memoryBytes -= entry.bytes
        this.#changed()
      },
      (cause: unknown) => {
        this.#failure ??= cause
        this.#changed()
      }
    )
  }

  #changed(): void {
    this.#options.onChange(this)
    const waiting = this.#waiting
    this.#waiting = []
    for (const done of waiting) done()
  }
}

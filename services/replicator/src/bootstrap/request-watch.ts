import { setTimeout as sleep } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import type { CellContext } from '../context.ts'
import { parseRequest, REQUEST_STORE, type SnapshotRequest } from './protocol.ts'

export interface Newest {
  readonly target: string
  readonly request: SnapshotRequest
}

/** How soon a cell that begins to ask is heard, and a stream that broke off is read again. */
const LOOK_MS = 1000
const READ_BYTES = 1024 * 1024

/** Reads the requests of all other cells that are for this one. Holds one per cell: the newest. */
export class RequestWatch {
  readonly #context: CellContext
  readonly #newest = new Map<string, SnapshotRequest>()
  readonly #reading = new Set<string>()
  /** A stream that is read again begins with requests that were heard already. */
  readonly #heard = new Map<string, string>()
  #wake: (() => void) | undefined

  constructor(context: CellContext) {
    this.#context = context
  }

  /** Until the signal. @throws nothing but what is not an error of the center */
  async run(signal: AbortSignal): Promise<void> {
    const failed = Promise.withResolvers<never>()
    const readers: Promise<void>[] = []
    while (!signal.aborted) {
      for (const target of await this.#asking()) {
        if (this.#reading.has(target)) continue
        this.#reading.add(target)
        readers.push(this.#read(target, signal).catch((cause: unknown) => (signal.aborted ? undefined : failed.reject(cause))))
      }
      const aborted = sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
      await Promise.race([aborted, failed.promise])
    }
    await Promise.all(readers)
  }

  /** Takes a request. @throws the signal's reason */
  async next(signal: AbortSignal): Promise<Newest> {
    for (;;) {
      signal.throwIfAborted()
      for (const [target, request] of this.#newest) {
        this.#newest.delete(target)
        return { target, request }
      }
      const woken = Promise.withResolvers<void>()
      this.#wake = woken.resolve
      signal.addEventListener('abort', () => woken.resolve(), { once: true })
      await woken.promise
    }
  }

  /** The target has asked for something else meanwhile. */
  hasNewer({ target }: Newest): boolean {
    return this.#newest.has(target)
  }

  /** Cells whose stream of requests exists. A center that cannot be reached has none for now. */
  async #asking(): Promise<string[]> {
    try {
      const streams = await this.#context.center.streams()
      return streams
        .filter((stream) => stream.endsWith(`/${REQUEST_STORE}`))
        .map((stream) => stream.slice(0, -REQUEST_STORE.length - 1))
        .filter((cell) => cell !== this.#context.cell)
    } catch (cause) {
      if (!isCellwayError(cause)) throw cause
      return []
    }
  }

  async #read(target: string, signal: AbortSignal): Promise<void> {
    const { center, cell } = this.#context
    const stream = `${target}/${REQUEST_STORE}`
    while (!signal.aborted) {
      try {
        // From the oldest: a target trims what it no longer wants, so there are few, and the newest is found by itself.
        for await (const { records } of center.read(stream, 'oldest', { maxBytes: READ_BYTES, signal })) {
          for (const { payload } of records) this.#take(target, parseRequest(payload), cell)
        }
      } catch (cause) {
        if (signal.aborted) return
        if (!isCellwayError(cause)) throw cause
        await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  #take(target: string, request: SnapshotRequest | undefined, cell: string): void {
    if (request === undefined || this.#heard.get(target) === request.id) return
    this.#heard.set(target, request.id)
    // A target that turned to another source has no use for what it asked here.
    if (request.source !== cell) this.#newest.delete(target)
    else this.#newest.set(target, request)
    this.#wake?.()
  }
}

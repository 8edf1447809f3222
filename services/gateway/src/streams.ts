export type StreamKind = 'websocket' | 'event-stream'

/** A long-lived answer, and the bucket and cell it was opened for. */
export interface OpenStream {
  readonly kind: StreamKind
  readonly space: string | undefined
  readonly bucket: string | undefined
  readonly servedBy: string
  /** Ends it so that the client connects again: 1001 for a WebSocket, end of stream for events. */
  close(reason: 'moved' | 'draining'): void
}

/** Every WebSocket and event stream that is open, so that a shift or a drain can end the right ones. */
export class StreamRegistry {
  readonly #open = new Set<OpenStream>()
  readonly moved: Record<StreamKind, number> = { websocket: 0, 'event-stream': 0 }

  /** @returns removes it again. */
  add(stream: OpenStream): () => void {
    this.#open.add(stream)
    return () => this.#open.delete(stream)
  }

  count(kind: StreamKind): number {
    let count = 0
    for (const stream of this.#open) if (stream.kind === kind) count += 1
    return count
  }

  get size(): number {
    return this.#open.size
  }

  /** Ends the streams whose bucket now belongs to another cell. */
  closeMoved(ownerOf: (space: string, bucket: string) => string | undefined): void {
    for (const stream of [...this.#open]) {
      if (stream.space === undefined || stream.bucket === undefined) continue
      if (ownerOf(stream.space, stream.bucket) === stream.servedBy) continue
      this.moved[stream.kind] += 1
      this.#open.delete(stream)
      stream.close('moved')
    }
  }

  closeAll(): void {
    for (const stream of [...this.#open]) {
      this.#open.delete(stream)
      stream.close('draining')
    }
  }
}

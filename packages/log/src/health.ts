import { logClosed, logFailed, logOverloaded } from './errors.ts'
import type { FileSystem } from './files.ts'
import type { LogEvent } from './log.ts'

/** What the streams of one log share: whether it still works, what waits for the disk, and what room the disk has. */
export interface Health {
  /** @throws LOG_CLOSED, LOG_FAILED */
  assertAlive(): void
  /** From now on nothing is acknowledged and nothing is served. Gives the error for those who waited. */
  fail(stream: string, cause: unknown): void
  onEnd(listener: () => void): void
  close(): void
  readonly failed: boolean
  /** @throws LOG_OVERLOADED */
  enqueue(stream: string, bytes: number): void
  dequeue(bytes: number): void
  /** Asks the disk at most once for every so many bytes and milliseconds; so the room left must be larger than what one step takes. */
  hasRoom(bytes: number): Promise<boolean>
}

export interface HealthOptions {
  readonly adapter: string
  readonly folder: string
  readonly files: FileSystem
  readonly monotonicMs: () => number
  readonly pendingBytesMax: number
  readonly pendingAppendsMax: number
  readonly freeBytesMin: number
  readonly onEvent: (event: LogEvent) => void
}

const ROOM_KNOWN_MS = 1000
const ROOM_KNOWN_BYTES = 16 * 1024 * 1024

export function createHealth(options: HealthOptions): Health {
  const { adapter, folder, files, monotonicMs, pendingBytesMax, pendingAppendsMax, freeBytesMin, onEvent } = options
  const listeners: (() => void)[] = []
  let failure: { readonly cause: unknown } | undefined
  let closed = false
  let pendingBytes = 0
  let pendingAppends = 0
  let room = { bytes: 0, untilMs: Number.NEGATIVE_INFINITY, left: 0 }

  return {
    assertAlive() {
      if (failure !== undefined) throw logFailed({ adapter, folder }, { cause: failure.cause })
      if (closed) throw logClosed({ adapter })
    },
    fail(stream, cause) {
      if (failure !== undefined) return
      failure = { cause }
      onEvent({ kind: 'failed', stream, cause })
      for (const listener of listeners) listener()
    },
    onEnd: (listener) => void listeners.push(listener),
    close() {
      closed = true
      for (const listener of listeners) listener()
    },
    get failed() {
      return failure !== undefined
    },
    enqueue(stream, bytes) {
      if (pendingBytes + bytes > pendingBytesMax) throw logOverloaded({ stream, reason: 'pending', limit: pendingBytesMax })
      if (pendingAppends >= pendingAppendsMax) throw logOverloaded({ stream, reason: 'pending', limit: pendingAppendsMax })
      pendingBytes += bytes
      pendingAppends += 1
    },
    dequeue(bytes) {
      pendingBytes -= bytes
      pendingAppends -= 1
    },
    async hasRoom(bytes) {
      if (monotonicMs() > room.untilMs || room.left < bytes) {
        const free = await files.freeBytes(folder)
        room = { bytes: free, untilMs: monotonicMs() + ROOM_KNOWN_MS, left: ROOM_KNOWN_BYTES + bytes }
      }
      const enough = room.bytes - bytes >= freeBytesMin
      if (enough) room = { bytes: room.bytes - bytes, untilMs: room.untilMs, left: room.left - bytes }
      // A full disk is asked again at the next append.
      else room = { bytes: 0, untilMs: Number.NEGATIVE_INFINITY, left: 0 }
      return enough
    }
  }
}

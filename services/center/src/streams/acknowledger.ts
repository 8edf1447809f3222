import type { ServerResponse } from 'node:http'
import type { CellwayError } from '@cellway/base'
import type { LogPosition } from '@cellway/log'
import { encodeAck, encodeError, encodeStream, errorToWire } from '@cellway/log'

/** Answers the appends of one link, in their order. The first refusal is the last answer, and nothing behind it becomes durable. */
export interface Acknowledger {
  /** @param start appends; gives up when the signal aborts, as long as it can */
  add(bytes: number, start: (signal: AbortSignal) => Promise<LogPosition>): void
  /** Nothing more is to be added. */
  readonly refused: boolean
  /** Resolves when everything added is answered; never rejects. */
  idle(): Promise<void>
}

export interface AcknowledgerOptions {
  readonly response: ServerResponse
  readonly asError: (cause: unknown) => CellwayError
  readonly onAck: (bytes: number, ms: number) => void
  readonly onRefusal: (error: CellwayError) => void
  /** Once for each that was added, when nothing of it is held any more. */
  readonly onDone: (bytes: number) => void
}

interface Taken {
  readonly number: number
  readonly bytes: number
  readonly append: Promise<LogPosition>
  readonly withdraw: AbortController
  readonly sinceMs: number
}

export function createAcknowledger({ response, asError, onAck, onRefusal, onDone }: AcknowledgerOptions): Acknowledger {
  const queue: Taken[] = []
  let working: Promise<void> | undefined
  let logId: string | undefined
  let count = 0
  let refusedFrom = Number.POSITIVE_INFINITY

  async function work(): Promise<void> {
    for (let taken = queue.shift(); taken !== undefined; taken = queue.shift()) {
      try {
        acknowledge(taken, await taken.append)
      } catch (cause) {
        if (taken.number === refusedFrom) refuse(taken.number, asError(cause))
      }
      onDone(taken.bytes)
    }
    working = undefined
  }

  function acknowledge({ number, bytes, sinceMs }: Taken, position: LogPosition): void {
    onAck(bytes, performance.now() - sinceMs)
    const frames = [encodeAck(number, position.sequence)]
    if (logId !== position.logId) frames.unshift(encodeStream(position.logId))
    logId = position.logId
    // Behind a refusal nothing is told: the writer has given up on it.
    if (number < refusedFrom) sendSoon(response, frames)
  }

  function refuse(number: number, error: CellwayError): void {
    onRefusal(error)
    sendSoon(response, [encodeError(number, errorToWire(error))])
  }

  return {
    add(bytes, start) {
      count += 1
      const withdraw = new AbortController()
      const taken = { number: count, bytes, append: start(withdraw.signal), withdraw, sinceMs: performance.now() }
      queue.push(taken)
      // At once, not only when its turn comes: what is behind it still waits for the disk, and must not get there.
      taken.append.catch((cause: unknown) => {
        if (taken.number > refusedFrom) return
        refusedFrom = taken.number
        for (const other of queue) if (other.number > taken.number) other.withdraw.abort(cause)
      })
      working ??= work()
    },
    get refused() {
      return refusedFrom !== Number.POSITIVE_INFINITY
    },
    idle: () => working ?? Promise.resolve()
  }
}

/** What is answered in one turn of the event loop goes out as one piece. */
function sendSoon(response: ServerResponse, frames: readonly Buffer[]): void {
  if (response.writableEnded || response.destroyed) return
  if (response.writableCorked === 0) {
    response.cork()
    process.nextTick(() => response.uncork())
  }
  for (const frame of frames) response.write(frame)
}

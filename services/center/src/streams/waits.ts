import type { IncomingMessage, ServerResponse } from 'node:http'
import { logLinkBroken } from '@cellway/log'

/** The next piece of a body; undefined at its end. @throws the signal's reason, LOG_LINK_BROKEN */
export async function nextPiece(request: IncomingMessage, signal: AbortSignal): Promise<Buffer | undefined> {
  for (;;) {
    signal.throwIfAborted()
    const piece = request.read() as Buffer | null
    if (piece !== null) return piece
    if (request.readableEnded) return undefined
    if (request.destroyed) throw logLinkBroken({ problem: 'the client went away' })
    await oneOf(request, ['readable', 'end', 'close', 'error'], signal)
  }
}

/** Until the other side has taken what was written. @throws the signal's reason, LOG_LINK_BROKEN */
export async function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  while (response.writableNeedDrain) {
    signal.throwIfAborted()
    if (response.destroyed) throw logLinkBroken({ problem: 'the client went away' })
    await oneOf(response, ['drain', 'close', 'error'], signal)
  }
}

/** Resolves at the first of the events, or when the signal aborts; leaves no listener behind. */
function oneOf(emitter: NodeJS.EventEmitter, events: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) emitter.removeListener(event, done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    for (const event of events) emitter.on(event, done)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}

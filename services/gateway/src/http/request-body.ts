import { Readable } from 'node:stream'
import { badRequest, bodyTooLarge } from '../errors.ts'
import type { BodyReader, ClientRequest } from './client.ts'
import { checkTrailers, type ValidHead } from './head.ts'

export type RequestBody =
  | { readonly kind: 'none' }
  /** Whole and in memory, so that the request can be sent again. */
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  /** Larger than the replay limit: goes through once. `contentLength` is known when the client gave it. */
  | { readonly kind: 'stream'; readonly stream: Readable; readonly contentLength: number | undefined }

export interface BodyOptions {
  /** Bytes kept for a replay; larger bodies stream. */
  readonly replayBytesMax: number
  /** Bytes the route allows. */
  readonly bytesMax: number
}

/** Called once, perhaps before `readRequestBody` returns. */
export interface BodyWaiter {
  onBody(body: RequestBody): void
  /** GW_BODY_TOO_LARGE, GW_BAD_REQUEST, GW_HEADER_FORBIDDEN, GW_REQUEST_TIMEOUT */
  onBodyError(error: unknown): void
}

/**
 * Reads small bodies whole (a slow client then costs the instance nothing), and turns larger ones into a stream with back-pressure.
 * The stream never ends the client's connection: that is needed for the answer.
 */
export function readRequestBody(request: ClientRequest, head: ValidHead, options: BodyOptions, waiter: BodyWaiter): void {
  if (head.bodyKind === 'none') waiter.onBody({ kind: 'none' })
  else if (head.bodyKind === 'length' && head.bodyBytes > options.replayBytesMax) {
    waiter.onBody({ kind: 'stream', stream: new BodyStream(request, [], head, options.bytesMax), contentLength: head.bodyBytes })
  } else gather(request, head, options, waiter)
}

function gather(request: ClientRequest, head: ValidHead, { replayBytesMax, bytesMax }: BodyOptions, waiter: BodyWaiter): void {
  const chunks: Buffer[] = []
  let bytes = 0
  request.readBody({
    onData: (chunk) => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes > bytesMax) {
        request.leaveBody()
        waiter.onBodyError(bodyTooLarge({ bytesMax }))
      } else if (bytes > replayBytesMax) {
        waiter.onBody({ kind: 'stream', stream: new BodyStream(request, chunks, head, bytesMax), contentLength: undefined })
      }
    },
    onEnd: (trailers) => {
      const problem = endProblem(trailers, head, bytes)
      if (problem !== undefined) waiter.onBodyError(problem)
      else waiter.onBody({ kind: 'whole', bytes: chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, bytes) })
    },
    onError: (error) => waiter.onBodyError(error)
  })
}

/** A body that passes through. It is read from the client only as fast as it is read from here. */
class BodyStream extends Readable implements BodyReader {
  readonly #request: ClientRequest
  readonly #head: ValidHead
  readonly #bytesMax: number
  #bytes = 0

  constructor(request: ClientRequest, first: readonly Buffer[], head: ValidHead, bytesMax: number) {
    super()
    this.#request = request
    this.#head = head
    this.#bytesMax = bytesMax
    for (const chunk of first) {
      this.#bytes += chunk.length
      this.push(chunk)
    }
    request.readBody(this)
  }

  override _read(): void {
    this.#request.resumeBody()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#request.leaveBody()
    done(error)
  }

  onData(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#bytesMax) this.destroy(bodyTooLarge({ bytesMax: this.#bytesMax }))
    else if (!this.push(chunk)) this.#request.pauseBody()
  }

  /** Trailers are seen before the last byte goes upstream, so a bad one still stops the request. */
  onEnd(trailers: readonly string[]): void {
    const problem = endProblem(trailers, this.#head, this.#bytes)
    if (problem === undefined) this.push(null)
    else this.destroy(problem)
  }

  onError(error: Error): void {
    this.destroy(error)
  }
}

function endProblem(trailers: readonly string[], head: ValidHead, bytes: number): Error | undefined {
  try {
    checkTrailers(trailers)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
  return head.bodyKind === 'length' && bytes !== head.bodyBytes
    ? badRequest({ rule: 'the body is shorter or longer than Content-Length' })
    : undefined
}

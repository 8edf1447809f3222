import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { Readable } from 'node:stream'
import { badRequest, bodyTooLarge } from '../errors.ts'
import { isClosing } from './answer.ts'
import { checkTrailers, type ValidHead } from './head.ts'

export type ClientRequest = IncomingMessage | Http2ServerRequest

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

/**
 * Reads small bodies whole (a slow client then costs the instance nothing), and turns larger ones into a stream with back-pressure.
 * The stream never destroys the request: its socket is needed for the answer.
 * @throws GW_BODY_TOO_LARGE, GW_BAD_REQUEST, GW_HEADER_FORBIDDEN
 */
export function readRequestBody(request: ClientRequest, head: ValidHead, options: BodyOptions): Promise<RequestBody> {
  if (head.bodyKind === 'none') return Promise.resolve({ kind: 'none' })
  if (head.bodyKind === 'length' && head.bodyBytes > options.replayBytesMax) {
    return Promise.resolve({ kind: 'stream', stream: bodyStream(request, [], head, options.bytesMax), contentLength: head.bodyBytes })
  }
  return gather(request, head, options)
}

function gather(request: ClientRequest, head: ValidHead, { replayBytesMax, bytesMax }: BodyOptions): Promise<RequestBody> {
  const { promise, resolve, reject } = Promise.withResolvers<RequestBody>()
  const chunks: Buffer[] = []
  let bytes = 0
  const settle = (finish: () => void): void => {
    request.off('data', onData).off('end', onEnd).off('close', onClose)
    finish()
  }
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length
    chunks.push(chunk)
    if (bytes > bytesMax) settle(() => reject(bodyTooLarge({ bytesMax })))
    else if (bytes > replayBytesMax) {
      request.pause()
      settle(() => resolve({ kind: 'stream', stream: bodyStream(request, chunks, head, bytesMax), contentLength: undefined }))
    }
  }
  const onEnd = (): void =>
    settle(() => {
      try {
        checkEnd(request, head, bytes)
        resolve({ kind: 'whole', bytes: chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, bytes) })
      } catch (error) {
        reject(error)
      }
    })
  const onClose = (): void => settle(() => reject(badRequest({ rule: 'the body ended early' })))
  request.on('data', onData).on('end', onEnd).on('close', onClose)
  return promise
}

function bodyStream(request: ClientRequest, first: readonly Buffer[], head: ValidHead, bytesMax: number): Readable {
  let bytes = first.reduce((sum, chunk) => sum + chunk.length, 0)
  const stream = new Readable({
    read: () => request.resume(),
    destroy: (error, done) => {
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      // Behind the last answer of a connection the rest is read and thrown away; before it, the client has to wait.
      if (isClosing(request.socket)) request.resume()
      else request.pause()
      done(error)
    }
  })
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length
    if (bytes > bytesMax) stream.destroy(bodyTooLarge({ bytesMax }))
    else if (!stream.push(chunk)) request.pause()
  }
  const onEnd = (): void => {
    try {
      checkEnd(request, head, bytes)
      stream.push(null)
    } catch (error) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }
  const onClose = (): void => {
    if (!request.complete) stream.destroy(badRequest({ rule: 'the body ended early' }))
  }
  for (const chunk of first) stream.push(chunk)
  request.on('data', onData).on('end', onEnd).on('close', onClose)
  return stream
}

/** Trailers are seen before the last byte goes upstream, so a bad one still stops the request. */
function checkEnd(request: ClientRequest, head: ValidHead, bytes: number): void {
  checkTrailers(request.rawTrailers)
  if (head.bodyKind === 'length' && bytes !== head.bodyBytes) throw badRequest({ rule: 'the body is shorter or longer than Content-Length' })
}

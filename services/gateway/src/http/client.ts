import type { Socket } from 'node:net'
import type { BodyKind } from './head.ts'

/**
 * What the phases need of a client, whichever version it speaks: HTTP/1 over our own connections (`http1/`), HTTP/2 over node's
 * (`http2/`). Nothing here throws when the client is gone; `onGone` has said so.
 */
export interface ClientRequest {
  readonly method: string
  readonly target: string
  /** `1.0`, `1.1`, `2.0`; on the HTTP/1 wire also what is no version of it. */
  readonly version: string
  /** Name, value, …; with the pseudo headers on HTTP/2. */
  readonly rawHeaders: readonly string[]
  /** HTTP/2 only: the head did not end the stream, so a body follows even without a length. */
  readonly bodyFollows: boolean
  /** Address of the other end of the connection. */
  readonly peer: string
  readonly encrypted: boolean
  /** The head is sound: from here on it is known where the request ends and whether another may follow. */
  accept(framing: RequestFraming): void
  /** Hands the body over from now on, also what is there already; another reader takes the place of the one before. */
  readBody(reader: BodyReader): void
  pauseBody(): void
  resumeBody(): void
  /** Nobody reads the rest; the client has to wait with it until the answer, and then it is thrown away. */
  leaveBody(): void
  /** Gives the connection to another protocol, with what the client has sent behind its request. HTTP/2 cannot: undefined. */
  handOver(): { readonly socket: Socket; readonly first: Buffer } | undefined
}

export interface RequestFraming {
  readonly bodyKind: BodyKind
  readonly bodyBytes: number
  /** The client wants to send another request over this connection. */
  readonly persistent: boolean
}

/** `onData` … `onEnd`, or `onError` at any time; nothing after the last. */
export interface BodyReader {
  onData(chunk: Buffer): void
  /** @param trailers name, value, … */
  onEnd(trailers: readonly string[]): void
  /** GW_BAD_REQUEST when it broke or ended early, GW_REQUEST_TIMEOUT */
  onError(error: Error): void
}

export interface AnswerOptions {
  /** The connection ends behind this answer. It does so anyway when the request is not complete, or the client asked for it. */
  readonly closing: boolean
}

export interface ClientResponse {
  /** The head of an answer has been given: nothing else can be answered any more. */
  readonly begun: boolean
  /** The client is gone, or the connection belongs to something else. */
  readonly gone: boolean
  /** Told once, and only if it happens before the end of the answer. */
  onGone(listener: () => void): void
  sendContinue(): void
  /** A whole answer. `headers` (name, value, …) has the length if the body has one. */
  send(statusCode: number, headers: string[], body: Buffer | string, options: AnswerOptions): void
  /** The head; it leaves with the first bytes of the body, or with `flush`. Without a length the body is framed as the version allows. */
  begin(statusCode: number, headers: string[], options: AnswerOptions): void
  flush(): void
  /** @returns false when the client reads more slowly than we write: wait for `onDrain`. */
  write(chunk: Buffer): boolean
  /** Told once; takes the place of an earlier one. */
  onDrain(listener: () => void): void
  end(): void
  /** Ends an answer that cannot be completed so that nobody takes it for whole. */
  abort(): void
}

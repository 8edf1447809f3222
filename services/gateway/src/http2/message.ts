import { constants, type Http2ServerRequest, type Http2ServerResponse, type OutgoingHttpHeaders } from 'node:http2'
import { badRequest } from '../errors.ts'
import type { BodyReader, ClientRequest, ClientResponse } from '../http/client.ts'

/** One stream of a session in node's HTTP/2 server. */
export class Message implements ClientRequest, ClientResponse {
  readonly #request: Http2ServerRequest
  readonly #response: Http2ServerResponse
  readonly version = '2.0'
  /** HTTP/2 is only spoken inside of TLS here. */
  readonly encrypted = true
  #stopReading: (() => void) | undefined

  constructor(request: Http2ServerRequest, response: Http2ServerResponse) {
    this.#request = request
    this.#response = response
  }

  get method(): string {
    return this.#request.method
  }

  get target(): string {
    return this.#request.url
  }

  get rawHeaders(): readonly string[] {
    return this.#request.rawHeaders
  }

  get bodyFollows(): boolean {
    return !this.#request.stream.endAfterHeaders
  }

  get peer(): string {
    return this.#request.socket?.remoteAddress ?? ''
  }

  /** The stream knows its end by itself, and the session goes on. */
  accept(): void {}

  readBody(reader: BodyReader): void {
    const request = this.#request
    this.#stopReading?.()
    const onData = (chunk: Buffer): void => reader.onData(chunk)
    const onEnd = (): void => {
      this.#stopReading?.()
      reader.onEnd(request.rawTrailers)
    }
    const onClose = (): void => {
      this.#stopReading?.()
      reader.onError(badRequest({ rule: 'the body ended early' }))
    }
    this.#stopReading = () => {
      this.#stopReading = undefined
      request.off('data', onData).off('end', onEnd).off('close', onClose)
    }
    request.on('data', onData).on('end', onEnd).on('close', onClose)
    request.resume()
  }

  pauseBody(): void {
    this.#request.pause()
  }

  resumeBody(): void {
    this.#request.resume()
  }

  leaveBody(): void {
    this.#stopReading?.()
    this.#request.pause()
  }

  handOver(): undefined {
    return undefined
  }

  get begun(): boolean {
    return this.#response.headersSent
  }

  get gone(): boolean {
    return this.#response.destroyed
  }

  onGone(listener: () => void): void {
    this.#response.once('close', listener)
  }

  sendContinue(): void {
    this.#response.writeContinue()
  }

  send(statusCode: number, headers: string[], body: Buffer | string): void {
    this.#response.writeHead(statusCode, asObject(headers))
    if (body.length === 0 || this.method === 'HEAD') this.#response.end()
    else this.#response.end(body)
  }

  begin(statusCode: number, headers: string[]): void {
    this.#response.writeHead(statusCode, asObject(headers))
  }

  /** Nothing is kept back here. */
  flush(): void {}

  write(chunk: Buffer): boolean {
    return this.#response.write(chunk)
  }

  onDrain(listener: () => void): void {
    this.#response.once('drain', listener)
  }

  end(): void {
    this.#response.end()
  }

  abort(): void {
    this.#response.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }
}

function asObject(headers: readonly string[]): OutgoingHttpHeaders {
  const object: Record<string, string | string[]> = Object.create(null)
  for (let at = 0; at < headers.length; at += 2) {
    const name = (headers[at] ?? '').toLowerCase()
    const value = headers[at + 1] ?? ''
    const before = object[name]
    object[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
  }
  return object
}

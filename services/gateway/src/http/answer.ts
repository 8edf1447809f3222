import { type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import type { Socket } from 'node:net'
import type { CellwayError } from '@cellway/base'
import type { Exchange } from '../phases/exchange.ts'
import type { ClientRequest } from './request-body.ts'
import type { UpstreamHead } from './response-headers.ts'

/** Beyond this a second buffer is cheaper than copying the body into a string. */
const SINGLE_WRITE_BYTES_MAX = 16 * 1024
export const SERVED_BY = 'x-cellway-served-by'

/** Passes the upstream's head on, scrubbed, with the cell that served. A request whose body is still coming ends its connection. */
export function answerHead(exchange: Exchange, head: UpstreamHead, { closing }: { readonly closing: boolean }): void {
  const headers = head.headers
  headers.push(SERVED_BY, exchange.servedBy ?? '')
  exchange.statusCode = head.statusCode
  if (exchange.response instanceof ServerResponse) {
    // Bytes of the body that nobody reads would be taken for the next request.
    if (closing || !exchange.request.complete) closeAfter(exchange.request, headers)
    exchange.response.writeHead(head.statusCode, headers)
  } else {
    exchange.response.writeHead(head.statusCode, asObject(headers))
  }
}

/**
 * A whole answer leaves in one write: as one latin1 string node puts it behind the head without another buffer, and latin1 keeps
 * every byte as it is. Its length is known now, however the instance framed it.
 */
export function answerWhole(exchange: Exchange, head: UpstreamHead, body: Buffer, options: { readonly closing: boolean }): void {
  const { response } = exchange
  if (head.framing.kind === 'chunked' || head.framing.kind === 'until-close') head.headers.push('content-length', String(body.length))
  answerHead(exchange, head, options)
  exchange.ended = true
  if (response instanceof ServerResponse) {
    if (body.length > SINGLE_WRITE_BYTES_MAX) response.end(body)
    else response.end(body.toString('latin1'), 'latin1')
  } else response.end(body)
}

/** node keeps a head back until the first byte of the body; HTTP/2 does not. */
export function flushHead({ response }: Exchange): void {
  if (response instanceof ServerResponse && !response.destroyed) response.flushHeaders()
}

/** @returns false when the client reads more slowly than the instance writes: stop until `drain`. */
export function writeAnswer(exchange: Exchange, chunk: Buffer): boolean {
  const { response } = exchange
  return response instanceof ServerResponse ? response.write(chunk) : response.write(chunk)
}

export function endAnswer(exchange: Exchange): void {
  exchange.ended = true
  exchange.response.end()
}

/**
 * Ends an answer that cannot be completed so that nobody takes it for whole: HTTP/2 needs an error code for that, and HTTP/1.0,
 * where the end of the connection may be the end of the body, a reset.
 */
export function breakAnswer({ request, response }: Exchange): void {
  if (!(response instanceof ServerResponse)) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  else if (request.httpVersion === '1.0' && response.socket !== null) response.socket.resetAndDestroy()
  else response.destroy()
}

/** The body of every refusal of ours: a code to match on, a sentence to read, and whether to try again. */
export function refusalBody(error: CellwayError, requestId: string): string {
  return JSON.stringify({ error: { ...error.toJSON(), requestId } })
}

/** Answers with an error of ours. If an answer has begun already, only the end of the connection can tell the client. */
export function refuse(exchange: Exchange, error: CellwayError, { closing }: { readonly closing: boolean }): void {
  const { response, request } = exchange
  exchange.error = error
  if (response.headersSent || response.destroyed) {
    breakAnswer(exchange)
    return
  }
  exchange.statusCode = error.statusCode
  exchange.ended = true
  const body = refusalBody(error, exchange.requestId)
  const headers: string[] = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)), 'cache-control', 'no-store']
  if (error.retry === 'later') headers.push('retry-after', '1')
  if (error.statusCode === 421) headers.push('x-cellway-not-executed', '1')
  if (response instanceof ServerResponse) {
    if (closing || !request.complete || isProtocolError(error)) closeAfter(request, headers)
    response.writeHead(error.statusCode, headers)
    response.end(request.method === 'HEAD' ? undefined : body)
    request.resume()
  } else {
    response.writeHead(error.statusCode, asObject(headers))
    if (request.method === 'HEAD') response.end()
    else response.end(body)
  }
}

/** Connections that have been told to close: node has perhaps parsed a next request of them already, and it must not be served. */
const closingSockets = new WeakSet<object>()

function closeAfter(request: ClientRequest, headers: string[]): void {
  closingSockets.add(request.socket)
  headers.push('connection', 'close')
  if (!request.complete) lingerAtEnd(request)
}

/** How long we read on, and throw away, what a client is still sending after our last byte. */
export const LINGER_MS = 2_000

/**
 * node destroys the socket behind the last answer. With bytes unread the kernel then sends a reset, which can overtake the answer,
 * so the client would never learn why it was refused. (RFC 9112 9.6)
 */
function lingerAtEnd(request: ClientRequest): void {
  const socket: Socket = request.socket
  socket.destroySoon = () => {
    socket.end()
    request.resume()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(timer))
  }
}

/** Whether an answer with `Connection: close` is on its way; whatever comes behind it is nobody's request. */
export function isClosing(socket: object): boolean {
  return closingSockets.has(socket)
}

/** @returns false if it was closing already. */
export function markClosing(socket: object): boolean {
  if (closingSockets.has(socket)) return false
  closingSockets.add(socket)
  return true
}

/** After a request that could be read in two ways, nothing on that connection can be trusted. */
function isProtocolError(error: CellwayError): boolean {
  return error.origin === 'client' && error.code.startsWith('GW_') && error.code !== 'GW_RATE_LIMITED'
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

import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { CellwayError } from '@cellway/base'
import type { DataPlane } from '../data-plane.ts'
import { badRequest, headersTooLarge, requestTimeout } from '../errors.ts'
import { LINGER_MS, markClosing, refusalBody } from '../http/answer.ts'

/** A socket as node's HTTP server marks it. */
type HttpSocket = Socket & {
  /** The answer that is being written on it, if there is one. */
  readonly _httpMessage?: BusyAnswer | null
  /** The parser, and the request whose body it is still reading. */
  readonly parser?: { readonly incoming?: { readonly complete: boolean } | null } | null
}

interface BusyAnswer {
  readonly req: object
  readonly headersSent: boolean
  once(event: 'close', listener: () => void): unknown
}

/**
 * Answers what node's parser refused. node would write a 400 at once, even between the lines of an answer that is still on its
 * way to an earlier request of the same connection; so the refusal waits for that one.
 */
export function answerParserError(plane: DataPlane, error: Error & { readonly code?: string }, socket: HttpSocket): void {
  if (socket.destroyed || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  // The client said it would close and went on talking: its answer is under way, and closes the connection.
  if (error.code === 'HPE_CLOSED_CONNECTION') return
  refuseOnSocket(plane, translate(plane, error), socket)
}

/** One refusal per connection, behind the answers that are under way, and then its end. */
export function refuseOnSocket(plane: DataPlane, refusal: CellwayError, socket: HttpSocket): void {
  if (!markClosing(socket)) {
    // A last answer is under way, or behind us and lingering: it ends the connection itself.
    return
  }
  plane.metrics.onRefused(refusal)
  endWhenFree(socket, rawAnswer(refusal, `${plane.config.member}-parser`))
}

function endWhenFree(socket: HttpSocket, answer: string): void {
  const busy = socket._httpMessage
  const reading = socket.parser?.incoming
  const isBroken = busy !== undefined && busy !== null && reading?.complete === false && busy.req === reading
  if (busy !== undefined && busy !== null && !isBroken) {
    busy.once('close', () => setImmediate(() => endWhenFree(socket, answer)))
    return
  }
  // The broken one is the request whose answer comes next; if that has begun, only the end of the connection can tell.
  if (isBroken && busy.headersSent) socket.destroy()
  // Whoever waits for the rest of that body learns of its end by the socket's.
  else if (isBroken) socket.end(answer, () => socket.destroySoon())
  else linger(socket, answer)
}

/** The client may still be writing: a reset in its face could overtake the answer, so we read on for a moment and throw it away. */
function linger(socket: Socket, answer: string): void {
  socket.end(answer)
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
}

function translate(plane: DataPlane, error: Error & { readonly code?: string }): CellwayError {
  const { limits } = plane.config
  if (error.code === 'HPE_HEADER_OVERFLOW') return headersTooLarge({ headersMax: limits.headersMax, bytesMax: limits.headerBytesMax })
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return requestTimeout({})
  return badRequest({ rule: `not HTTP/1.1 (${error.code ?? 'unknown'})` })
}

/** A whole answer for a socket that has left node's HTTP machinery. */
export function rawAnswer(error: CellwayError, requestId: string): string {
  const body = refusalBody(error, requestId)
  return (
    `HTTP/1.1 ${error.statusCode} ${STATUS_CODES[error.statusCode] ?? 'Error'}\r\n` +
    `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
  )
}

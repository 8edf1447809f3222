import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { CellwayError } from '@cellway/base'
import type { DataPlane } from '../data-plane.ts'
import { badRequest, headersTooLarge, requestTimeout } from '../errors.ts'
import { refusalBody } from '../http/answer.ts'

/** A socket as node's HTTP server marks it: the answer that is being written on it, if there is one. */
type HttpSocket = Socket & { readonly _httpMessage?: { once(event: 'close', listener: () => void): unknown } | null }

/**
 * Answers what node's parser refused. node would write a 400 at once, even between the lines of an answer that is still on its
 * way to an earlier request of the same connection; so the refusal waits for that one.
 */
export function answerParserError(plane: DataPlane, error: Error & { readonly code?: string }, socket: HttpSocket): void {
  if (socket.destroyed || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const refusal = translate(plane, error)
  plane.metrics.onRefused(refusal)
  const busy = socket._httpMessage
  if (busy === undefined || busy === null) socket.end(rawAnswer(refusal, `${plane.config.member}-parser`))
  else busy.once('close', () => socket.end(rawAnswer(refusal, `${plane.config.member}-parser`)))
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

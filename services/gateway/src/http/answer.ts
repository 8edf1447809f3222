import type { CellwayError } from '@cellway/base'
import type { Exchange } from '../phases/exchange.ts'
import type { AnswerOptions } from './client.ts'
import type { UpstreamHead } from './response-headers.ts'

export const SERVED_BY = 'x-cellway-served-by'

/** Passes the upstream's head on, scrubbed, with the cell that served. */
export function answerHead(exchange: Exchange, head: UpstreamHead, options: AnswerOptions): void {
  head.headers.push(SERVED_BY, exchange.servedBy ?? '')
  exchange.statusCode = head.statusCode
  exchange.response.begin(head.statusCode, head.headers, options)
}

/** A whole answer leaves in one write. Its length is known now, however the instance framed it. */
export function answerWhole(exchange: Exchange, head: UpstreamHead, body: Buffer, options: AnswerOptions): void {
  const { headers, framing, statusCode } = head
  if (framing.kind === 'chunked' || framing.kind === 'until-close') headers.push('content-length', String(body.length))
  headers.push(SERVED_BY, exchange.servedBy ?? '')
  exchange.statusCode = statusCode
  exchange.ended = true
  exchange.response.send(statusCode, headers, body, options)
}

export function endAnswer(exchange: Exchange): void {
  exchange.ended = true
  exchange.response.end()
}

/** The body of every refusal of ours: a code to match on, a sentence to read, and whether to try again. */
export function refusalBody(error: CellwayError, requestId: string): string {
  return JSON.stringify({ error: { ...error.toJSON(), requestId } })
}

/** Answers with an error of ours. If an answer has begun already, only the end of the connection can tell the client. */
export function refuse(exchange: Exchange, error: CellwayError, { closing }: AnswerOptions): void {
  const { response } = exchange
  exchange.error = error
  if (response.begun || response.gone) {
    response.abort()
    return
  }
  exchange.statusCode = error.statusCode
  exchange.ended = true
  const body = refusalBody(error, exchange.requestId)
  const headers: string[] = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)), 'cache-control', 'no-store']
  if (error.retry === 'later') headers.push('retry-after', '1')
  if (error.statusCode === 421) headers.push('x-cellway-not-executed', '1')
  response.send(error.statusCode, headers, body, { closing: closing || isProtocolError(error) })
}

/** After a request that could be read in two ways, nothing on that connection can be trusted. */
function isProtocolError(error: CellwayError): boolean {
  return error.origin === 'client' && error.code.startsWith('GW_') && error.code !== 'GW_RATE_LIMITED'
}

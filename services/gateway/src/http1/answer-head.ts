import { STATUS_CODES } from 'node:http'

const STATUS_LINES: readonly string[] = Array.from({ length: 600 }, (_, code) => `HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ''}\r\n`)

/** How the client finds the end of an answer's body. */
export type AnswerBody = 'none' | 'length' | 'chunked' | 'until-close'

export interface AnswerLines {
  /** Status line and the given headers, each with its CRLF; no empty line. */
  readonly text: string
  readonly hasDate: boolean
  readonly hasLength: boolean
}

/** @param headers name, value, …, checked where they came in, or made by us. */
export function answerLines(statusCode: number, headers: readonly string[]): AnswerLines {
  let text = STATUS_LINES[statusCode] ?? `HTTP/1.1 ${statusCode} \r\n`
  let hasDate = false
  let hasLength = false
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    text += `${name}: ${headers[at + 1]}\r\n`
    if (name.length === 4) hasDate ||= name.toLowerCase() === 'date'
    else if (name.length === 14) hasLength ||= name.toLowerCase() === 'content-length'
  }
  return { text, hasDate, hasLength }
}

/** RFC 9110 6.4.1: these have none, whatever their headers say. */
export function hasNoBody(method: string, statusCode: number): boolean {
  return method === 'HEAD' || statusCode === 204 || statusCode === 304
}

/** `Date` for answers that have none (RFC 9110 6.6.1), made once per second. */
export class DateLine {
  #second = -1
  #line = ''

  at(nowMs: number): string {
    const second = Math.floor(nowMs / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#line = `Date: ${new Date(second * 1000).toUTCString()}\r\n`
    }
    return this.#line
  }
}

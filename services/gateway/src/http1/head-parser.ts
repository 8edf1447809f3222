import { badRequest, headersTooLarge } from '../errors.ts'
import { COLON, CR, LF, SPACE, TAB, TEXT, TOKEN, VISIBLE } from '../http/characters.ts'

export interface HeadParserLimits {
  readonly headersMax: number
  /** Bytes of the whole head, line ends included. */
  readonly headerBytesMax: number
}

/** What `push` says while the empty line has not come yet. */
export const UNFINISHED = -1

const VERSION_TEXT = 'HTTP/'
/** `HTTP/1.1` */
const VERSION_CHARS = 8

/**
 * Reads the head of one request from latin1 text, however the bytes are cut. Nothing is repaired and nothing skipped but empty lines
 * in front (RFC 9112 2.2): lines end in CR LF, a name is a token that touches its colon, no line is folded, one blank parts the
 * request line. What is allowed to mean something is not judged here, but in `head.ts`. Pure.
 */
export class HeadParser {
  readonly #limits: HeadParserLimits
  /** Start of the line that is not complete yet; all before it is read. */
  #lineAt = 0
  /** Up to here the characters of that line are known to be allowed in some line. */
  #checkedTo = 0
  method = ''
  target = ''
  /** `1.1` */
  version = ''
  /** Name, value, … */
  readonly rawHeaders: string[] = []

  constructor(limits: HeadParserLimits) {
    this.#limits = limits
  }

  /** Only empty lines so far: no request has begun. */
  isBlank(text: string): boolean {
    return this.method === '' && this.#lineAt === text.length
  }

  /**
   * @param text everything from the head's first byte on; each time the same, and longer. More than the limit need not be given.
   * @returns how many characters the head has, or `UNFINISHED`
   * @throws GW_BAD_REQUEST, GW_HEADERS_TOO_LARGE
   */
  push(text: string): number {
    // A line is read once, when its end is there: a client that sends byte by byte must not make us read it as often.
    if (this.#checkedTo > this.#lineAt && text.indexOf('\n', this.#checkedTo) === -1) return this.#waitForMore(text)
    while (this.#lineAt < text.length) {
      const lineAt = this.#lineAt
      const next = this.method === '' ? this.#readRequestLine(text, lineAt) : this.#readHeaderLine(text, lineAt)
      if (next === UNFINISHED) return this.#waitForMore(text)
      if (next > this.#limits.headerBytesMax) throw this.#tooLarge()
      this.#lineAt = next
      this.#checkedTo = next
      if (next - lineAt === 2 && this.method !== '') return next
    }
    return this.#waitForMore(text)
  }

  /** What can never become a line is refused now, not when its end comes: it may never come. */
  #waitForMore(text: string): typeof UNFINISHED {
    const end = Math.min(text.length, this.#limits.headerBytesMax)
    let at = this.#checkedTo
    while (at < end && TEXT[text.charCodeAt(at)] === 1) at += 1
    // The last character may be the first half of a line end.
    if (at < end && !(text.charCodeAt(at) === CR && at === text.length - 1)) throw this.#malformed(text, at)
    this.#checkedTo = at
    if (text.length > this.#limits.headerBytesMax) throw this.#tooLarge()
    return UNFINISHED
  }

  /** @returns where the next line begins */
  #readRequestLine(text: string, lineAt: number): number {
    if (text.charCodeAt(lineAt) === CR) return this.#endOfLine(text, lineAt)
    let at = lineAt
    while (TOKEN[text.charCodeAt(at)] === 1) at += 1
    const methodEnd = at
    if (at === text.length) return UNFINISHED
    if (text.charCodeAt(at) !== SPACE || at === lineAt) throw this.#malformed(text, at)
    at += 1
    const targetAt = at
    while (VISIBLE[text.charCodeAt(at)] === 1) at += 1
    const targetEnd = at
    if (at === text.length) return UNFINISHED
    if (text.charCodeAt(at) !== SPACE || at === targetAt) throw this.#malformed(text, at)
    at += 1
    const versionAt = at
    at = this.#skipVersion(text, at)
    if (at === text.length) return UNFINISHED
    const next = this.#endOfLine(text, at)
    if (next === UNFINISHED) return UNFINISHED
    this.method = text.slice(lineAt, methodEnd)
    this.target = text.slice(targetAt, targetEnd)
    this.version = text.slice(versionAt + VERSION_TEXT.length, at)
    return next
  }

  /** @returns where the next line begins */
  #readHeaderLine(text: string, lineAt: number): number {
    let at = lineAt
    while (TOKEN[text.charCodeAt(at)] === 1) at += 1
    const nameEnd = at
    if (at === text.length) return UNFINISHED
    if (at === lineAt && text.charCodeAt(at) === CR) return this.#endOfLine(text, at)
    // Also what stands in front of a colon but is no name, and a folded line, which begins with a blank.
    if (text.charCodeAt(at) !== COLON || at === lineAt) throw this.#malformed(text, at)
    at += 1
    while (isBlankCode(text.charCodeAt(at))) at += 1
    const valueAt = at
    while (TEXT[text.charCodeAt(at)] === 1) at += 1
    if (at === text.length) return UNFINISHED
    const next = this.#endOfLine(text, at)
    if (next === UNFINISHED) return UNFINISHED
    let valueEnd = at
    while (valueEnd > valueAt && isBlankCode(text.charCodeAt(valueEnd - 1))) valueEnd -= 1
    this.rawHeaders.push(text.slice(lineAt, nameEnd), text.slice(valueAt, valueEnd))
    return next
  }

  #endOfLine(text: string, at: number): number {
    if (text.charCodeAt(at) !== CR) throw this.#malformed(text, at)
    if (at + 1 === text.length) return UNFINISHED
    if (text.charCodeAt(at + 1) !== LF) throw this.#malformed(text, at + 1)
    return at + 2
  }

  /** @returns where the version ends, or the text's end if there is less of it */
  #skipVersion(text: string, versionAt: number): number {
    const length = Math.min(VERSION_CHARS, text.length - versionAt)
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(versionAt + index)
      const fits = index === 5 || index === 7 ? code >= 0x30 && code <= 0x39 : code === (index === 6 ? 0x2e : VERSION_TEXT.charCodeAt(index))
      if (!fits) throw this.#malformed(text, versionAt + index)
    }
    return versionAt + length
  }

  /** The byte is named, because most who meet this have a bug and not a plan. Behind the limit it does not matter what stands there. */
  #malformed(text: string, at: number): Error {
    if (at >= this.#limits.headerBytesMax) return this.#tooLarge()
    return badRequest({ rule: `not HTTP/1.1: byte 0x${text.charCodeAt(at).toString(16).padStart(2, '0')} may not stand at ${at} of the head` })
  }

  #tooLarge(): Error {
    return headersTooLarge({ headersMax: this.#limits.headersMax, bytesMax: this.#limits.headerBytesMax })
  }
}

function isBlankCode(code: number): boolean {
  return code === SPACE || code === TAB
}

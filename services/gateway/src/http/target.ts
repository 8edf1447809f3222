import { badRequest, urlTooLong } from '../errors.ts'

export interface Target {
  /** Raw path, starts with `/`. */
  readonly path: string
  /** Raw query without `?`. */
  readonly query: string
}

const SLASH = 0x2f
const DOT = 0x2e
const PERCENT = 0x25
const MARK = 0x3f

/**
 * Takes the request target apart without decoding it. Absolute form is accepted when it names the same host.
 * Dot segments, encoded slashes and empty segments are refused: the app could read another path than we routed by.
 * @throws GW_BAD_REQUEST, GW_URL_TOO_LONG
 */
export function parseTarget(target: string, host: string, bytesMax: number): Target {
  if (target.length > bytesMax) throw urlTooLong({ bytesMax })
  if (!isUriText(target)) throw badRequest({ rule: 'the request target holds a character that must be percent-encoded' })
  const origin = target.charCodeAt(0) === SLASH ? target : originForm(target, host)
  const pathEnd = checkPath(origin)
  return pathEnd === origin.length ? { path: origin, query: '' } : { path: origin.slice(0, pathEnd), query: origin.slice(pathEnd + 1) }
}

/** Visible ASCII without `#` and `\`, which servers read in two ways. */
function isUriText(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x21 || code > 0x7e || code === 0x23 || code === 0x5c) return false
  }
  return text !== ''
}

function originForm(target: string, host: string): string {
  const match = /^https?:\/\/([^/?]*)(.*)$/i.exec(target)
  if (match === null) throw badRequest({ rule: 'the request target must start with / (or be an absolute http URL)' })
  const [, authority = '', rest = ''] = match
  if (authority.toLowerCase() !== host) throw badRequest({ rule: 'the absolute request target names another host than Host' })
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** One walk that finds the end of the path and whether it needs a closer look, which few paths do. @returns where the path ends */
function checkPath(origin: string): number {
  let hasDots = false
  let hasPercent = false
  let before = 0
  let at = 0
  for (; at < origin.length; at++) {
    const code = origin.charCodeAt(at)
    if (code === MARK) break
    if (code === PERCENT) hasPercent = true
    else if (before === SLASH) {
      if (code === SLASH) throw badRequest({ rule: 'the path has an empty segment' })
      if (code === DOT) hasDots = true
    }
    before = code
  }
  if (hasDots) checkDotSegments(origin.slice(0, at))
  if (hasPercent) checkEncoding(origin.slice(0, at))
  return at
}

function checkDotSegments(path: string): void {
  // `;` begins path parameters in some servers, which then see `..;x` as `..`.
  if (/\/\.{1,2}(?:[/;]|$)/.test(path)) throw badRequest({ rule: 'the path has a dot segment' })
}

function checkEncoding(path: string): void {
  if (/%(?:2f|5c|00|2e(?:%2e|\.)?(?:[/;]|$)|25(?:2f|5c|2e|00))/i.test(path) || /\/\.%2e(?:[/;]|$)/i.test(path)) {
    throw badRequest({ rule: 'the path hides a slash, a backslash, a dot segment or NUL by percent-encoding' })
  }
  try {
    decodeURIComponent(path)
  } catch {
    throw badRequest({ rule: 'the path is not percent-encoded UTF-8' })
  }
}

import { badRequest, urlTooLong } from '../errors.ts'

export interface Target {
  /** Raw path, starts with `/`. */
  readonly path: string
  /** Raw query without `?`. */
  readonly query: string
}

/** Visible ASCII without `#`, `\`, and the characters no URI may hold raw; a raw `#` or `\` is read in two ways by servers. */
const TARGET_PATTERN = /^[!$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~|{}^"<>`]+$/

/**
 * Takes the request target apart without decoding it. Absolute form is accepted when it names the same host.
 * Dot segments, encoded slashes and empty segments are refused: the app could read another path than we routed by.
 * @throws GW_BAD_REQUEST, GW_URL_TOO_LONG
 */
export function parseTarget(target: string, host: string, bytesMax: number): Target {
  if (target.length > bytesMax) throw urlTooLong({ bytesMax })
  if (!TARGET_PATTERN.test(target)) throw badRequest({ rule: 'the request target holds a character that must be percent-encoded' })
  const origin = target.charCodeAt(0) === 0x2f ? target : originForm(target, host)
  const mark = origin.indexOf('?')
  const path = mark === -1 ? origin : origin.slice(0, mark)
  checkPath(path)
  return { path, query: mark === -1 ? '' : origin.slice(mark + 1) }
}

function originForm(target: string, host: string): string {
  const match = /^https?:\/\/([^/?]*)(.*)$/i.exec(target)
  if (match === null) throw badRequest({ rule: 'the request target must start with / (or be an absolute http URL)' })
  const [, authority = '', rest = ''] = match
  if (authority.toLowerCase() !== host) throw badRequest({ rule: 'the absolute request target names another host than Host' })
  return rest.startsWith('/') ? rest : `/${rest}`
}

function checkPath(path: string): void {
  if (path.includes('//')) throw badRequest({ rule: 'the path has an empty segment' })
  if (path.includes('/.')) checkDotSegments(path)
  if (path.includes('%')) checkEncoding(path)
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

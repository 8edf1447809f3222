import { badRequest } from '../errors.ts'
import { remember } from './remember.ts'

export interface Authority {
  /** Lower case, with port if there was one. */
  readonly text: string
  /** Lower case, without port. */
  readonly host: string
}

/** Host as RFC 3986 has it: a name, an IPv4 or a bracketed IPv6 address, and a port. */
const AUTHORITY_PATTERN = /^(?:[a-z0-9_~!$&'()*+;=-]+(?:\.[a-z0-9_~!$&'()*+;=-]+)*\.?|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?$/

/** Longest name in the DNS. */
const AUTHORITY_CHARS_MAX = 255

/** A gateway serves few hosts, and each in one spelling. @throws GW_BAD_REQUEST */
export const parseAuthority: (given: string) => Authority = remember(parse, { entriesMax: 1_000, charsMax: AUTHORITY_CHARS_MAX })

function parse(given: string): Authority {
  const text = given.toLowerCase()
  const match = text.length > AUTHORITY_CHARS_MAX ? null : AUTHORITY_PATTERN.exec(text)
  const port = match?.[1]
  if (match === null || Number(port ?? 0) > 65_535) throw badRequest({ rule: 'Host is not a host name with an optional port' })
  return { text, host: port === undefined ? text : text.slice(0, -port.length - 1) }
}

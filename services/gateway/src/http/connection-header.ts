import { headerForbidden } from '../errors.ts'
import { isProtectedFromConnection } from './names.ts'
import { remember } from './remember.ts'

/** What a `Connection` header says; nearly always one of `keep-alive`, `close` and `Upgrade`. */
export interface ConnectionHeader {
  readonly upgrade: boolean
  readonly close: boolean
  /** Only HTTP/1.0 has to say it. */
  readonly keepAlive: boolean
  /** Lower-case names of headers that are for this connection only. */
  readonly named: readonly string[]
}

/** About the connection itself, not names of headers that anybody sends. */
const OPTIONS = new Set(['keep-alive', 'close', 'upgrade', ''])

/** @throws GW_HEADER_FORBIDDEN */
export const parseConnection: (value: string) => ConnectionHeader = remember(parse, { entriesMax: 1_000, charsMax: 64 })

function parse(value: string): ConnectionHeader {
  const tokens = value
    .toLowerCase()
    .split(',')
    .map((token) => token.trim())
  for (const token of tokens)
    if (isProtectedFromConnection(token)) throw headerForbidden({ rule: 'may not be named in Connection', header: token.slice(0, 64) })
  return {
    upgrade: tokens.includes('upgrade'),
    close: tokens.includes('close'),
    keepAlive: tokens.includes('keep-alive'),
    named: tokens.every((token) => OPTIONS.has(token)) ? [] : tokens
  }
}

/** @param headers name, value, … */
export function withoutNamed(headers: readonly string[], named: readonly string[]): readonly string[] {
  if (named.length === 0) return headers
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (!named.includes(name.toLowerCase())) kept.push(name, headers[at + 1] ?? '')
  }
  return kept
}

import type { Classification } from '@cellway/topology'
import type { ValidHead } from './http/head.ts'

/**
 * After a write on a route with `reads: local` the client's reads go to the owner for a while. The note travels with the client
 * (any gateway may get the next request) as a cookie that only says until when; forging it can only make reads slower.
 */
const COOKIE_PREFIX = 'cellway-ryw-'

export function readsFromOwner(classification: Classification, head: ValidHead, nowMs: number): boolean {
  if (classification.kind !== 'bucket' || classification.operation !== 'read') return false
  const { route } = classification
  if (route.kind !== 'space' || route.readYourWritesMs === 0) return false
  const untilMs = cookieValue(head.headers, COOKIE_PREFIX + classification.space)
  // A date beyond the window was not written by us.
  return untilMs > nowMs && untilMs <= nowMs + route.readYourWritesMs
}

/** @returns the `set-cookie` value after a successful write, if the route wants it. */
export function writeNote(classification: Classification | undefined, statusCode: number, nowMs: number): string | undefined {
  if (classification?.kind !== 'bucket' || classification.operation !== 'write' || statusCode >= 400) return undefined
  const { route } = classification
  if (route.kind !== 'space' || route.readYourWritesMs === 0) return undefined
  const seconds = Math.ceil(route.readYourWritesMs / 1000)
  return `${COOKIE_PREFIX}${classification.space}=${nowMs + route.readYourWritesMs}; Max-Age=${seconds}; Path=/; HttpOnly; SameSite=Lax`
}

function cookieValue(headers: readonly string[], name: string): number {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]?.toLowerCase() !== 'cookie') continue
    for (const pair of (headers[at + 1] ?? '').split(';')) {
      const [key = '', value = ''] = pair.split('=')
      if (key.trim() === name && /^[0-9]{1,15}$/.test(value.trim())) return Number(value)
    }
  }
  return 0
}

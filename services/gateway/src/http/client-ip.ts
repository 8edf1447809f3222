import { type BlockList, isIP } from 'node:net'

/**
 * The client's address: the peer's, unless the peer is a trusted proxy; then the rightmost address in `X-Forwarded-For`
 * that is not a trusted proxy itself. Anything that is no address ends the search: what stands left of it proves nothing.
 */
export function clientAddress(peer: string, forwardedFor: string | undefined, trusted: BlockList): string {
  let address = plain(peer)
  if (forwardedFor === undefined || !isTrusted(address, trusted)) return address
  const chain = forwardedFor.split(',')
  for (let at = chain.length - 1; at >= 0; at--) {
    const next = plain((chain[at] ?? '').trim())
    if (isIP(next) === 0) return address
    address = next
    if (!isTrusted(address, trusted)) return address
  }
  return address
}

export function isTrusted(address: string, trusted: BlockList): boolean {
  const family = isIP(address)
  return family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/** IPv4 inside IPv6 (`::ffff:1.2.3.4`) is the IPv4 address. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

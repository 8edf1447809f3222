import { formatUuid } from './gtid.ts'

/**
 * Text of MariaDB types that look like BINARY in the binlog. Whether a column is one is told by information_schema, which the
 * caller asks once per fingerprint of a table map.
 */

/**
 * UUID. Versions 1 to 5 are stored with their parts in reverse, so that those made one after the other lie together; the others
 * (nil, 6, 7, 8) lie as they are written. Variant and version bits at their swapped places tell which it is, as in the server.
 */
export function uuidText(stored: Buffer): string {
  const variant = stored[6] ?? 0
  const version = stored[8] ?? 0
  if ((variant & 0x80) === 0 || version === 0 || version >= 0x60) return formatUuid(stored)
  const parts = [stored.subarray(12, 16), stored.subarray(10, 12), stored.subarray(8, 10), stored.subarray(6, 8), stored.subarray(0, 6)]
  return formatUuid(Buffer.concat(parts))
}

export function inet4Text(stored: Buffer): string {
  return [...stored].join('.')
}

/** INET6 as the server prints it: the longest run of zero words as `::`, mapped and compatible IPv4 addresses with dots. */
export function inet6Text(stored: Buffer): string {
  const words = Array.from({ length: 8 }, (_, index) => stored.readUInt16BE(index * 2))
  const gap = longestZeros(words)
  const hasIpv4 = gap.start === 0 && (gap.length === 6 || (gap.length === 5 && words[5] === 0xffff))
  const hex = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':')
  if (hasIpv4) return `::${gap.length === 5 ? 'ffff:' : ''}${inet4Text(stored.subarray(12))}`
  if (gap.length === 0) return hex(0, 8)
  return `${hex(0, gap.start)}::${hex(gap.start + gap.length, 8)}`
}

/** The first of the longest runs. */
function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < words.length; start++) {
    let length = 0
    while (words[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  return best
}

import { crc32 as zlibCrc32 } from 'node:zlib'

/** Up to here the table below beats the call into zlib (Node 24: 33 ns against 75 ns at 8 characters, 530 against 217 at 128). */
const TABLE_CHARS_MAX = 48

const TABLE = buildTable()

/** CRC-32 (the zlib polynomial) of the text's UTF-8 bytes, as an unsigned 32-bit number. */
export function crc32OfText(text: string): number {
  return signedCrc32(text) >>> 0
}

/** The hash of the routing key modulo the bucket count: `CRC32(key) MOD buckets` in SQL. */
export function bucketOfKey(key: string, buckets: number): number {
  // For a power of two the modulo is a mask, which spares the hash its detour through a floating-point number.
  return (buckets & (buckets - 1)) === 0 ? signedCrc32(key) & (buckets - 1) : (signedCrc32(key) >>> 0) % buckets
}

function signedCrc32(text: string): number {
  const length = text.length
  if (length > TABLE_CHARS_MAX) return zlibCrc32(text) | 0
  let crc = -1
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) return zlibCrc32(text) | 0
    // The index is masked to 0..255, so the table always has it.
    crc = (TABLE[(crc ^ code) & 0xff] as number) ^ (crc >>> 8)
  }
  return crc ^ -1
}

function buildTable(): Int32Array {
  const table = new Int32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    table[byte] = crc
  }
  return table
}

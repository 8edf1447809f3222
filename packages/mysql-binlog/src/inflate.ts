import { inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import type { ByteCursor } from './byte-cursor.ts'
import { inflateFailed, malformed } from './errors.ts'

/** Inflated bytes of one event, at most: a transaction of 256 MiB is far beyond what binlog caches are configured for. */
export const INFLATED_BYTES_MAX = 256 * 1024 * 1024

/**
 * The body of MariaDB's compressed events (`log_bin_compress`): one byte 0x80 | algorithm << 4 | bytes of the length, the length
 * big-endian, then a zlib stream. Reads to the end of the cursor. @throws BINLOG_INFLATE, BINLOG_MALFORMED
 */
export function inflateEventBody(cursor: ByteCursor, bytesMax: number): Buffer {
  const head = cursor.u8()
  const lengthBytes = head & 0x07
  if ((head & 0xf0) !== 0x80 || lengthBytes < 1 || lengthBytes > 4) {
    throw malformed({ ...cursor.place(), reason: `compression head 0x${head.toString(16)}` })
  }
  const inflatedBytes = cursor.uintBe(lengthBytes)
  return inflate(cursor, { bytes: cursor.rest(), algorithm: 'zlib', inflatedBytes, bytesMax })
}

/**
 * A value of a COMPRESSED column of MariaDB: method << 4 | raw << 3 | bytes of the length, the length big-endian, then deflated
 * data. The empty value has no head, a value that did not shrink has head 0. @throws BINLOG_INFLATE, BINLOG_MALFORMED
 */
export function inflateColumn(cursor: ByteCursor, size: number): Buffer {
  if (size === 0) return cursor.view(0)
  const head = cursor.u8()
  if (head === 0) return cursor.view(size - 1)
  const lengthBytes = head & 0x07
  if (head >> 4 !== 8 || lengthBytes < 1 || lengthBytes > 4 || size < 1 + lengthBytes) {
    throw malformed({ ...cursor.place(), reason: `column compression head 0x${head.toString(16)}` })
  }
  const inflatedBytes = cursor.uintBe(lengthBytes)
  const algorithm = (head & 0x08) === 0 ? 'zlib' : 'deflate'
  return inflate(cursor, { bytes: cursor.view(size - 1 - lengthBytes), algorithm, inflatedBytes, bytesMax: INFLATED_BYTES_MAX })
}

export interface Deflated {
  readonly bytes: Buffer
  readonly algorithm: 'zlib' | 'deflate' | 'zstd'
  /** As announced: a hint that must turn out true. */
  readonly inflatedBytes: number
  readonly bytesMax: number
}

const INFLATORS = { zlib: inflateSync, deflate: inflateRawSync, zstd: zstdDecompressSync }

/** Never makes more than `inflatedBytes`, which are never more than `bytesMax`. @throws BINLOG_INFLATE */
export function inflate(cursor: ByteCursor, { bytes, algorithm, inflatedBytes, bytesMax }: Deflated): Buffer {
  const place = { ...cursor.place(), algorithm, bytesMax, inflatedBytes }
  if (inflatedBytes > bytesMax) throw inflateFailed(place)
  let inflated: Buffer
  try {
    // A limit of 0 bytes is not accepted; one byte too many is found by the comparison below.
    inflated = INFLATORS[algorithm](bytes, { maxOutputLength: Math.max(inflatedBytes, 1) })
  } catch (cause) {
    throw inflateFailed(place, { cause })
  }
  if (inflated.length !== inflatedBytes) throw inflateFailed(place)
  return inflated
}

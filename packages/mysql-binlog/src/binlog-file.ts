import { eventBytesAt } from './decoder.ts'
import { encrypted, versionUnsupported } from './errors.ts'

const MAGIC = 0x6e69_62fe
/** MySQL's `binlog_encryption`. */
const MAGIC_ENCRYPTED = 0x6e69_62fd

/** The event packets of a whole binlog file, as views. @throws BINLOG_VERSION, BINLOG_ENCRYPTED, BINLOG_TRUNCATED, BINLOG_MALFORMED */
export function* packetsOfFile(bytes: Buffer): Generator<Buffer, void> {
  const place = { offset: 0, eventType: -1, position: 0 }
  const magic = bytes.length < 4 ? 0 : bytes.readUInt32LE(0)
  if (magic === MAGIC_ENCRYPTED) throw encrypted(place)
  if (magic !== MAGIC) throw versionUnsupported({ ...place, reason: 'not a binlog file' })
  for (let at = 4; at < bytes.length; ) {
    const size = eventBytesAt(bytes, at, { typeCode: -1, endPosition: at })
    yield bytes.subarray(at, at + size)
    at += size
  }
}

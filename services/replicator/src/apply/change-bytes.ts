import type { Change, ChangeRecord, Envelope, TransactionHead } from '@cellway/change'
import { advancePosition, createTransactionPacker, decodeRecord } from '@cellway/change'

/*
 * What is put aside in the tables `parked_change` and `skipped`: records as in the stream, each behind its length (4 bytes, highest first).
 * Usually one; a large change has several parts.
 */

export function encodeChanges({ origin, streamEpoch, from }: Envelope, head: TransactionHead, changes: Iterable<Change>): Buffer {
  const packer = createTransactionPacker({ origin, streamEpoch, producerSequence: 1, from, codec: 'zstd' })
  packer.begin({ id: head.id, commitTimeUs: head.commitTimeUs, originServerId: head.originServerId })
  for (const change of changes) packer.add(change)
  packer.end(advancePosition(from, head.id))
  packer.flush()
  return Buffer.concat(packer.take().flatMap(({ bytes }) => [lengthOf(bytes), bytes]))
}

/** @throws what `decodeRecord` throws */
export function decodeChanges(bytes: Buffer): ChangeRecord[] {
  const records: ChangeRecord[] = []
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    records.push(decodeRecord(bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return records
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32BE(bytes.length)
  return length
}

import { encodeRecord } from './frame.ts'
import type { LogBatch } from './log.ts'

/** What is written at once, and made durable at once. */
export interface EncodedGroup {
  /** Valid until the next group is encoded. */
  readonly bytes: Buffer
  /** Of its last record. */
  readonly checksum: number
  readonly appendedMs: number
}

export interface GroupEncoder {
  encode(group: readonly GroupMember[], place: GroupPlace): EncodedGroup
}

export interface GroupMember {
  readonly batch: LogBatch
  /** Of the whole record. */
  readonly bytes: number
}

export interface GroupPlace {
  readonly bytes: number
  /** The sequence of its first record. */
  readonly first: number
  readonly appendedMs: number
}

/** Keeps its buffer from group to group, unless a huge record made it large. */
export function createGroupEncoder({ seed, keptBytesMax }: { readonly seed: number; readonly keptBytesMax: number }): GroupEncoder {
  let kept = Buffer.alloc(0)
  return {
    encode(group, { bytes: size, first, appendedMs }) {
      const large = kept.length < size ? Buffer.allocUnsafeSlow(Math.max(size, Math.min(2 * size, keptBytesMax))) : kept
      if (large.length <= keptBytesMax) kept = large
      let at = 0
      let checksum = 0
      for (const [index, { batch, bytes }] of group.entries()) {
        const record = { sequence: first + index, group: first, epoch: batch.epoch, appendedMs, payload: batch.payload }
        checksum = encodeRecord(large, at, { seed, record })
        at += bytes
      }
      return { bytes: large.subarray(0, size), checksum, appendedMs }
    }
  }
}

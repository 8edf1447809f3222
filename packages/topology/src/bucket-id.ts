import { topologyInvalid } from './errors.ts'

/**
 * A bucket-carrying id, 64 bits from the top: 0, 41 bits of milliseconds since 2024-01-01T00:00:00Z (until 2093),
 * 10 bits of bucket, 4 bits of cell number, 8 bits of sequence. A request that has only an order number still routes to the owner.
 */
export interface BucketIdParts {
  readonly timeMs: number
  readonly bucket: number
  readonly cellNumber: number
  readonly sequence: number
}

export const BUCKET_ID_EPOCH_MS = Date.UTC(2024, 0, 1)
/** More buckets do not fit into an id's 10 bits. */
export const BUCKET_ID_BUCKETS_MAX = 1024
/** More cells do not fit into an id's 4 bits. */
export const CELLS_MAX = 16
const SEQUENCES = 256
const TIME_MAX_MS = 2 ** 41 - 1
const INT64_MAX = 9_223_372_036_854_775_807n

/** @throws TOPO_INVALID if a part does not fit */
export function encodeBucketId({ timeMs, bucket, cellNumber, sequence }: BucketIdParts): bigint {
  const sinceEpochMs = timeMs - BUCKET_ID_EPOCH_MS
  checkRange('time', sinceEpochMs, TIME_MAX_MS)
  checkRange('bucket', bucket, BUCKET_ID_BUCKETS_MAX - 1)
  checkRange('cell number', cellNumber, CELLS_MAX - 1)
  checkRange('sequence', sequence, SEQUENCES - 1)
  return (BigInt(sinceEpochMs) << 22n) | BigInt((bucket << 12) | (cellNumber << 8) | sequence)
}

/** @throws TOPO_INVALID if the sign bit is set or there are more than 64 bits */
export function decodeBucketId(id: bigint): BucketIdParts {
  if (id < 0n || id > INT64_MAX) throw topologyInvalid({ reason: 'a bucket-carrying id is between 0 and 2^63 - 1' })
  const low = Number(id & 0x3fffffn)
  return { timeMs: Number(id >> 22n) + BUCKET_ID_EPOCH_MS, bucket: low >> 12, cellNumber: (low >> 8) & 0xf, sequence: low & 0xff }
}

export interface IdGeneratorOptions {
  readonly cellNumber: number
  readonly nowMs: () => number
  /** Which share of the sequence numbers this process takes, if several processes of one cell mint ids. Default: all. */
  readonly lane?: { readonly index: number; readonly count: number }
}

/**
 * Ids that are unique in the cell (per lane). When the clock goes back, or 256 ids fall into one millisecond, the id's time
 * runs ahead of the clock instead. A process that restarts must find a clock that is past its last id's time.
 */
export function createIdGenerator({ cellNumber, nowMs, lane = { index: 0, count: 1 } }: IdGeneratorOptions): (bucket: number) => bigint {
  checkRange('cell number', cellNumber, CELLS_MAX - 1)
  checkRange('lane count', lane.count - 1, SEQUENCES - 1)
  checkRange('lane', lane.index, lane.count - 1)
  let timeMs = 0
  let sequence = 0
  return (bucket) => {
    const now = nowMs()
    if (now > timeMs) {
      timeMs = now
      sequence = lane.index
    } else {
      sequence += lane.count
      if (sequence >= SEQUENCES) {
        timeMs++
        sequence = lane.index
      }
    }
    return encodeBucketId({ timeMs, bucket, cellNumber, sequence })
  }
}

function checkRange(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw topologyInvalid({ reason: `the ${name} of a bucket-carrying id is an integer from 0 to ${max}` })
}

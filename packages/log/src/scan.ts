import type { OpenFile } from './files.ts'
import type { RecordHeader } from './frame.ts'
import { isRecordIntact, RECORD_HEADER_BYTES, readRecordHeader, recordBytesAt, SEGMENT_HEADER_BYTES } from './frame.ts'

/** Read at a time; grows to the record that is larger. */
const WINDOW_BYTES = 1024 * 1024
/** A step of the index: what a reader reads too much when it seeks. */
const INDEX_STEP_BYTES = 64 * 1024
/** What a disk writes or does not write as a whole. */
const SECTOR_BYTES = 512
const EMPTY_BYTES_MIN = 64

/** Sequence to offset, every 64 KiB. Always made from the records, never stored. */
export interface SparseIndex {
  readonly sequences: number[]
  readonly offsets: number[]
}

export interface ScanTarget {
  readonly file: OpenFile
  readonly size: number
  readonly seed: number
  /** The sequence that the first record must have. */
  readonly base: number
  readonly epoch: number
}

export interface ScanResult {
  readonly start: number
  /** Behind the last record that is right. */
  readonly end: number
  readonly next: number
  readonly epoch: number
  readonly lastChecksum: number
  readonly lastAppendedMs: number
  readonly index: SparseIndex
  /** Why it stopped before the end of the file. */
  readonly finding: string | undefined
}

export type Damage = Pick<ScanResult, 'end' | 'next'>

export interface FoundRecord {
  readonly offset: number
  readonly header: RecordHeader
}

export function createIndex(): SparseIndex {
  return { sequences: [], offsets: [] }
}

export function addToIndex(index: SparseIndex, sequence: number, offset: number): void {
  const newest = index.offsets.at(-1)
  if (newest !== undefined && offset - newest < INDEX_STEP_BYTES) return
  index.sequences.push(sequence)
  index.offsets.push(offset)
}

/** The newest indexed record that is not behind the wanted one. */
export function seek({ sequences, offsets }: SparseIndex, sequence: number): { readonly sequence: number; readonly offset: number } | undefined {
  let low = 0
  let high = sequences.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sequences[middle] ?? 0) <= sequence) low = middle + 1
    else high = middle
  }
  const [found, offset] = [sequences[low - 1], offsets[low - 1]]
  return found === undefined || offset === undefined ? undefined : { sequence: found, offset }
}

/** Every record from the start on, until the end or the first thing that is wrong. */
export async function scanSegment({ file, size, seed, base, epoch }: ScanTarget, start = SEGMENT_HEADER_BYTES): Promise<ScanResult> {
  const window = createWindow(file, size)
  const index = createIndex()
  let state = { start, end: start, next: base, epoch, lastChecksum: 0, lastAppendedMs: 0 }
  for (;;) {
    const found = await recordAt(window, state.end, { size, seed })
    if (found === undefined) return { ...state, index, finding: undefined }
    if (typeof found === 'string') return { ...state, index, finding: found }
    if (found.sequence !== state.next) return { ...state, index, finding: `record ${found.sequence} where ${state.next} is expected` }
    if (found.epoch < state.epoch) return { ...state, index, finding: `epoch ${found.epoch} behind epoch ${state.epoch}` }
    addToIndex(index, found.sequence, state.end)
    state = {
      start,
      end: state.end + RECORD_HEADER_BYTES + found.payloadBytes,
      next: found.sequence + 1,
      epoch: found.epoch,
      lastChecksum: found.checksum,
      lastAppendedMs: found.appendedMs
    }
  }
}

async function recordAt(window: Window, offset: number, { size, seed }: { size: number; seed: number }): Promise<RecordHeader | string | undefined> {
  if (offset === size) return undefined
  if (size - offset < RECORD_HEADER_BYTES) return `${size - offset} bytes of a record`
  const head = await window.at(offset, RECORD_HEADER_BYTES)
  const bytes = recordBytesAt(head.bytes, head.at)
  if (bytes === undefined) return 'a length that no record has'
  if (size - offset < bytes) return `${size - offset} bytes of a record of ${bytes}`
  const whole = await window.at(offset, bytes)
  if (!isRecordIntact(whole.bytes, whole.at, { end: whole.at + bytes, seed })) return 'a checksum that does not match'
  return readRecordHeader(whole.bytes, whole.at)
}

/** A valid record behind the damage: what was there before it had been durable. */
export async function findLaterRecord(target: ScanTarget, damage: Damage): Promise<FoundRecord | undefined> {
  const { file, size, seed } = target
  const [chunks, records] = [createWindow(file, size), createWindow(file, size)]
  const sequenceMax = damage.next + Math.ceil((size - damage.end) / (RECORD_HEADER_BYTES + 1))
  let offset = damage.end + 1
  while (offset + RECORD_HEADER_BYTES < size) {
    const { bytes, at } = await chunks.at(offset, RECORD_HEADER_BYTES)
    // Byte after byte, and synchronous as long as the window reaches: a damaged segment has 64 million places to try.
    const last = bytes.length - RECORD_HEADER_BYTES
    for (let place = at; place <= last; place += 1, offset += 1) {
      const recordBytes = recordBytesAt(bytes, place)
      if (recordBytes === undefined || offset + recordBytes > size) continue
      const header = readRecordHeader(bytes, place)
      if (header.sequence <= damage.next || header.sequence > sequenceMax) continue
      const whole = await records.at(offset, recordBytes)
      if (isRecordIntact(whole.bytes, whole.at, { end: whole.at + recordBytes, seed })) return { offset, header }
    }
  }
  return undefined
}

/**
 * Whether the end of the file looks like a write that was cut off, as opposed to one that was whole and has rotted since:
 * it is shorter than its record, or a sector of it was never written. Bytes that follow as a valid record show that it is not short.
 */
export async function isTorn({ file, size, seed }: ScanTarget, { end }: Damage, later: FoundRecord | undefined): Promise<boolean> {
  const window = createWindow(file, size)
  if (size - end < RECORD_HEADER_BYTES) return true
  const head = await window.at(end, RECORD_HEADER_BYTES)
  const bytes = recordBytesAt(head.bytes, head.at)
  const short = bytes !== undefined && end + bytes > size && later === undefined
  if (short && !(await isWholeButForItsLength({ file, size, seed }, end))) return true
  return hasEmptySector(window, end, size)
}

/** A flipped bit in the length makes a whole record look cut off; with the right length its checksum matches again. */
async function isWholeButForItsLength({ file, size, seed }: Omit<ScanTarget, 'base' | 'epoch'>, offset: number): Promise<boolean> {
  const bytes = Buffer.allocUnsafe(size - offset)
  await file.read(bytes, offset)
  bytes.writeUInt32LE(bytes.length - RECORD_HEADER_BYTES, 0)
  return isRecordIntact(bytes, 0, { end: bytes.length, seed })
}

/**
 * The piece of a sector that the damage begins in counts whatever its length: no record begins with zeros there by one flipped bit.
 * The piece at the end counts unless it is so short that zeros mean nothing.
 */
async function hasEmptySector(window: Window, offset: number, size: number): Promise<boolean> {
  let whole = true
  for (let from = offset; from < size; ) {
    const to = Math.min(size, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES)
    const { bytes, at } = await window.at(from, to - from)
    const empty = bytes.subarray(at, at + to - from).every((byte) => byte === 0)
    if (empty && (from === offset || to - from >= EMPTY_BYTES_MIN)) return true
    whole &&= empty
    from = to
  }
  return whole
}

/** A view of the file that moves forward; valid until the next call. */
export interface Window {
  at(offset: number, length: number): Promise<{ readonly bytes: Buffer; readonly at: number }>
}

export function createWindow(file: OpenFile, size: number): Window {
  let bytes = Buffer.alloc(0)
  let start = 0
  return {
    async at(offset, length) {
      if (offset < start || offset + length > start + bytes.length) {
        const wanted = Math.min(size - offset, Math.max(length, WINDOW_BYTES))
        const fresh = Buffer.allocUnsafeSlow(wanted)
        const read = await file.read(fresh, offset)
        if (read < length) throw new Error(`the file ended at ${offset + read} while it was read`)
        bytes = fresh.subarray(0, read)
        start = offset
      }
      return { bytes, at: offset - start }
    }
  }
}

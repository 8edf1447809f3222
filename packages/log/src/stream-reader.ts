import { checkHeld } from './check.ts'
import type { EmbeddedStream } from './embedded-stream.ts'
import { logCorrupt, logPositionLost } from './errors.ts'
import type { OpenFile } from './files.ts'
import { isRecordIntact, RECORD_HEADER_BYTES, readRecordHeader, recordBytesAt, SEGMENT_HEADER_BYTES } from './frame.ts'
import type { LogRecord, ReadBatch, ReadOptions } from './log.ts'
import type { SparseIndex } from './scan.ts'
import { scanSegment, seek } from './scan.ts'
import type { Segment } from './segment.ts'

/** A place in a file: the record that stands there has this sequence. */
interface Place {
  readonly segment: Segment
  readonly file: OpenFile
  readonly offset: number
  readonly sequence: number
}

/** Records from `from` on, up to the durable end, which it waits at. Each read has its own file, so a trim does not pull one from under it. */
export async function* readStream(stream: EmbeddedStream, from: number, { maxBytes, signal }: ReadOptions): AsyncGenerator<ReadBatch, undefined> {
  let sequence = from
  let place: Place | undefined
  try {
    while (!signal.aborted) {
      stream.ports.health.assertAlive()
      const bounds = stream.bounds()
      checkHeld(stream.name, sequence, bounds)
      if (sequence === bounds.next) {
        await stream.waiters.wait(signal)
        continue
      }
      place = await placeOf(stream, sequence, place)
      const found = await readRecords(stream, place, { wanted: sequence, maxBytes })
      place = found.place
      if (found.records.length === 0) continue
      sequence += found.records.length
      yield { records: found.records, next: { logId: stream.logId, sequence }, durableNext: bounds.next }
    }
  } finally {
    await place?.file.close()
  }
}

/** The place at hand, or one in another segment. */
async function placeOf(stream: EmbeddedStream, sequence: number, place: Place | undefined): Promise<Place> {
  const segment = stream.segmentOf(sequence)
  if (segment === undefined) throw corrupt(stream, undefined, 0, `no segment holds ${sequence}`)
  if (place?.segment === segment) return place
  const file = await openSegment(stream, segment, sequence)
  try {
    const index = segment.index ?? (await indexOf(stream, segment, file))
    segment.index = index
    const start = seek(index, sequence) ?? { sequence: segment.header.base, offset: SEGMENT_HEADER_BYTES }
    await place?.file.close()
    return { segment, file, ...start }
  } catch (cause) {
    await file.close()
    throw cause
  }
}

async function openSegment(stream: EmbeddedStream, { path }: Segment, sequence: number): Promise<OpenFile> {
  try {
    return await stream.ports.files.open(path, 'read')
  } catch (cause) {
    const { logId, first, next } = stream.bounds()
    if (sequence < first) throw logPositionLost({ stream: stream.name, logId, wanted: sequence, first, next }, { cause })
    throw logCorrupt({ stream: stream.name, file: path, offset: 0, finding: 'the file cannot be opened' }, { cause })
  }
}

/** Of a sealed segment that nobody has read since the start. */
async function indexOf(stream: EmbeddedStream, segment: Segment, file: OpenFile): Promise<SparseIndex> {
  const { base, epoch } = segment.header
  const { index, end, next, finding } = await scanSegment({ file, size: segment.bytes, seed: stream.seed, base, epoch })
  if (finding !== undefined) throw corrupt(stream, segment, end, finding)
  if (next !== segment.next) throw corrupt(stream, segment, end, `it ends before ${next} instead of ${segment.next}`)
  return index
}

async function readRecords(
  stream: EmbeddedStream,
  place: Place,
  { wanted, maxBytes }: { readonly wanted: number; readonly maxBytes: number }
): Promise<{ records: LogRecord[]; place: Place }> {
  const { segment, file } = place
  const end = segment.bytes
  let bytes = await readBytes(stream, place, Math.min(end - place.offset, Math.max(maxBytes, RECORD_HEADER_BYTES)))
  const first = recordBytesAt(bytes, 0)
  if (first === undefined || place.offset + first > end) throw corrupt(stream, segment, place.offset, 'a length that no record has')
  if (first > bytes.length) bytes = await readBytes(stream, place, first)
  const records: LogRecord[] = []
  let at = 0
  let sequence = place.sequence
  while (bytes.length - at >= RECORD_HEADER_BYTES) {
    const recordBytes = recordBytesAt(bytes, at)
    if (recordBytes === undefined) throw corrupt(stream, segment, place.offset + at, 'a length that no record has')
    if (at + recordBytes > bytes.length) break
    if (!isRecordIntact(bytes, at, { end: at + recordBytes, seed: stream.seed })) {
      throw corrupt(stream, segment, place.offset + at, 'a checksum that does not match')
    }
    const header = readRecordHeader(bytes, at)
    if (header.sequence !== sequence) throw corrupt(stream, segment, place.offset + at, `record ${header.sequence} where ${sequence} is expected`)
    const { epoch, appendedMs } = header
    if (sequence >= wanted) records.push({ sequence, epoch, appendedMs, payload: bytes.subarray(at + RECORD_HEADER_BYTES, at + recordBytes) })
    at += recordBytes
    sequence += 1
  }
  return { records, place: { segment, file, offset: place.offset + at, sequence } }
}

async function readBytes(stream: EmbeddedStream, { segment, file, offset }: Place, length: number): Promise<Buffer> {
  // Not from the pool: the records of a batch are views, and live as long as their reader likes.
  const bytes = Buffer.allocUnsafeSlow(length)
  let read: number
  try {
    read = await file.read(bytes, offset)
  } catch (cause) {
    throw logCorrupt({ stream: stream.name, file: segment.path, offset, finding: 'the file cannot be read' }, { cause })
  }
  if (read < length) throw corrupt(stream, segment, offset + read, 'the file is shorter than its durable end')
  return bytes
}

function corrupt(stream: EmbeddedStream, segment: Segment | undefined, offset: number, finding: string): Error {
  return logCorrupt({ stream: stream.name, file: segment?.path ?? stream.ports.folder, offset, finding })
}

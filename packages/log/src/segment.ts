import { logCorrupt, logFormatUnknown } from './errors.ts'
import type { FileSystem } from './files.ts'
import { writeWhole } from './files.ts'
import type { SegmentHeader } from './frame.ts'
import { decodeSegmentHeader, encodeSegmentHeader, SEGMENT_HEADER_BYTES, SEGMENT_VERSION } from './frame.ts'
import type { ScanResult, SparseIndex } from './scan.ts'

/** One file of a stream. The newest is written; the others are sealed and never change. */
export interface Segment {
  readonly path: string
  readonly header: SegmentHeader
  /** Durable. */
  bytes: number
  /** Behind its newest durable record. */
  next: number
  lastAppendedMs: number
  lastChecksum: number
  /** Absent until a sealed segment was looked through. */
  index: SparseIndex | undefined
}

const SUFFIX = '.log'
const NAME = /^(\d{16})\.log$/

export function segmentPath(folder: string, base: number): string {
  return `${folder}/${String(base).padStart(16, '0')}${SUFFIX}`
}

/** First sequences of the segments, rising. */
export function segmentBases(names: readonly string[]): number[] {
  return names
    .flatMap((name) => {
      const [, base] = NAME.exec(name) ?? []
      return base === undefined ? [] : [Number(base)]
    })
    .sort((left, right) => left - right)
}

/** A new file, durable with its name before anything is written behind its header. */
export async function createSegment(files: FileSystem, folder: string, header: SegmentHeader): Promise<Segment> {
  const path = segmentPath(folder, header.base)
  const file = await files.open(path, 'create')
  try {
    await file.truncate(0)
    await writeWhole(file, encodeSegmentHeader(header), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.syncFolder(folder)
  const { base, createdMs, previousChecksum } = header
  return {
    path,
    header,
    bytes: SEGMENT_HEADER_BYTES,
    next: base,
    lastAppendedMs: createdMs,
    lastChecksum: previousChecksum,
    index: { sequences: [], offsets: [] }
  }
}

/** `undefined`: the file ends within its header, so its making was cut off. @throws LOG_CORRUPT, LOG_FORMAT_UNKNOWN */
export async function readSegmentHeader(
  files: FileSystem,
  path: string,
  stream: string
): Promise<{ header: SegmentHeader; size: number } | undefined> {
  const file = await files.open(path, 'read')
  try {
    const size = await file.size()
    const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
    const read = await file.read(bytes, 0)
    if (read < SEGMENT_HEADER_BYTES || (size === SEGMENT_HEADER_BYTES && bytes.every((byte) => byte === 0))) return undefined
    const found = decodeSegmentHeader(bytes)
    if (found.kind === 'header') return { header: found.header, size }
    if (found.kind === 'version') throw logFormatUnknown({ file: path, found: bytes.readUInt16LE(4), known: SEGMENT_VERSION })
    throw logCorrupt({ stream, file: path, offset: 0, finding: found.kind === 'foreign' ? 'not a segment of a log' : 'a damaged header' })
  } finally {
    await file.close()
  }
}

export function scannedSegment(path: string, header: SegmentHeader, { end, next, lastAppendedMs, lastChecksum, index }: ScanResult): Segment {
  const empty = next === header.base
  return {
    path,
    header,
    bytes: end,
    next,
    lastAppendedMs: empty ? header.createdMs : lastAppendedMs,
    lastChecksum: empty ? header.previousChecksum : lastChecksum,
    index
  }
}

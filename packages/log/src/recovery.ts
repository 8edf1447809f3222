import { logCorrupt } from './errors.ts'
import type { FileSystem } from './files.ts'
import { writeWhole } from './files.ts'
import type { SegmentHeader } from './frame.ts'
import { seedOf } from './frame.ts'
import type { LogEvent } from './log.ts'
import type { Damage, ScanResult } from './scan.ts'
import { createWindow, findLaterRecord, isTorn, scanSegment } from './scan.ts'
import type { Segment } from './segment.ts'
import { readSegmentHeader, scannedSegment, segmentBases, segmentPath } from './segment.ts'
import type { StreamFile } from './stream-file.ts'

export interface Recovered {
  readonly segments: Segment[]
  /** Of the newest record. */
  readonly epoch: number
}

export interface RecoveryOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly known: StreamFile
  /** `all`: every record is checked before anything is served. `newest`: older segments when they are read. */
  readonly verify: 'all' | 'newest'
  readonly onEvent: (event: LogEvent) => void
}

/** Of how many cut-off ends the copies are kept. */
const TORN_COPIES_MAX = 8

interface FoundSegment {
  readonly path: string
  readonly header: SegmentHeader
  readonly size: number
}

/**
 * Reads a stream back as the last process left it. The end of the newest segment may be torn: it is copied, cut off and reported.
 * Anything else that is not as it was written is LOG_CORRUPT; nothing is cut off then, and nothing is served.
 */
export async function recoverStream(options: RecoveryOptions): Promise<Recovered> {
  const { files, folder, known } = options
  const bases = segmentBases(await files.list(folder))
  const found: FoundSegment[] = []
  for (const [at, base] of bases.entries()) {
    const path = segmentPath(folder, base)
    const read = await readSegmentHeader(files, path, known.stream)
    if (read !== undefined) found.push({ path, ...read })
    else if (at === bases.length - 1) await removeUnfinished(files, folder, path)
    else throw corrupt(known, path, 0, 'the file ends within its header')
  }
  checkHeaders(found, known)
  const needed = found.filter((_, at) => (found[at + 1]?.header.base ?? Number.POSITIVE_INFINITY) > known.first)
  for (const { path } of found.slice(0, found.length - needed.length)) await files.remove(path)
  return recoverSegments(needed, options)
}

async function removeUnfinished(files: FileSystem, folder: string, path: string): Promise<void> {
  await files.remove(path)
  await files.syncFolder(folder)
}

function checkHeaders(found: readonly FoundSegment[], known: StreamFile): void {
  for (const { path, header } of found) {
    if (header.logId !== known.logId) throw corrupt(known, path, 0, `a segment of the log ${header.logId}`)
    if (path !== segmentPath(path.slice(0, path.lastIndexOf('/')), header.base)) throw corrupt(known, path, 0, 'the name is not the first sequence')
  }
  const [oldest] = found
  if (oldest !== undefined && oldest.header.base > known.first) throw corrupt(known, oldest.path, 0, `the records from ${known.first} on are missing`)
  if (oldest === undefined && (known.first > 1 || known.clean !== null)) throw corrupt(known, '', 0, 'there are no segments')
}

async function recoverSegments(found: readonly FoundSegment[], options: RecoveryOptions): Promise<Recovered> {
  const { known, verify } = options
  const segments: Segment[] = []
  let epoch = 0
  for (const [at, { path, header, size }] of found.entries()) {
    const newest = at === found.length - 1
    const before = segments.at(-1)
    if (before !== undefined && (before.next !== header.base || before.lastChecksum !== header.previousChecksum)) {
      throw corrupt(known, path, 0, `it does not continue ${before.path}`)
    }
    epoch = header.epoch
    const following = found[at + 1]?.header
    if (verify === 'newest' && following !== undefined) {
      segments.push(unscanned({ path, header, size }, following))
      continue
    }
    const scanned = await scanOne({ path, header, size }, { newest, options })
    epoch = scanned.epoch
    segments.push(scannedSegment(path, header, scanned))
  }
  checkClean(segments.at(-1), known)
  return { segments, epoch }
}

function unscanned({ path, header, size }: FoundSegment, following: SegmentHeader): Segment {
  const { createdMs: lastAppendedMs, base: next, previousChecksum: lastChecksum } = following
  return { path, header, bytes: size, next, lastAppendedMs, lastChecksum, index: undefined }
}

async function scanOne(
  { path, header, size }: FoundSegment,
  { newest, options }: { newest: boolean; options: RecoveryOptions }
): Promise<ScanResult> {
  const { files, known } = options
  const file = await files.open(path, 'read')
  try {
    const target = { file, size, seed: seedOf(known.logId), base: header.base, epoch: header.epoch }
    const scanned = await scanSegment(target)
    if (scanned.finding === undefined) return scanned
    if (!newest) throw corrupt(known, path, scanned.end, scanned.finding)
    const later = await findLaterRecord(target, scanned)
    // A group is written once the one before it is durable.
    if (later !== undefined && later.header.group > scanned.next) {
      throw corrupt(known, path, scanned.end, `${scanned.finding}, and record ${later.header.sequence} behind it is whole`)
    }
    if (known.clean !== null || !(await isTorn(target, scanned, later))) {
      throw corrupt(known, path, scanned.end, `${scanned.finding}, in a record that was whole`)
    }
    await cutTornTail({ path, size, damage: scanned }, options)
    return scanned
  } finally {
    await file.close()
  }
}

async function cutTornTail({ path, size, damage }: { path: string; size: number; damage: Damage }, options: RecoveryOptions): Promise<void> {
  const { files, folder, known, onEvent } = options
  const copy = `${path}.torn-${damage.end}`
  await copyRange(files, { from: path, to: copy, start: damage.end, end: size })
  const file = await files.open(path, 'write')
  try {
    await file.truncate(damage.end)
    await file.sync()
  } finally {
    await file.close()
  }
  const copies = (await files.list(folder)).filter((name) => name.includes('.torn-')).sort()
  for (const name of copies.slice(0, -TORN_COPIES_MAX)) await files.remove(`${folder}/${name}`)
  await files.syncFolder(folder)
  onEvent({ kind: 'torn-tail', stream: known.stream, file: path, bytes: size - damage.end, copy })
}

async function copyRange(files: FileSystem, { from, to, start, end }: { from: string; to: string; start: number; end: number }): Promise<void> {
  const source = await files.open(from, 'read')
  const target = await files.open(to, 'create')
  try {
    await target.truncate(0)
    const window = createWindow(source, end)
    const STEP_BYTES = 1024 * 1024
    for (let offset = start; offset < end; offset += STEP_BYTES) {
      const length = Math.min(STEP_BYTES, end - offset)
      const { bytes, at } = await window.at(offset, length)
      await writeWhole(target, bytes.subarray(at, at + length), offset - start)
    }
    await target.sync()
  } finally {
    await source.close()
    await target.close()
  }
}

/** After an orderly close the newest segment is known to the byte. */
function checkClean(newest: Segment | undefined, known: StreamFile): void {
  if (known.clean === null) return
  const { base, bytes } = known.clean
  if (newest === undefined || newest.header.base !== base || newest.bytes !== bytes) {
    throw corrupt(known, newest?.path ?? '', newest?.bytes ?? 0, `the log was closed with ${bytes} bytes in the segment ${base}`)
  }
}

function corrupt({ stream }: StreamFile, file: string, offset: number, finding: string): Error {
  return logCorrupt({ stream, file, offset, finding })
}

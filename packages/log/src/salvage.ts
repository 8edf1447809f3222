import { openEmbeddedLog } from './embedded.ts'
import { logRequestInvalid } from './errors.ts'
import type { FileSystem, OpenFile } from './files.ts'
import { RECORD_HEADER_BYTES, readRecordHeader, seedOf } from './frame.ts'
import { nodeFiles } from './node-files.ts'
import { createWindow, findLaterRecord, type ScanTarget, scanSegment } from './scan.ts'
import { readSegmentHeader, segmentBases, segmentPath } from './segment.ts'
import { folderNameOf, readStreamFile, streamNameOf } from './stream-file.ts'

export interface SalvageOptions {
  /** The damaged log; it is only read. */
  readonly folder: string
  /** A folder that has no log yet. */
  readonly into: string
  readonly files?: FileSystem
  readonly signal: AbortSignal
}

export interface SalvageReport {
  readonly streams: readonly SalvagedStream[]
}

export interface SalvagedStream {
  readonly stream: string
  readonly records: number
  readonly lost: readonly LostRange[]
}

/** Sequences of the old log, both ends included; `last` is unknown at the end of the newest segment. */
export interface LostRange {
  readonly file: string
  readonly first: number
  readonly last: number | undefined
  readonly bytes: number
  readonly finding: string
}

/**
 * Copies every record that is whole into a new log, with a new identity and new sequences: readers find their place by the
 * positions of the origin, and see the gap there. What is lost is told, never bridged.
 * @throws LOG_REQUEST_INVALID, LOG_LOCKED, and what the new log throws
 */
export async function salvage({ folder, into, files = nodeFiles, signal }: SalvageOptions): Promise<SalvageReport> {
  await using _lock = await files.lock(folder)
  await using target = await openEmbeddedLog({ folder: into, files })
  if ((await target.streams()).length > 0) throw logRequestInvalid({ problem: 'the folder to salvage into has a log already' })
  const streams: SalvagedStream[] = []
  for (const name of (await files.list(folder)).filter((one) => one.includes('+')).sort()) {
    const stream = streamNameOf(name)
    const found: SalvagedStream = { stream, records: 0, lost: [] }
    streams.push(
      await salvageStream({ files, folder: `${folder}/${folderNameOf(stream)}`, signal }, found, async (epoch, payload) => {
        await target.append(stream, { epoch, payload }, { signal })
      })
    )
  }
  return { streams }
}

type Keep = (epoch: number, payload: Buffer) => Promise<void>

async function salvageStream(
  { files, folder, signal }: { files: FileSystem; folder: string; signal: AbortSignal },
  { stream }: SalvagedStream,
  keep: Keep
): Promise<SalvagedStream> {
  // A damaged stream.json is worth no more than a missing one: what was trimmed comes back, and readers drop what they have.
  const known = await readStreamFile(files, folder).catch(() => undefined)
  const lost: LostRange[] = []
  let records = 0
  let next = known?.first ?? 1
  for (const base of segmentBases(await files.list(folder))) {
    signal.throwIfAborted()
    const path = segmentPath(folder, base)
    if (base > next) addMissing(lost, { path, first: next, last: base - 1 })
    const read = await readSegmentHeader(files, path, stream).catch(() => undefined)
    const logId = read?.header.logId ?? known?.logId
    if (logId === undefined) {
      lost.push({ file: path, first: base, last: undefined, bytes: read?.size ?? 0, finding: 'neither its header nor stream.json is readable' })
      continue
    }
    const file = await files.open(path, 'read')
    try {
      const target = { file, size: await file.size(), seed: seedOf(logId), base, epoch: 0 }
      const copied = await copySegment(target, { path, keep, lost })
      records += copied.records
      next = copied.next
    } finally {
      await file.close()
    }
  }
  return { stream, records, lost }
}

/** The next segment tells how far a loss at the end of the one before it goes. */
function addMissing(lost: LostRange[], { path, first, last }: { path: string; first: number; last: number }): void {
  const newest = lost.at(-1)
  if (newest?.last === undefined && newest?.first === first) lost[lost.length - 1] = { ...newest, last }
  else lost.push({ file: path, first, last, bytes: 0, finding: 'missing before this segment' })
}

/** From one whole run of records to the next. */
async function copySegment(
  target: ScanTarget,
  { path, keep, lost }: { path: string; keep: Keep; lost: LostRange[] }
): Promise<{ records: number; next: number }> {
  let records = 0
  let from = { offset: undefined as number | undefined, sequence: target.base }
  for (;;) {
    const found = await scanSegment({ ...target, base: from.sequence }, from.offset)
    records += found.next - from.sequence
    await copyRecords(target.file, found, keep)
    if (found.finding === undefined) return { records, next: found.next }
    const later = await findLaterRecord(target, found)
    const bytes = (later?.offset ?? target.size) - found.end
    const last = later === undefined ? undefined : later.header.sequence - 1
    lost.push({ file: path, first: found.next, last, bytes, finding: found.finding })
    if (later === undefined) return { records, next: found.next }
    from = { offset: later.offset, sequence: later.header.sequence }
  }
}

async function copyRecords(file: OpenFile, { start, end }: { readonly start: number; readonly end: number }, keep: Keep): Promise<void> {
  const window = createWindow(file, end)
  let offset = start
  while (offset < end) {
    const head = await window.at(offset, RECORD_HEADER_BYTES)
    const { epoch, payloadBytes } = readRecordHeader(head.bytes, head.at)
    const { bytes, at } = await window.at(offset, RECORD_HEADER_BYTES + payloadBytes)
    await keep(epoch, bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + payloadBytes))
    offset += RECORD_HEADER_BYTES + payloadBytes
  }
}

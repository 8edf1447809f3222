import { isCellwayError } from '@cellway/base'
import { logCorrupt } from './errors.ts'
import type { FileSystem, OpenFile } from './files.ts'
import { nodeFiles } from './node-files.ts'
import { recoverStream } from './recovery.ts'
import { segmentBases } from './segment.ts'
import { readStreamFile, streamNameOf } from './stream-file.ts'

export interface VerifyOptions {
  /** Of a log that no process has open. */
  readonly folder: string
  readonly files?: FileSystem
  readonly signal: AbortSignal
}

export interface VerifyReport {
  /** Whether the log would open. */
  readonly ok: boolean
  readonly streams: readonly VerifiedStream[]
}

export interface VerifiedStream {
  readonly stream: string
  /** Absent when the stream would not open. */
  readonly held?: { readonly logId: string; readonly first: number; readonly next: number; readonly epoch: number; readonly bytes: number }
  /** A torn end, never acknowledged: it is cut off when the log is opened. */
  readonly tornBytes: number
  /** The first thing that is wrong; `salvage` finds the others. */
  readonly problem?: { readonly code: string; readonly details: Readonly<Record<string, unknown>> }
}

/** Reads every record as opening the log would, and changes nothing. @throws LOG_LOCKED */
export async function verifyLog({ folder, files = nodeFiles, signal }: VerifyOptions): Promise<VerifyReport> {
  const names = (await files.list(folder)).filter((one) => one.includes('+')).sort()
  await using _lock = await files.lock(folder)
  const streams: VerifiedStream[] = []
  for (const name of names) {
    signal.throwIfAborted()
    const found = await verifyStream(untouched(files), `${folder}/${name}`, streamNameOf(name))
    if (found !== undefined) streams.push(found)
  }
  return { ok: streams.every(({ problem }) => problem === undefined), streams }
}

async function verifyStream(files: FileSystem, folder: string, stream: string): Promise<VerifiedStream | undefined> {
  let tornBytes = 0
  try {
    const known = await readStreamFile(files, folder)
    if (known === undefined) {
      if (segmentBases(await files.list(folder)).length === 0) return undefined
      throw logCorrupt({ stream, file: folder, offset: 0, finding: 'stream.json is missing' })
    }
    const { segments, epoch } = await recoverStream({
      files,
      folder,
      known,
      verify: 'all',
      onEvent: (event) => {
        if (event.kind === 'torn-tail') tornBytes = event.bytes
      }
    })
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
    return { stream, held: { logId: known.logId, first: known.first, next: segments.at(-1)?.next ?? known.first, epoch, bytes }, tornBytes }
  } catch (cause) {
    if (!isCellwayError(cause)) throw cause
    return { stream, tornBytes, problem: { code: cause.code, details: cause.details } }
  }
}

/** The same files, and every change of them only said to be done: so that looking runs the same code as opening. */
function untouched(files: FileSystem): FileSystem {
  return {
    ...files,
    createFolder: async () => {},
    rename: async () => {},
    remove: async () => {},
    syncFolder: async () => {},
    open: async (path, mode) => (mode === 'read' ? files.open(path, mode) : NOTHING)
  }
}

const NOTHING: OpenFile = {
  read: async () => 0,
  write: async (bytes) => bytes.length,
  sync: async () => {},
  truncate: async () => {},
  size: async () => 0,
  close: async () => {}
}

/**
 * What the embedded log needs of a file system, and no more: so that a test can be the file system, lose what was not synced,
 * and fail where a disk can fail. Errors carry the code of the system (`EIO`, `ENOSPC`).
 */
export interface FileSystem {
  /** With its parents. */
  createFolder(path: string): Promise<void>
  /** Names in the folder, in any order. */
  list(folder: string): Promise<string[]>
  /** Whole; `undefined` when there is none. Only for small files. */
  readFile(path: string): Promise<Buffer | undefined>
  open(path: string, mode: 'create' | 'write' | 'read'): Promise<OpenFile>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** New, renamed and removed names are durable only after it. */
  syncFolder(folder: string): Promise<void>
  freeBytes(folder: string): Promise<number>
  /** Alone in the folder until disposed of, or until the process ends, however that comes. @throws LOG_LOCKED */
  lock(folder: string): Promise<AsyncDisposable>
}

export interface OpenFile {
  /** Fills `into` from the position on; fewer bytes only at the end of the file. */
  read(into: Buffer, position: number): Promise<number>
  /** May write fewer bytes than given. */
  write(bytes: Buffer, position: number): Promise<number>
  /** The content is durable when it resolves. */
  sync(): Promise<void>
  truncate(bytes: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/** A write that makes no headway is a disk that is broken without saying so. */
const WRITES_WITHOUT_HEADWAY_MAX = 3

export async function writeWhole(file: OpenFile, bytes: Buffer, position: number): Promise<void> {
  let done = 0
  let stuck = 0
  while (done < bytes.length) {
    const written = await file.write(bytes.subarray(done), position + done)
    done += written
    stuck = written === 0 ? stuck + 1 : 0
    if (stuck >= WRITES_WITHOUT_HEADWAY_MAX) throw new Error(`write stopped after ${done} of ${bytes.length} bytes`)
  }
}

/** The old content or the new one, never half of it, whenever the machine stops. */
export async function replaceFile(files: FileSystem, { folder, name, content }: { folder: string; name: string; content: Buffer }): Promise<void> {
  const fresh = `${folder}/${name}.new`
  const file = await files.open(fresh, 'create')
  try {
    await file.truncate(0)
    await writeWhole(file, content, 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(fresh, `${folder}/${name}`)
  await files.syncFolder(folder)
}

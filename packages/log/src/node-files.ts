import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, readdir, readFile, rename, statfs, unlink } from 'node:fs/promises'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { logLocked } from './errors.ts'
import type { FileSystem, OpenFile } from './files.ts'

const LOCK_FILE = 'lock.db'
const SQLITE_BUSY = 5
const FLAGS = { create: 'a+', write: 'r+', read: 'r' } as const

/** The disk of this machine. */
export const nodeFiles: FileSystem = {
  createFolder: async (folder) => {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await syncFolder(path.dirname(folder))
  },
  list: (folder) => readdir(folder),
  async readFile(file) {
    try {
      return await readFile(file)
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return undefined
      throw cause
    }
  },
  async open(file, mode) {
    // `a+` makes the file; writes with it would always go to its end, so it is only for that.
    if (mode === 'create') await (await open(file, FLAGS.create, 0o600)).close()
    return openFileOf(await open(file, mode === 'read' ? FLAGS.read : FLAGS.write))
  },
  rename: (from, to) => rename(from, to),
  remove: (file) => unlink(file),
  syncFolder,
  async freeBytes(folder) {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  },
  lock: async (folder) => lockFolder(folder)
}

function openFileOf(handle: FileHandle): OpenFile {
  return {
    async read(into, position) {
      let done = 0
      while (done < into.length) {
        const { bytesRead } = await handle.read(into, done, into.length - done, position + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return done
    },
    write: async (bytes, position) => (await handle.write(bytes, 0, bytes.length, position)).bytesWritten,
    sync: () => handle.datasync(),
    truncate: (bytes) => handle.truncate(bytes),
    size: async () => (await handle.stat()).size,
    close: () => handle.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** SQLite's lock is the kernel's: it ends with the process, works across containers, and leaves no pid file to wonder about. */
function lockFolder(folder: string): AsyncDisposable {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path.join(folder, LOCK_FILE), { timeout: 0 })
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    const held = database
    return { [Symbol.asyncDispose]: async () => held.close() }
  } catch (cause) {
    database?.close()
    if (cause instanceof Error && 'errcode' in cause && typeof cause.errcode === 'number' && (cause.errcode & 0xff) === SQLITE_BUSY) {
      throw logLocked({ folder }, { cause })
    }
    throw cause
  }
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}

import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { spillFailed } from './errors.ts'
import { SPILL_FILE_BYTES } from './limits.ts'

/** Where bytes lie in the spill. */
export interface SpillPlace {
  readonly file: SpillFile
  readonly offset: number
  readonly bytes: number
}

interface SpillFile {
  readonly path: string
  readonly handle: Promise<FileHandle>
  written: number
  /** Pieces that are still wanted. */
  live: number
}

export interface SpillOptions {
  readonly folder: string
  /** Begins the names of the files; those of an earlier process are removed. */
  readonly prefix: string
  readonly fileBytes?: number
}

/**
 * First in, first out, in files that are removed as they are read. Nothing here must survive: it is a cache of what the source still
 * has, so no write is made durable.
 */
export class Spill {
  readonly #options: SpillOptions
  readonly #files: SpillFile[] = []
  #made = 0
  #bytes = 0
  #ready: Promise<void> | undefined

  constructor(options: SpillOptions) {
    this.#options = options
  }

  /** On the disk, read or not, until its file is removed: what the bound on the spill counts. */
  get bytes(): number {
    return this.#bytes
  }

  /** The place is known at once, so that order does not depend on the disk; the bytes are there when `written` resolves. @throws CAP_SPILL_FAILED */
  put(content: Buffer): { place: SpillPlace; written: Promise<void> } {
    const file = this.#fileFor(content.length)
    const place = { file, offset: file.written, bytes: content.length }
    file.written += content.length
    file.live += 1
    this.#bytes += content.length
    return { place, written: this.#write(place, content) }
  }

  /** @throws CAP_SPILL_FAILED */
  async read({ file, offset, bytes }: SpillPlace): Promise<Buffer> {
    const content = Buffer.allocUnsafe(bytes)
    try {
      const handle = await file.handle
      const { bytesRead } = await handle.read(content, 0, bytes, offset)
      if (bytesRead === bytes) return content
    } catch (cause) {
      throw this.#failed(cause)
    }
    throw this.#failed(`${file.path} is shorter than what was written to it`)
  }

  /** Once per piece, when nobody wants it again. */
  async release({ file }: SpillPlace): Promise<void> {
    file.live -= 1
    if (file.live > 0) return
    if (file === this.#files.at(-1)) {
      // The one that is written to begins again at its start: an empty spill holds nothing, or it would never have room again.
      this.#bytes -= file.written
      file.written = 0
      return
    }
    await this.#remove(file)
  }

  async clear(): Promise<void> {
    for (const file of [...this.#files]) await this.#remove(file)
  }

  #fileFor(bytes: number): SpillFile {
    const newest = this.#files.at(-1)
    if (newest !== undefined && (newest.written === 0 || newest.written + bytes <= (this.#options.fileBytes ?? SPILL_FILE_BYTES))) return newest
    this.#ready ??= this.#prepare()
    this.#made += 1
    const path = join(this.#options.folder, `${this.#options.prefix}.${this.#made}.spill`)
    const handle = this.#ready.then(() => open(path, 'w+'))
    // Whoever writes or reads hears of it.
    handle.catch(() => {})
    const file: SpillFile = { path, handle, written: 0, live: 0 }
    this.#files.push(file)
    return file
  }

  async #prepare(): Promise<void> {
    const { folder, prefix } = this.#options
    await mkdir(folder, { recursive: true })
    const left = (await readdir(folder)).filter((name) => name.startsWith(`${prefix}.`) && name.endsWith('.spill'))
    for (const name of left) await rm(join(folder, name), { force: true })
  }

  async #write({ file, offset }: SpillPlace, content: Buffer): Promise<void> {
    try {
      const handle = await file.handle
      for (let at = 0; at < content.length; ) {
        const { bytesWritten } = await handle.write(content, at, content.length - at, offset + at)
        at += bytesWritten
      }
    } catch (cause) {
      throw this.#failed(cause)
    }
  }

  async #remove(file: SpillFile): Promise<void> {
    const at = this.#files.indexOf(file)
    if (at < 0) return
    this.#files.splice(at, 1)
    this.#bytes -= file.written
    try {
      const handle = await file.handle
      await handle.close()
      await rm(file.path, { force: true })
    } catch (cause) {
      throw this.#failed(cause)
    }
  }

  #failed(cause: unknown): Error {
    const problem = cause instanceof Error ? cause.message : String(cause)
    return spillFailed({ folder: this.#options.folder, problem }, { cause })
  }
}

import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { logLocked } from './errors.ts'
import type { FileSystem, OpenFile } from './files.ts'

/**
 * A disk for tests. What was not synced is lost in a crash, in part and in any order; names are lost unless their folder was
 * synced; single operations can be made to fail; bits can flip. Not used outside of tests.
 */
export interface SimulatedFiles {
  /** The disk as one process sees it. After a crash all it does fails: a dead process cannot write. */
  boot(): FileSystem
  /** The machine stops: open files and locks end, and of what was not synced each sector survives with the given chance. */
  crash(options: { readonly random: () => number; readonly keepChance: number }): void
  /** Every later operation of that kind that the filter lets through fails, until `mend`. */
  breakOperation(fault: Fault): void
  mend(): void
  flipBit(file: string, offset: number, bit?: number): void
  contentOf(file: string): Buffer
  /** Behind the back of every process. */
  put(file: string, content: Buffer): void
  remove(file: string): void
  names(folder: string): string[]
  readonly free: { bytes: number }
}

export interface Fault {
  readonly operation: 'write' | 'sync' | 'syncFolder' | 'rename' | 'truncate' | 'read' | 'create'
  /** `short`: a write that takes half, and goes on. The others: the error of the system. */
  readonly outcome: 'EIO' | 'ENOSPC' | 'short'
  /** Of the file or folder. */
  readonly where?: (path: string) => boolean
  /** Passes this many operations first. */
  readonly after?: number
}

type Unsynced = { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer } | { readonly kind: 'truncate'; readonly bytes: number }

interface Node {
  content: Buffer
  durable: Buffer
  unsynced: Unsynced[]
}

export interface SimulatedFilesOptions {
  /**
   * Planted faults. `never`: content is said to be synced, and is not. `late`: it is, but the answer comes first; the same as a log
   * that acknowledges before its sync.
   */
  readonly sync?: 'honest' | 'late' | 'never'
}

const SECTOR_BYTES = 512

export function createSimulatedFiles({ sync = 'honest' }: SimulatedFilesOptions = {}): SimulatedFiles {
  return new SimulatedDisk(sync)
}

class SimulatedDisk implements SimulatedFiles {
  readonly free = { bytes: Number.MAX_SAFE_INTEGER }
  readonly #sync: 'honest' | 'late' | 'never'
  #names = new Map<string, Node>()
  #durableNames = new Map<string, Node>()
  #locks = new Set<string>()
  #faults: { fault: Fault; passes: number }[] = []
  #generation = 0

  constructor(sync: 'honest' | 'late' | 'never') {
    this.#sync = sync
  }

  boot(): FileSystem {
    const born = this.#generation
    return {
      createFolder: async () => void this.#alive(born),
      list: async (folder) => namesIn(this.#alive(born), folder),
      readFile: async (file) => this.#alive(born).get(file)?.content,
      open: (file, mode) => this.#open(file, { mode, born }),
      rename: async (from, to) => {
        await this.#enter('rename', from, born)
        this.#names.set(to, this.#node(from))
        this.#names.delete(from)
      },
      remove: async (file) => {
        this.#node(file)
        this.#alive(born).delete(file)
      },
      syncFolder: (folder) => this.#syncFolder(folder, born),
      freeBytes: async () => {
        this.#alive(born)
        return this.free.bytes
      },
      lock: async (folder) => this.#lock(folder, born)
    }
  }

  crash({ random, keepChance }: { readonly random: () => number; readonly keepChance: number }): void {
    this.#generation += 1
    this.#faults = []
    this.#locks = new Set()
    const survivors = new Map(this.#durableNames)
    for (const [file, node] of this.#names) if (!survivors.has(file) && random() < keepChance) survivors.set(file, node)
    for (const [file, node] of survivors)
      survivors.set(
        file,
        afterCrash(node, () => random() < keepChance)
      )
    this.#names = survivors
    this.#durableNames = new Map(survivors)
  }

  breakOperation(fault: Fault): void {
    this.#faults.push({ fault, passes: fault.after ?? 0 })
  }

  mend(): void {
    this.#faults = []
  }

  flipBit(file: string, offset: number, bit = 0): void {
    const content = Buffer.from(this.contentOf(file))
    content[offset] = (content[offset] ?? 0) ^ (1 << bit)
    this.put(file, content)
  }

  contentOf(file: string): Buffer {
    return this.#node(file).content
  }

  put(file: string, content: Buffer): void {
    this.#names.set(file, { content, durable: content, unsynced: [] })
    this.#durableNames = new Map(this.#names)
  }

  remove(file: string): void {
    this.#names.delete(file)
    this.#durableNames = new Map(this.#names)
  }

  names(folder: string): string[] {
    return namesIn(this.#names, folder)
  }

  #alive(born: number): Map<string, Node> {
    if (born !== this.#generation) throw systemError('EBADF', 'the process is gone')
    return this.#names
  }

  /** Every operation that can fail passes here. */
  async #enter(operation: Fault['operation'], where: string, born: number): Promise<Fault['outcome'] | undefined> {
    // A disk takes its time: whoever waits for it lets others run.
    await setImmediate()
    this.#alive(born)
    const hit = this.#faults.find(({ fault }) => fault.operation === operation && (fault.where?.(where) ?? true))
    if (hit === undefined) return undefined
    hit.passes -= 1
    if (hit.passes >= 0) return undefined
    if (hit.fault.outcome === 'short') return 'short'
    throw systemError(hit.fault.outcome, operation)
  }

  #node(file: string): Node {
    const node = this.#names.get(file)
    if (node === undefined) throw systemError('ENOENT', file)
    return node
  }

  async #open(file: string, { mode, born }: { mode: 'create' | 'write' | 'read'; born: number }): Promise<OpenFile> {
    if (mode === 'create' && !this.#alive(born).has(file)) {
      await this.#enter('create', file, born)
      this.#names.set(file, { content: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] })
    }
    this.#alive(born)
    const node = this.#node(file)
    return {
      read: async (into, position) => {
        await this.#enter('read', file, born)
        return node.content.copy(into, 0, position, Math.min(node.content.length, position + into.length))
      },
      write: async (bytes, position) => {
        const short = (await this.#enter('write', file, born)) === 'short' && bytes.length > 1
        const taken = Buffer.from(short ? bytes.subarray(0, bytes.length >> 1) : bytes)
        node.unsynced.push({ kind: 'write', position, bytes: taken })
        node.content = written(node.content, position, taken)
        return taken.length
      },
      sync: () => this.#syncNode(node, { file, born }),
      truncate: async (bytes) => {
        await this.#enter('truncate', file, born)
        node.unsynced.push({ kind: 'truncate', bytes })
        node.content = resized(node.content, bytes)
      },
      size: async () => node.content.length,
      close: async () => {}
    }
  }

  async #syncNode(node: Node, { file, born }: { file: string; born: number }): Promise<void> {
    const content = node.content
    const pending = node.unsynced.length
    const done = (): void => {
      if (born !== this.#generation) return
      node.durable = content
      node.unsynced = node.unsynced.slice(pending)
    }
    if (this.#sync === 'never') return
    const finished = this.#enter('sync', file, born).then(done)
    if (this.#sync === 'honest') await finished
    else finished.catch(() => {})
  }

  async #syncFolder(folder: string, born: number): Promise<void> {
    await this.#enter('syncFolder', folder, born)
    for (const file of this.#durableNames.keys()) if (path.dirname(file) === folder) this.#durableNames.delete(file)
    for (const [file, node] of this.#names) if (path.dirname(file) === folder) this.#durableNames.set(file, node)
  }

  #lock(folder: string, born: number): AsyncDisposable {
    this.#alive(born)
    const held = this.#locks
    if (held.has(folder)) throw logLocked({ folder })
    held.add(folder)
    return { [Symbol.asyncDispose]: async () => void held.delete(folder) }
  }
}

/** What the disk had, and of each unsynced write any of its sectors; where nothing was written, zeros. */
function afterCrash({ durable, unsynced }: Node, survives: () => boolean): Node {
  let content = durable
  for (const change of unsynced) {
    if (change.kind === 'truncate') {
      if (survives()) content = resized(content, change.bytes)
      continue
    }
    for (let at = 0; at < change.bytes.length; ) {
      const end = Math.min(change.bytes.length, at + SECTOR_BYTES - ((change.position + at) % SECTOR_BYTES))
      if (survives()) content = written(content, change.position + at, change.bytes.subarray(at, end))
      at = end
    }
  }
  return { content, durable: content, unsynced: [] }
}

/** Names of files, and of the folders that hold some. */
function namesIn(names: ReadonlyMap<string, Node>, folder: string): string[] {
  const inside = [...names.keys()].filter((file) => file.startsWith(`${folder}/`)).map((file) => file.slice(folder.length + 1).split('/')[0] ?? '')
  return [...new Set(inside)]
}

function written(content: Buffer, position: number, bytes: Buffer): Buffer {
  const grown = resized(content, Math.max(content.length, position + bytes.length))
  grown.set(bytes, position)
  return grown
}

/** Always a copy: what was synced must not change with what is written next. */
function resized(content: Buffer, bytes: number): Buffer {
  const changed = Buffer.alloc(bytes)
  content.copy(changed)
  return changed
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}

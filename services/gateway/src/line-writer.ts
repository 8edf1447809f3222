import { fstatSync, write, writeSync } from 'node:fs'

/** Gathered before a write begins: one write costs about as much as several requests' lines, so it is shared by some 50 of them. */
const GATHERED_CHARS = 16 * 1024
/** What waits at most: some ten thousand lines, more than a second of full load. Full => lines are dropped and counted; no request waits for a log. */
const WAITING_CHARS_MAX = 4 * 1024 * 1024
/** How old a line gets at most, if the destination takes it. */
const FLUSH_MS = 200
const WRITE_BYTES_MAX = 64 * 1024
/** The workers and their supervisor share one standard output; writes up to this size (PIPE_BUF) never mix inside of a pipe. */
const PIPE_WRITE_BYTES_MAX = 4 * 1024
/** Pause when a non-blocking destination is full. */
const RETRY_MS = 20
/** At the end of the process a destination that takes nothing gets this many pauses, 200 ms in all. */
const FINAL_RETRIES_MAX = 10

const NEWLINE = 0x0a
const NOTHING: Buffer = Buffer.alloc(0)

/**
 * Writes whole lines to a file descriptor, gathered and asynchronously, in the order in which they came (but see `flushSync`). Lines of the last `FLUSH_MS`
 * are lost when the process is killed; at every other end of it they are written.
 */
export class LineWriter {
  readonly #fd: number
  readonly #writeBytesMax: number
  readonly #timer: NodeJS.Timeout
  readonly #onExit = (): void => this.flushSync()
  #gathered = ''
  /** Taken from `#gathered`; the bytes up to `#sentTo` have been handed to the kernel, or are about to be. */
  #chunk = NOTHING
  #sentTo = 0
  #busy = false
  #dropped = 0

  constructor(fd: number) {
    this.#fd = fd
    this.#writeBytesMax = fstatSync(fd).isFIFO() ? PIPE_WRITE_BYTES_MAX : WRITE_BYTES_MAX
    this.#timer = setInterval(() => this.flush(), FLUSH_MS).unref()
    process.once('exit', this.#onExit)
  }

  /** Lines that were lost because the destination was too slow, or failed. */
  get dropped(): number {
    return this.#dropped
  }

  /** @param line with its line feed. */
  write(line: string): void {
    if (this.#gathered.length + line.length > WAITING_CHARS_MAX) {
      this.#dropped += 1
      return
    }
    this.#gathered += line
    if (this.#gathered.length >= GATHERED_CHARS) this.flush()
  }

  /** Begins to write what was gathered, unless a write is under way; then its end is followed by the next. */
  flush(): void {
    if (this.#busy || this.#gathered === '') return
    this.#chunk = Buffer.from(this.#gathered)
    this.#gathered = ''
    this.#sentTo = 0
    this.#busy = true
    this.#writePiece()
  }

  /** For the end of the process. A write under way is left to its thread, which the process waits for; its lines may come last. */
  flushSync(): void {
    const waiting = Buffer.concat([this.#chunk.subarray(this.#sentTo), Buffer.from(this.#gathered)])
    this.#chunk = NOTHING
    this.#sentTo = 0
    this.#gathered = ''
    let from = 0
    for (let retries = 0; from < waiting.length && retries <= FINAL_RETRIES_MAX; ) {
      try {
        from += writeSync(this.#fd, waiting, from, pieceEnd(waiting, from, this.#writeBytesMax) - from)
      } catch (error) {
        if (!isFull(error)) break
        retries += 1
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
      }
    }
    this.#dropped += linesIn(waiting, from)
  }

  /** Writes the rest and lets go of the process. */
  close(): void {
    clearInterval(this.#timer)
    process.off('exit', this.#onExit)
    this.flushSync()
  }

  #writePiece(): void {
    const from = this.#sentTo
    const chunk = this.#chunk
    this.#sentTo = pieceEnd(chunk, from, this.#writeBytesMax)
    write(this.#fd, chunk, from, this.#sentTo - from, null, (error, writtenBytes) => {
      // `flushSync` may have taken over what was left.
      if (chunk !== this.#chunk) this.#busy = false
      else if (error === null) this.#writeOn(from + writtenBytes)
      else if (isFull(error)) this.#retry(from)
      else this.#giveUp(from)
    })
  }

  #writeOn(from: number): void {
    this.#sentTo = from
    if (from < this.#chunk.length) this.#writePiece()
    else {
      this.#chunk = NOTHING
      this.#busy = false
      if (this.#gathered.length >= GATHERED_CHARS) this.flush()
    }
  }

  #retry(from: number): void {
    const chunk = this.#chunk
    this.#sentTo = from
    setTimeout(() => {
      if (chunk === this.#chunk) this.#writePiece()
      else this.#busy = false
    }, RETRY_MS).unref()
  }

  /** The reader is gone or the disk is full: serving goes on, and the metric tells. */
  #giveUp(from: number): void {
    this.#dropped += linesIn(this.#chunk, from)
    this.#chunk = NOTHING
    this.#busy = false
  }
}

/** Where one write that begins at `from` ends: as many whole lines as fit, or one that is longer. The chunk ends with a line feed. */
export function pieceEnd(chunk: Buffer, from: number, bytesMax: number): number {
  if (chunk.length - from <= bytesMax) return chunk.length
  const last = chunk.lastIndexOf(NEWLINE, from + bytesMax - 1)
  return (last >= from ? last : chunk.indexOf(NEWLINE, from)) + 1
}

function linesIn(chunk: Buffer, from: number): number {
  let lines = 0
  for (let at = chunk.indexOf(NEWLINE, from); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) lines += 1
  return lines
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN'
}

import { randomUUID } from 'node:crypto'
import type { Clock } from '@cellway/base'
import { isCellwayError, systemClock } from '@cellway/base'
import { checkBatch, checkMaxBytes, checkReader, checkSameLog, checkStream } from './check.ts'
import { EmbeddedStream } from './embedded-stream.ts'
import { logCorrupt, logNotDurable, logOverloaded, logRequestInvalid, logStreamUnknown } from './errors.ts'
import type { FileSystem } from './files.ts'
import type { Health } from './health.ts'
import { createHealth } from './health.ts'
import * as limits from './limits.ts'
import type { Log, LogEvent, LogPosition, ReadBatch, ReadOptions } from './log.ts'
import { nodeFiles } from './node-files.ts'
import type { RecoveryOptions } from './recovery.ts'
import { recoverStream } from './recovery.ts'
import { segmentBases } from './segment.ts'
import type { StreamFile } from './stream-file.ts'
import { folderNameOf, readStreamFile, streamNameOf, writeStreamFile } from './stream-file.ts'
import type { StreamInspection, StreamLimits, StreamPorts } from './stream-ports.ts'
import { readStream } from './stream-reader.ts'

export interface EmbeddedLogOptions extends Partial<StreamLimits> {
  /** Made if absent; one process at a time. */
  readonly folder: string
  readonly files?: FileSystem
  readonly clock?: Clock
  /** `all` reads everything once at the start, about a second per GiB; `newest` checks older segments when they are read. */
  readonly verify?: RecoveryOptions['verify']
  readonly pendingBytesMax?: number
  readonly pendingAppendsMax?: number
  readonly freeBytesMin?: number
  readonly sweepEveryMs?: number
  readonly onEvent?: (event: LogEvent) => void
}

export interface EmbeddedLog extends Log {
  /** Retention now; it also runs by itself. */
  sweep(): Promise<void>
  /** @throws LOG_FAILED, LOG_CLOSED */
  inspect(): Promise<readonly StreamInspection[]>
  /** Once true, only opening the log again helps. */
  readonly failed: boolean
}

const adapter = 'embedded'
const SWEEP_EVERY_MS = 30_000

/**
 * Segment files in a folder per stream. An append is acknowledged once it is on the disk; appends that come together are written
 * and made durable together. After a failed write or fsync the log stops for good: it never guesses what is on the disk.
 * @throws LOG_LOCKED, LOG_CORRUPT, LOG_FORMAT_UNKNOWN, LOG_REQUEST_INVALID
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  const { folder, files = nodeFiles, clock = systemClock, verify = 'all', onEvent = () => {} } = options
  const streamLimits = checkLimits(options)
  await files.createFolder(folder)
  const lock = await files.lock(folder)
  try {
    const health = createHealth({
      adapter,
      folder,
      files,
      monotonicMs: () => clock.monotonicMs(),
      pendingBytesMax: options.pendingBytesMax ?? limits.PENDING_BYTES_MAX,
      pendingAppendsMax: options.pendingAppendsMax ?? limits.PENDING_APPENDS_MAX,
      freeBytesMin: options.freeBytesMin ?? limits.FREE_BYTES_MIN,
      onEvent
    })
    const ports = { files, clock, limits: streamLimits, health, onEvent }
    const opened = await openStreams(folder, { ports, verify })
    return new OpenLog({ folder, ports, opened, lock, sweepEveryMs: options.sweepEveryMs ?? SWEEP_EVERY_MS })
  } catch (cause) {
    await lock[Symbol.asyncDispose]()
    throw cause
  }
}

function checkLimits(options: EmbeddedLogOptions): StreamLimits {
  const { segmentBytes = limits.SEGMENT_BYTES, groupBytesMax = limits.GROUP_BYTES_MAX, streamBytesMax = limits.STREAM_BYTES_MAX } = options
  const { retentionBytes = Math.min(limits.RETENTION_BYTES, streamBytesMax - 2 * segmentBytes), retentionMs = limits.RETENTION_MS } = options
  // Else a stream that nobody holds would fill before anything of it may go.
  if (retentionBytes < 0 || retentionBytes + 2 * segmentBytes > streamBytesMax) {
    throw logRequestInvalid({ problem: 'streamBytesMax must be >= retentionBytes + 2 * segmentBytes' })
  }
  return {
    segmentBytes,
    groupBytesMax,
    streamBytesMax,
    retentionBytes,
    retentionMs,
    readerTooFarBehind: options.readerTooFarBehind ?? 'refuse-appends'
  }
}

type SharedPorts = Omit<StreamPorts, 'folder'>

async function openStreams(
  folder: string,
  { ports, verify }: { ports: SharedPorts; verify: RecoveryOptions['verify'] }
): Promise<Map<string, EmbeddedStream>> {
  const streams = new Map<string, EmbeddedStream>()
  for (const name of (await ports.files.list(folder)).filter((one) => one.includes('+')).sort()) {
    const stream = await openStream(`${folder}/${name}`, { ports, verify, name: streamNameOf(name) })
    if (stream !== undefined) streams.set(stream.name, stream)
  }
  return streams
}

async function openStream(
  folder: string,
  { ports, verify, name }: { ports: SharedPorts; verify: RecoveryOptions['verify']; name: string }
): Promise<EmbeddedStream | undefined> {
  const { files, onEvent } = ports
  const known = await readStreamFile(files, folder)
  if (known === undefined) {
    // Without it there are no segments yet, unless somebody took it away.
    if (segmentBases(await files.list(folder)).length === 0) return undefined
    throw logCorrupt({ stream: name, file: folder, offset: 0, finding: 'stream.json is missing' })
  }
  if (known.stream !== name) throw logCorrupt({ stream: name, file: folder, offset: 0, finding: `the folder of ${known.stream}` })
  const recovered = await recoverStream({ files, folder, known, verify, onEvent })
  // From the first write on, the orderly close is no longer what it was.
  if (known.clean !== null) await writeStreamFile(files, folder, { ...known, clean: null })
  return new EmbeddedStream({ ...ports, folder }, known, recovered)
}

interface OpenLogOptions {
  readonly folder: string
  readonly ports: SharedPorts
  readonly opened: ReadonlyMap<string, EmbeddedStream>
  readonly lock: AsyncDisposable
  readonly sweepEveryMs: number
}

class OpenLog implements EmbeddedLog {
  readonly adapter = adapter
  readonly #folder: string
  readonly #ports: SharedPorts
  readonly #health: Health
  readonly #lock: AsyncDisposable
  /** Promises, so that appends keep their order while their stream is being made. */
  readonly #streams: Map<string, Promise<EmbeddedStream>>
  readonly #sweeper: NodeJS.Timeout
  #sweeping: Promise<void> | undefined
  #openReads = 0
  #disposed = false

  constructor({ folder, ports, opened, lock, sweepEveryMs }: OpenLogOptions) {
    this.#folder = folder
    this.#ports = ports
    this.#health = ports.health
    this.#lock = lock
    this.#streams = new Map([...opened].map(([name, stream]) => [name, Promise.resolve(stream)]))
    this.#sweeper = setInterval(() => {
      // A sweep that fails has failed the log, and every caller hears of it.
      this.#sweeping ??= this.sweep()
        .catch(() => {})
        .finally(() => {
          this.#sweeping = undefined
        })
    }, sweepEveryMs)
    this.#sweeper.unref()
  }

  get failed(): boolean {
    return this.#health.failed
  }

  async append(name: string, batch: Parameters<Log['append']>[1], { signal }: { readonly signal: AbortSignal }): Promise<LogPosition> {
    this.#health.assertAlive()
    checkStream(name)
    checkBatch(batch)
    const stream = await (this.#streams.get(name) ?? this.#addStream(name))
    return stream.append(batch, signal)
  }

  async *read(name: string, from: LogPosition | 'oldest', options: ReadOptions): AsyncGenerator<ReadBatch, undefined> {
    checkMaxBytes(options.maxBytes)
    const stream = await this.#stream(name)
    if (from !== 'oldest') checkSameLog(name, from, stream.logId)
    if (this.#openReads >= limits.OPEN_READS_MAX) throw logOverloaded({ stream: name, reason: 'readers', limit: limits.OPEN_READS_MAX })
    this.#openReads += 1
    try {
      yield* readStream(stream, from === 'oldest' ? stream.bounds().first : from.sequence, options)
    } finally {
      this.#openReads -= 1
    }
    return undefined
  }

  async bounds(name: string): Promise<ReturnType<EmbeddedStream['bounds']>> {
    return (await this.#stream(name)).bounds()
  }

  async identity(name: string): Promise<ReturnType<EmbeddedStream['identity']>> {
    return (await this.#stream(name)).identity()
  }

  async trim(name: string, before: LogPosition): Promise<ReturnType<EmbeddedStream['bounds']>> {
    const stream = await this.#stream(name)
    checkSameLog(name, before, stream.logId)
    return stream.trim(before.sequence)
  }

  async retain(name: string, reader: string, from: LogPosition): Promise<void> {
    checkReader(reader)
    const stream = await this.#stream(name)
    checkSameLog(name, from, stream.logId)
    await stream.retain(reader, from.sequence)
  }

  async release(name: string, reader: string): Promise<void> {
    await (await this.#stream(name)).release(reader)
  }

  async streams(): Promise<readonly string[]> {
    this.#health.assertAlive()
    return [...this.#streams.keys()].sort()
  }

  async inspect(): Promise<readonly StreamInspection[]> {
    const names = await this.streams()
    return Promise.all(names.map(async (name) => (await this.#stream(name)).inspect()))
  }

  async sweep(): Promise<void> {
    for (const stream of this.#streams.values()) await (await stream).sweep()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    clearInterval(this.#sweeper)
    this.#health.close()
    try {
      await this.#sweeping
      for (const stream of await Promise.allSettled(this.#streams.values())) if (stream.status === 'fulfilled') await stream.value.close()
    } finally {
      await this.#lock[Symbol.asyncDispose]()
    }
  }

  async #stream(name: string): Promise<EmbeddedStream> {
    this.#health.assertAlive()
    checkStream(name)
    const stream = await this.#streams.get(name)
    if (stream === undefined) throw logStreamUnknown({ stream: name })
    return stream
  }

  #addStream(name: string): Promise<EmbeddedStream> {
    if (this.#streams.size >= limits.STREAMS_MAX) throw logOverloaded({ stream: name, reason: 'streams', limit: limits.STREAMS_MAX })
    const added = this.#makeStream(name)
    this.#streams.set(name, added)
    // What could not be made is not there; the log has failed by then.
    added.catch(() => this.#streams.delete(name))
    return added
  }

  async #makeStream(name: string): Promise<EmbeddedStream> {
    const { files } = this.#ports
    const folder = `${this.#folder}/${folderNameOf(name)}`
    const known: StreamFile = { stream: name, logId: randomUUID(), first: 1, readers: {}, clean: null }
    try {
      await files.createFolder(folder)
      await writeStreamFile(files, folder, known)
    } catch (cause) {
      if (isCellwayError(cause)) throw cause
      this.#health.fail(name, cause)
      throw logNotDurable({ stream: name }, { cause })
    }
    return new EmbeddedStream({ ...this.#ports, folder }, known, { segments: [], epoch: 0 })
  }
}

import { randomUUID } from 'node:crypto'
import type { Clock } from '@cellway/base'
import { systemClock } from '@cellway/base'
import { checkBatch, checkHeld, checkMaxBytes, checkReader, checkSameLog, checkStream } from './check.ts'
import { logClosed, logFenced, logOverloaded, logStreamUnknown, logTrimHeld } from './errors.ts'
import { OPEN_READS_MAX, READERS_MAX, STREAM_BYTES_MAX, STREAMS_MAX } from './limits.ts'
import type { Log, LogBatch, LogBounds, LogIdentity, LogPosition, LogRecord, ReadBatch, ReadOptions } from './log.ts'
import type { Waiters } from './waiters.ts'
import { createWaiters } from './waiters.ts'

export interface MemoryLogOptions {
  readonly clock?: Clock
  /** Of one stream; beyond it appends are refused until it is trimmed. */
  readonly streamBytesMax?: number
}

interface MemoryStream {
  readonly logId: string
  epoch: number
  first: number
  records: LogRecord[]
  bytes: number
  readonly readers: Map<string, number>
  readonly waiters: Waiters
}

const adapter = 'memory'

/** For tests and for trying things out: durable until the process ends, trimmed only when asked. */
export function createMemoryLog(options: MemoryLogOptions = {}): Log {
  return new MemoryLog(options)
}

class MemoryLog implements Log {
  readonly adapter = adapter
  readonly #clock: Clock
  readonly #streamBytesMax: number
  readonly #streams = new Map<string, MemoryStream>()
  #openReads = 0
  #closed = false

  constructor({ clock = systemClock, streamBytesMax = STREAM_BYTES_MAX }: MemoryLogOptions) {
    this.#clock = clock
    this.#streamBytesMax = streamBytesMax
  }

  async append(name: string, batch: LogBatch, { signal }: { readonly signal: AbortSignal }): Promise<LogPosition> {
    this.#assertOpen()
    signal.throwIfAborted()
    checkStream(name)
    checkBatch(batch)
    const stream = this.#streams.get(name) ?? addStream(this.#streams, name)
    if (batch.epoch < stream.epoch) throw logFenced({ stream: name, epoch: batch.epoch, current: stream.epoch })
    if (stream.bytes + batch.payload.length > this.#streamBytesMax) {
      throw logOverloaded({ stream: name, reason: 'retention', limit: this.#streamBytesMax })
    }
    const sequence = boundsOf(stream).next
    stream.epoch = batch.epoch
    stream.bytes += batch.payload.length
    stream.records.push({ sequence, epoch: batch.epoch, appendedMs: this.#clock.nowMs(), payload: Buffer.from(batch.payload) })
    stream.waiters.wake()
    return { logId: stream.logId, sequence }
  }

  async *read(name: string, from: LogPosition | 'oldest', { maxBytes, signal }: ReadOptions): AsyncGenerator<ReadBatch, undefined> {
    checkMaxBytes(maxBytes)
    const stream = this.#stream(name)
    if (from !== 'oldest') checkSameLog(name, from, stream.logId)
    let sequence = from === 'oldest' ? stream.first : from.sequence
    if (this.#openReads >= OPEN_READS_MAX) throw logOverloaded({ stream: name, reason: 'readers', limit: OPEN_READS_MAX })
    this.#openReads += 1
    try {
      while (!signal.aborted) {
        this.#assertOpen()
        const bounds = boundsOf(stream)
        checkHeld(name, sequence, bounds)
        if (sequence === bounds.next) {
          await stream.waiters.wait(signal)
          continue
        }
        const records = take(stream.records, sequence - stream.first, maxBytes)
        sequence += records.length
        yield { records, next: { logId: stream.logId, sequence }, durableNext: bounds.next }
      }
    } finally {
      this.#openReads -= 1
    }
    return undefined
  }

  async bounds(name: string): Promise<LogBounds> {
    return boundsOf(this.#stream(name))
  }

  async trim(name: string, before: LogPosition): Promise<LogBounds> {
    const stream = this.#stream(name)
    checkSameLog(name, before, stream.logId)
    const { first, next } = boundsOf(stream)
    const target = Math.min(before.sequence, next)
    for (const [reader, position] of stream.readers) {
      if (position < target) throw logTrimHeld({ stream: name, before: target, reader, position })
    }
    const gone = stream.records.splice(0, Math.max(0, target - first))
    stream.bytes -= gone.reduce((sum, { payload }) => sum + payload.length, 0)
    stream.first = Math.max(first, target)
    return boundsOf(stream)
  }

  async identity(name: string): Promise<LogIdentity> {
    const { logId, epoch } = this.#stream(name)
    return { logId, epoch }
  }

  async streams(): Promise<readonly string[]> {
    this.#assertOpen()
    return [...this.#streams.keys()].sort()
  }

  async retain(name: string, reader: string, from: LogPosition): Promise<void> {
    checkReader(reader)
    const stream = this.#stream(name)
    checkSameLog(name, from, stream.logId)
    checkHeld(name, from.sequence, boundsOf(stream))
    if (!stream.readers.has(reader) && stream.readers.size >= READERS_MAX)
      throw logOverloaded({ stream: name, reason: 'readers', limit: READERS_MAX })
    stream.readers.set(reader, from.sequence)
  }

  async release(name: string, reader: string): Promise<void> {
    this.#stream(name).readers.delete(reader)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const { waiters } of this.#streams.values()) waiters.wake()
  }

  #stream(name: string): MemoryStream {
    this.#assertOpen()
    checkStream(name)
    const stream = this.#streams.get(name)
    if (stream === undefined) throw logStreamUnknown({ stream: name })
    return stream
  }

  #assertOpen(): void {
    if (this.#closed) throw logClosed({ adapter })
  }
}

function addStream(streams: Map<string, MemoryStream>, name: string): MemoryStream {
  if (streams.size >= STREAMS_MAX) throw logOverloaded({ stream: name, reason: 'streams', limit: STREAMS_MAX })
  const stream: MemoryStream = { logId: randomUUID(), epoch: 0, first: 1, records: [], bytes: 0, readers: new Map(), waiters: createWaiters() }
  streams.set(name, stream)
  return stream
}

function boundsOf({ logId, first, records }: MemoryStream): LogBounds {
  return { logId, first, next: first + records.length }
}

function take(records: readonly LogRecord[], start: number, maxBytes: number): LogRecord[] {
  const taken: LogRecord[] = []
  let bytes = 0
  for (let at = start; at < records.length; at += 1) {
    const record = records[at]
    if (record === undefined || (taken.length > 0 && bytes + record.payload.length > maxBytes)) break
    bytes += record.payload.length
    taken.push(record)
  }
  return taken
}

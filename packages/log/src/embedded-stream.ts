import { setImmediate } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import { checkHeld } from './check.ts'
import { logFailed, logFenced, logNotDurable, logOverloaded, logTrimHeld } from './errors.ts'
import type { OpenFile } from './files.ts'
import { writeWhole } from './files.ts'
import { RECORD_HEADER_BYTES, seedOf } from './frame.ts'
import type { EncodedGroup, GroupEncoder } from './group.ts'
import { createGroupEncoder } from './group.ts'
import { READERS_MAX } from './limits.ts'
import type { LogBatch, LogBounds, LogIdentity, LogPosition } from './log.ts'
import type { Recovered } from './recovery.ts'
import { planRetention } from './retention.ts'
import { addToIndex } from './scan.ts'
import type { Segment } from './segment.ts'
import { createSegment } from './segment.ts'
import type { StreamFile } from './stream-file.ts'
import { writeStreamFile } from './stream-file.ts'
import type { StreamInspection, StreamPorts } from './stream-ports.ts'
import type { Waiters } from './waiters.ts'
import { createWaiters } from './waiters.ts'

interface Pending {
  readonly batch: LogBatch
  readonly bytes: number
  readonly settle: (outcome: { readonly sequence: number } | { readonly error: unknown }) => void
}

/** One stream of the embedded log: its segments, its writer, and what its readers need. */
export class EmbeddedStream {
  readonly name: string
  readonly logId: string
  readonly seed: number
  readonly waiters: Waiters = createWaiters()
  readonly ports: StreamPorts
  #segments: Segment[]
  #first: number
  /** Of the newest append that was taken; its record may not be durable yet, but it fences all the same. */
  #epoch: number
  readonly #readers: Map<string, number>
  #queue: Pending[] = []
  #queuedBytes = 0
  #draining: Promise<void> | undefined
  #writer: OpenFile | undefined
  readonly #encoder: GroupEncoder
  /** Changes of `stream.json` and of the list of segments' start, one after the other. */
  #changing: Promise<void> = Promise.resolve()

  constructor(ports: StreamPorts, known: StreamFile, { segments, epoch }: Recovered) {
    this.ports = ports
    this.name = known.stream
    this.logId = known.logId
    this.seed = seedOf(known.logId)
    this.#encoder = createGroupEncoder({ seed: this.seed, keptBytesMax: ports.limits.groupBytesMax })
    this.#segments = segments
    this.#first = known.first
    this.#epoch = epoch
    this.#readers = new Map(Object.entries(known.readers))
    ports.health.onEnd(() => this.waiters.wake())
  }

  bounds(): LogBounds {
    return { logId: this.logId, first: this.#first, next: this.#segments.at(-1)?.next ?? this.#first }
  }

  identity(): LogIdentity {
    return { logId: this.logId, epoch: this.#epoch }
  }

  /** The one that holds the sequence. */
  segmentOf(sequence: number): Segment | undefined {
    return this.#segments.findLast(({ header }) => header.base <= sequence)
  }

  bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  inspect(): StreamInspection {
    return { stream: this.name, ...this.bounds(), epoch: this.#epoch, bytes: this.bytes(), readers: new Map(this.#readers) }
  }

  /** @throws LOG_FENCED, LOG_OVERLOADED, LOG_NOT_DURABLE, LOG_FAILED, LOG_CLOSED */
  append(batch: LogBatch, signal: AbortSignal): Promise<LogPosition> {
    const { health, limits } = this.ports
    health.assertAlive()
    signal.throwIfAborted()
    if (batch.epoch < this.#epoch) throw logFenced({ stream: this.name, epoch: batch.epoch, current: this.#epoch })
    const bytes = RECORD_HEADER_BYTES + batch.payload.length
    if (this.bytes() + this.#queuedBytes + bytes > limits.streamBytesMax) throw this.#full()
    health.enqueue(this.name, bytes)
    this.#epoch = batch.epoch
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#queue = this.#queue.filter((other) => other !== pending)
        pending.settle({ error: signal.reason })
      }
      let open = true
      const settle: Pending['settle'] = (outcome) => {
        if (!open) return
        open = false
        signal.removeEventListener('abort', onAbort)
        health.dequeue(bytes)
        this.#queuedBytes -= bytes
        if ('error' in outcome) reject(outcome.error)
        else resolve({ logId: this.logId, sequence: outcome.sequence })
      }
      const pending: Pending = { batch, bytes, settle }
      signal.addEventListener('abort', onAbort)
      this.#queue.push(pending)
      this.#queuedBytes += bytes
      this.#draining ??= this.#drain()
    })
  }

  /** @throws LOG_TRIM_HELD */
  async trim(before: number): Promise<LogBounds> {
    await this.#change(async () => {
      this.ports.health.assertAlive()
      const target = Math.min(before, this.bounds().next)
      for (const [reader, position] of this.#readers) {
        if (position < target) throw logTrimHeld({ stream: this.name, before: target, reader, position })
      }
      if (target > this.#first) await this.#moveFirst(target, 'asked')
    })
    return this.bounds()
  }

  /** @throws LOG_POSITION_LOST, LOG_OVERLOADED */
  async retain(reader: string, sequence: number): Promise<void> {
    await this.#change(async () => {
      this.ports.health.assertAlive()
      checkHeld(this.name, sequence, this.bounds())
      const isNew = !this.#readers.has(reader)
      if (isNew && this.#readers.size >= READERS_MAX) throw logOverloaded({ stream: this.name, reason: 'readers', limit: READERS_MAX })
      this.#readers.set(reader, sequence)
      // How far it is may be forgotten: an older position only keeps more. That it exists may not.
      if (isNew) await this.#save(null)
    })
    if (this.bytes() > this.ports.limits.retentionBytes) await this.sweep()
  }

  async release(reader: string): Promise<void> {
    await this.#change(async () => {
      this.ports.health.assertAlive()
      if (this.#readers.delete(reader)) await this.#save(null)
    })
    await this.sweep()
  }

  /** Drops what is too old or too much, up to what a known reader needs. */
  async sweep(): Promise<void> {
    await this.#change(async () => {
      const { health, limits, clock, onEvent } = this.ports
      if (health.failed) return
      const { target, why, lost } = planRetention(limits, { segments: this.#segments, readers: this.#readers, nowMs: clock.nowMs() })
      for (const [reader, position] of lost) {
        this.#readers.delete(reader)
        onEvent({ kind: 'reader-lost', stream: this.name, reader, position })
      }
      if (target > this.#first) await this.#moveFirst(target, why)
    })
  }

  /** Waits for what was taken, and writes down that nothing is missing. */
  async close(): Promise<void> {
    await this.#draining
    await this.#change(async () => {
      const newest = this.#segments.at(-1)
      if (newest !== undefined && !this.ports.health.failed) await this.#save({ base: newest.header.base, bytes: newest.bytes })
    })
    await this.#writer?.close()
    this.#writer = undefined
  }

  async #drain(): Promise<void> {
    // What is appended in the same turn of the event loop goes together; later ones gather while a group is on its way.
    await setImmediate()
    while (this.#queue.length > 0) {
      const group = this.#takeGroup()
      try {
        await this.#appendGroup(group)
      } catch (cause) {
        // What waits behind it too: a record must not pass one that its writer has to bring again.
        this.#refuse([...group, ...this.#queue.splice(0)], cause)
      }
    }
    this.#draining = undefined
  }

  #takeGroup(): Pending[] {
    let bytes = 0
    let count = 0
    for (const pending of this.#queue) {
      if (count > 0 && bytes + pending.bytes > this.ports.limits.groupBytesMax) break
      bytes += pending.bytes
      count += 1
    }
    return this.#queue.splice(0, count)
  }

  async #appendGroup(group: readonly Pending[]): Promise<void> {
    const { health, folder, clock } = this.ports
    if (health.failed) throw logFailed({ adapter: 'embedded', folder })
    const bytes = group.reduce((sum, pending) => sum + pending.bytes, 0)
    if (!(await health.hasRoom(bytes))) throw logOverloaded({ stream: this.name, reason: 'disk', limit: 0 })
    const { segment, file } = await this.#activeSegment()
    const encoded = this.#encoder.encode(group, { bytes, first: segment.next, appendedMs: Math.floor(clock.nowMs()) })
    await writeWhole(file, encoded.bytes, segment.bytes)
    await file.sync()
    // Another stream may have failed meanwhile, and from then on nothing is acknowledged.
    if (health.failed) throw logFailed({ adapter: 'embedded', folder })
    this.#publish(group, segment, encoded)
  }

  #publish(group: readonly Pending[], segment: Segment, { checksum, appendedMs }: EncodedGroup): void {
    const base = segment.next
    for (const [at, { bytes }] of group.entries()) {
      if (segment.index !== undefined) addToIndex(segment.index, base + at, segment.bytes)
      segment.bytes += bytes
    }
    segment.next += group.length
    segment.lastChecksum = checksum
    segment.lastAppendedMs = appendedMs
    for (const [at, pending] of group.entries()) pending.settle({ sequence: base + at })
    this.waiters.wake()
  }

  async #activeSegment(): Promise<{ segment: Segment; file: OpenFile }> {
    const { files, folder, limits, clock } = this.ports
    let segment = this.#segments.at(-1)
    if (segment === undefined || segment.bytes >= limits.segmentBytes) {
      await this.#writer?.close()
      this.#writer = undefined
      const { next } = this.bounds()
      const previousChecksum = segment?.lastChecksum ?? 0
      const header = { logId: this.logId, base: next, epoch: this.#epoch, createdMs: clock.nowMs(), previousChecksum }
      segment = await createSegment(files, folder, header)
      this.#segments.push(segment)
      await this.sweep()
    }
    this.#writer ??= await files.open(segment.path, 'write')
    return { segment, file: this.#writer }
  }

  /** Refusals leave the log as it was; anything else leaves the disk in a state that only a new start can find out. */
  #refuse(group: readonly Pending[], cause: unknown): void {
    if (!isCellwayError(cause)) this.ports.health.fail(this.name, cause)
    const error = isCellwayError(cause) ? cause : logNotDurable({ stream: this.name }, { cause })
    for (const pending of group) pending.settle({ error })
  }

  async #moveFirst(target: number, why: 'asked' | 'age' | 'size'): Promise<void> {
    const { files, onEvent } = this.ports
    const before = this.#first
    this.#first = target
    // Written down first: a segment that is gone too early could not be told from one that was lost.
    await this.#save(null).catch((cause: unknown) => {
      this.#first = before
      throw cause
    })
    const gone = this.#segments.filter((segment, at) => segment.next <= target && at < this.#segments.length - 1)
    this.#segments = this.#segments.slice(gone.length)
    for (const { path } of gone) await files.remove(path)
    onEvent({ kind: 'trimmed', stream: this.name, first: target, why })
  }

  async #save(clean: StreamFile['clean']): Promise<void> {
    const { files, folder } = this.ports
    const readers = Object.fromEntries(this.#readers)
    await writeStreamFile(files, folder, { stream: this.name, logId: this.logId, first: this.#first, readers, clean })
  }

  /** One change at a time; a failed write of it fails the log. */
  async #change(work: () => Promise<void>): Promise<void> {
    const mine = this.#changing.then(work)
    this.#changing = mine.catch(() => {})
    try {
      await mine
    } catch (cause) {
      if (isCellwayError(cause)) throw cause
      this.ports.health.fail(this.name, cause)
      throw logNotDurable({ stream: this.name }, { cause })
    }
  }

  #full(): Error {
    const [slowest] = [...this.#readers].sort(([, left], [, right]) => left - right)
    const limit = this.ports.limits.streamBytesMax
    return logOverloaded({ stream: this.name, reason: 'retention', limit, ...(slowest === undefined ? {} : { heldBy: slowest[0] }) })
  }
}

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Log } from '@cellway/log'
import { openEmbeddedLog } from '@cellway/log'
import { CELLS, everybody, makeCenterProcess } from '../integration/center/center-process.ts'

/** A packed record of some hundred transactions. */
const RECORD_BYTES = 64 * 1024
/** What a capture packs while it catches up. */
const LARGE_RECORD_BYTES = 256 * 1024
const LARGE_APPENDS = 192
const ROUNDS = 8
/** The first appends make the stream and the file. */
const WARM_UP_APPENDS = 20
const LATENCY_APPENDS = 400
/** 48 MiB: beyond what a disk takes in at once, short enough to run often. */
const THROUGHPUT_APPENDS = 768
/** Cells that write at the same time, each with some records on their way. */
const WRITERS: readonly string[] = CELLS
const IN_FLIGHT = 4
/** A small transaction, alone. */
const SMALL_BYTES = 2000
const FOLLOWED_APPENDS = 200
const FOLDER = join(fileURLToPath(new URL('../..', import.meta.url)), '.cellway')

interface Measured {
  readonly appendMsP50: number
  readonly appendMsP99: number
  readonly appendMiBPerSecond: number
  readonly readMiBPerSecond: number
}

/** Over HTTP and loopback, in a process of its own. */
interface RemoteMeasured extends Measured {
  /** One writer of records of 256 KiB. */
  readonly largeAppendMiBPerSecond: number
  /** From the acknowledgement at the writer to the record at a reader that waits for it; below 0 when the reader was first. */
  readonly ackToReaderMsP50: number
  readonly ackToReaderMsP99: number
}

export interface LogBench {
  readonly name: 'log'
  readonly ours: { readonly embedded: Measured; readonly remote: RemoteMeasured }
  /** The same bytes with nothing around them: write, fdatasync, next; and one read of the file. */
  readonly peer: { readonly rawFdatasync: Measured }
  readonly ratio: Readonly<Record<keyof Measured, number>>
  readonly rounds: number
  readonly machine: string
}

export const summary =
  'Durable appends of 64 KiB and reads of the embedded log, in the process and over HTTP from a center, next to a bare write + fdatasync of the same bytes.'

/** Medians of alternating rounds. Every byte that was read is compared by digest. */
export async function run(_options: { readonly json: boolean; readonly args: readonly string[] }): Promise<LogBench> {
  await mkdir(FOLDER, { recursive: true })
  const folder = await mkdtemp(join(FOLDER, 'bench-log-'))
  const ours: Measured[] = []
  const remote: RemoteMeasured[] = []
  const peer: Measured[] = []
  try {
    const payloads = Array.from({ length: 64 }, () => randomBytes(RECORD_BYTES))
    for (let round = 0; round < ROUNDS; round += 1) {
      const log = async (): Promise<unknown> => ours.push(await measureEmbedded(join(folder, `log-${round}`), payloads))
      const center = async (): Promise<unknown> => remote.push(await measureRemote(join(folder, `center-${round}`), payloads))
      const raw = async (): Promise<unknown> => peer.push(await measureRaw(join(folder, `raw-${round}`), payloads))
      // What one leaves behind for the disk to do, the other one feels.
      for (const measure of round % 2 === 0 ? [log, raw, center] : [center, raw, log]) await measure()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const [embedded, rawFdatasync] = [medians(ours), medians(peer)]
  return {
    name: 'log',
    ours: { embedded, remote: remoteMedians(remote) },
    peer: { rawFdatasync },
    ratio: combine((key) => round3(embedded[key] / rawFdatasync[key])),
    rounds: ROUNDS,
    machine: `${cpus()[0]?.model ?? 'unknown'} x ${cpus().length}, Node ${process.version}`
  }
}

async function measureEmbedded(folder: string, payloads: readonly Buffer[]): Promise<Measured> {
  await using log = await openEmbeddedLog({ folder })
  return await measureLog(log, payloads)
}

async function measureRemote(folder: string, payloads: readonly Buffer[]): Promise<RemoteMeasured> {
  await using center = await makeCenterProcess({ folder })
  await center.start()
  await using log = everybody(center.url)
  const measured = await measureLog(log, payloads)
  const large = randomBytes(LARGE_RECORD_BYTES)
  const startedMs = performance.now()
  let at = 0
  const writer = async (): Promise<void> => {
    while (at++ < LARGE_APPENDS) await append(log, 'beijing/large', large)
  }
  await Promise.all(Array.from({ length: WRITERS.length * IN_FLIGHT }, () => writer()))
  const largeAppendMiBPerSecond = (LARGE_APPENDS * LARGE_RECORD_BYTES) / 1024 / 1024 / ((performance.now() - startedMs) / 1000)
  const { p50, p99 } = quantilesOf(await timeFollowing(log))
  return { ...measured, largeAppendMiBPerSecond, ackToReaderMsP50: p50, ackToReaderMsP99: p99 }
}

/** A reader that stands at the end, and one record at a time. */
async function timeFollowing(log: Log): Promise<number[]> {
  const stream = 'beijing/followed'
  await append(log, stream, Buffer.alloc(SMALL_BYTES))
  const { logId } = await log.identity(stream)
  const reader = log.read(stream, { logId, sequence: 2 }, { maxBytes: 1024 * 1024, signal: AbortSignal.timeout(60_000) })
  const times: number[] = []
  for (let at = 0; at < FOLLOWED_APPENDS; at += 1) {
    const arrived = reader.next().then(() => performance.now())
    await append(log, stream, Buffer.alloc(SMALL_BYTES))
    const ackedMs = performance.now()
    times.push((await arrived) - ackedMs)
  }
  await reader.return?.()
  return times
}

async function measureLog(log: Log, payloads: readonly Buffer[]): Promise<Measured> {
  const latencies = await timeEach(LATENCY_APPENDS, (at) => append(log, 'beijing/latency', payloadAt(payloads, at)))
  const startedMs = performance.now()
  let at = 0
  const streams = WRITERS.map((cell) => `${cell}/main`)
  const writer = async (stream: string): Promise<void> => {
    while (at < THROUGHPUT_APPENDS) await append(log, stream, payloadAt(payloads, at++))
  }
  await Promise.all(streams.flatMap((stream) => Array.from({ length: IN_FLIGHT }, () => writer(stream))))
  const appendMiBPerSecond = rate(THROUGHPUT_APPENDS, performance.now() - startedMs)
  return { ...quantiles(latencies), appendMiBPerSecond, readMiBPerSecond: await measureReads(log, streams, payloads) }
}

async function measureReads(log: Log, streams: readonly string[], payloads: readonly Buffer[]): Promise<number> {
  const known = new Set(payloads.map((payload) => digest(payload)))
  let records = 0
  let spentMs = 0
  for (const stream of streams) {
    const { next } = await log.bounds(stream)
    let startedMs = performance.now()
    for await (const batch of log.read(stream, 'oldest', { maxBytes: 1024 * 1024, signal: AbortSignal.timeout(60_000) })) {
      spentMs += performance.now() - startedMs
      for (const { payload } of batch.records) if (!known.has(digest(payload))) throw new Error('a record came back different')
      records += batch.records.length
      if (batch.next.sequence === next) break
      startedMs = performance.now()
    }
  }
  if (records !== THROUGHPUT_APPENDS) throw new Error(`${records} records instead of ${THROUGHPUT_APPENDS}`)
  return rate(records, spentMs)
}

async function measureRaw(path: string, payloads: readonly Buffer[]): Promise<Measured> {
  await using file = await open(path, 'wx')
  let position = 0
  const write = async (at: number): Promise<void> => {
    const payload = payloadAt(payloads, at)
    const { bytesWritten } = await file.write(payload, 0, payload.length, position)
    if (bytesWritten !== payload.length) throw new Error('a short write')
    await file.datasync()
    position += payload.length
  }
  const latencies = await timeEach(LATENCY_APPENDS, write)
  const startedMs = performance.now()
  for (let at = 0; at < THROUGHPUT_APPENDS; at += 1) await write(at)
  const appendMiBPerSecond = rate(THROUGHPUT_APPENDS, performance.now() - startedMs)
  const readStartedMs = performance.now()
  const { length } = await readFile(path)
  return { ...quantiles(latencies), appendMiBPerSecond, readMiBPerSecond: rate(length / RECORD_BYTES, performance.now() - readStartedMs) }
}

function append(log: Log, stream: string, payload: Buffer): Promise<unknown> {
  return log.append(stream, { epoch: 1, payload }, { signal: AbortSignal.timeout(60_000) })
}

async function timeEach(count: number, work: (at: number) => Promise<unknown>): Promise<number[]> {
  for (let at = 0; at < WARM_UP_APPENDS; at += 1) await work(at)
  const times: number[] = []
  for (let at = 0; at < count; at += 1) {
    const startedMs = performance.now()
    await work(at)
    times.push(performance.now() - startedMs)
  }
  return times
}

function payloadAt(payloads: readonly Buffer[], at: number): Buffer {
  return payloads[at % payloads.length] ?? Buffer.alloc(RECORD_BYTES)
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64')
}

function rate(records: number, ms: number): number {
  return (records * RECORD_BYTES) / 1024 / 1024 / (ms / 1000)
}

function quantiles(times: readonly number[]): Pick<Measured, 'appendMsP50' | 'appendMsP99'> {
  const { p50, p99 } = quantilesOf(times)
  return { appendMsP50: p50, appendMsP99: p99 }
}

function quantilesOf(times: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = times.toSorted((left, right) => left - right)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

function remoteMedians(rounds: readonly RemoteMeasured[]): RemoteMeasured {
  const of = (key: keyof RemoteMeasured): number => round3(median(rounds.map((round) => round[key])))
  return {
    ...medians(rounds),
    largeAppendMiBPerSecond: of('largeAppendMiBPerSecond'),
    ackToReaderMsP50: of('ackToReaderMsP50'),
    ackToReaderMsP99: of('ackToReaderMsP99')
  }
}

function medians(rounds: readonly Measured[]): Measured {
  return combine((key) => round3(median(rounds.map((round) => round[key]))))
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.length >> 1
  return ((sorted[middle] ?? Number.NaN) + (sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? Number.NaN)) / 2
}

function combine(value: (key: keyof Measured) => number): Measured {
  return {
    appendMsP50: value('appendMsP50'),
    appendMsP99: value('appendMsP99'),
    appendMiBPerSecond: value('appendMiBPerSecond'),
    readMiBPerSecond: value('readMiBPerSecond')
  }
}

function round3(value: number): number {
  return Math.round(value * 1000) / 1000
}

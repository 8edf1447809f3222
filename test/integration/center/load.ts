import { setTimeout as sleep } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import type { Log, LogPosition } from '@cellway/log'
import type { SeenRecord } from './load-checker.ts'
import { findProblems, payloadOf, seen } from './load-checker.ts'

/** Cells that append their own streams as fast as the center takes them, and read all of them, while something goes wrong. */
export interface Load {
  /** Of all streams together. */
  readonly acknowledged: number
  /** Resolves once so many more are acknowledged. */
  more(count: number): Promise<void>
  readonly refusals: ReadonlyMap<string, number>
  /** Stops appending, lets the readers come to the end, and compares. */
  finish(): Promise<LoadReport>
}

export interface LoadReport {
  readonly problems: readonly string[]
  readonly acknowledged: number
  readonly read: number
  /** Brought again after their answer was lost, and there twice. */
  readonly twice: number
}

export interface LoadOptions {
  readonly cells: readonly string[]
  /** The client of a cell, for its appends and its reads. */
  readonly clientOf: (cell: string) => Log
  readonly inFlight: number
  readonly recordBytesMax: number
}

const FINISH_MS_MAX = 60_000

export function startLoad({ cells, clientOf, inFlight, recordBytesMax }: LoadOptions): Load {
  const stopped = new AbortController()
  const finished = new AbortController()
  const refusals = new Map<string, number>()
  const histories = new Map(
    cells.map((cell) => [
      `${cell}/mysql`,
      { acknowledged: new Map<number, number>(), reads: new Map<string, SeenRecord[]>(cells.map((reader) => [reader, []])) }
    ])
  )
  const total = (): number => [...histories.values()].reduce((sum, { acknowledged }) => sum + acknowledged.size, 0)

  async function append(cell: string): Promise<void> {
    const [log, stream] = [clientOf(cell), `${cell}/mysql`]
    const { acknowledged } = historyOf(stream)
    let first = 1
    while (!stopped.signal.aborted) {
      // As a capture does: after a failure everything from the first unacknowledged record on is brought again, in order.
      const failure = await appendRun(log, stream, {
        first,
        inFlight,
        recordBytesMax,
        signal: stopped.signal,
        onAck(number, { sequence }) {
          if (number !== first) throw new Error(`${stream}: ${number} acknowledged before ${first}`)
          first += 1
          acknowledged.set(sequence, number)
        }
      })
      if (failure !== undefined) refusals.set(failure, (refusals.get(failure) ?? 0) + 1)
    }
  }

  async function read(cell: string, stream: string): Promise<void> {
    const log = clientOf(cell)
    const records = historyOf(stream).reads.get(cell) ?? []
    let from: LogPosition | 'oldest' = 'oldest'
    while (!finished.signal.aborted) {
      try {
        for await (const batch of log.read(stream, from, { maxBytes: 200_000, signal: finished.signal })) {
          for (const record of batch.records) records.push(seen(record))
          from = batch.next
        }
      } catch (cause) {
        // Only before the first append.
        if (!isCellwayError(cause) || cause.code !== 'LOG_STREAM_UNKNOWN' || records.length > 0) throw cause
        await sleep(20)
      }
    }
  }

  function historyOf(stream: string): { acknowledged: Map<number, number>; reads: Map<string, SeenRecord[]> } {
    const found = histories.get(stream)
    if (found === undefined) throw new Error(`no history of ${stream}`)
    return found
  }

  const appenders = Promise.all(cells.map((cell) => append(cell)))
  const readers = Promise.all([...histories.keys()].flatMap((stream) => cells.map((cell) => read(cell, stream))))
  // Heard of in `finish`.
  for (const work of [appenders, readers]) work.catch(() => {})
  return {
    get acknowledged() {
      return total()
    },
    refusals,
    async more(count) {
      const wanted = total() + count
      const deadline = AbortSignal.any([AbortSignal.timeout(FINISH_MS_MAX)])
      while (total() < wanted) await Promise.race([sleep(5, undefined, { signal: deadline }), rejectionOf(appenders), rejectionOf(readers)])
    },
    async finish() {
      stopped.abort(new Error('the load is over'))
      await appenders
      const deadline = AbortSignal.timeout(FINISH_MS_MAX)
      for (const [stream, { reads }] of histories) {
        const { next } = await clientOf(cells[0] ?? '').bounds(stream)
        for (const records of reads.values())
          while (records.length < next - 1) await Promise.race([sleep(10, undefined, { signal: deadline }), rejectionOf(readers)])
      }
      finished.abort()
      await readers
      const problems = [...histories].flatMap(([stream, history]) => findProblems(stream, history))
      const read = [...histories.values()].flatMap(({ reads }) => [...reads.values()])
      const twice = read.reduce((sum, records) => sum + records.length - new Set(records.map(({ number }) => number)).size, 0)
      return { problems, acknowledged: total(), read: read.reduce((sum, { length }) => sum + length, 0), twice: twice / cells.length }
    }
  }
}

/** Rejects with the work; never resolves. */
async function rejectionOf(work: Promise<unknown>): Promise<never> {
  await work
  return new Promise<never>(() => {})
}

interface AppendRun {
  readonly first: number
  readonly inFlight: number
  readonly recordBytesMax: number
  readonly signal: AbortSignal
  readonly onAck: (number: number, position: LogPosition) => void
}

/** Appends from a number on until one fails; gives its code. Everything in flight has an outcome then. */
async function appendRun(log: Log, stream: string, { first, inFlight, recordBytesMax, signal, onAck }: AppendRun): Promise<string | undefined> {
  const flying: Promise<LogPosition>[] = []
  let [number, oldest] = [first, first]
  try {
    while (!signal.aborted || flying.length > 0) {
      while (flying.length < inFlight && !signal.aborted) {
        const bytes = Math.floor(Math.random() ** 4 * recordBytesMax)
        // As long as it takes: the center may be away.
        const append = log.append(stream, { epoch: 1, payload: payloadOf(number, bytes) }, { signal: AbortSignal.timeout(FINISH_MS_MAX) })
        append.catch(() => {})
        flying.push(append)
        number += 1
      }
      const position = await flying.shift()
      if (position !== undefined) onAck(oldest, position)
      oldest += 1
    }
    return undefined
  } catch (cause) {
    const outcomes = await Promise.allSettled(flying)
    if (outcomes.some(({ status }) => status === 'fulfilled')) throw new Error(`${stream}: an append passed one that failed`, { cause })
    if (!isCellwayError(cause)) throw cause
    return cause.code
  }
}

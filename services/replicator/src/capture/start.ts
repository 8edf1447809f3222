import { setTimeout as sleep } from 'node:timers/promises'
import { type CellwayError, isCellwayError } from '@cellway/base'
import { comparePositions, formatPosition, type Origin, type Position, parsePosition } from '@cellway/change'
import type { LogPosition, RemoteLog } from '@cellway/log'
import { backoffMs } from './backoff.ts'
import { fenced, readersDisagree, readersUnknown } from './errors.ts'
import { READERS_POLL_MS } from './limits.ts'
import type { SideSession } from './side-session.ts'
import { currentPosition } from './source-checks.ts'
import { readTail, type StreamTail } from './stream-tail.ts'

/** Where the stream goes on. */
export interface Start {
  readonly from: Position
  /** Of the first record. */
  readonly sequence: number
  /** The last record that the center has. */
  readonly tail: LogPosition | undefined
  readonly why: 'tail' | 'readers' | 'current' | 'forced'
}

export interface StartOptions {
  readonly center: RemoteLog
  readonly origin: Origin
  readonly epoch: number
  /** This process has put records into a center before. */
  readonly hasPublished: boolean
  readonly side: SideSession
  /** Cells that read the stream. */
  readonly readers: () => readonly string[]
  /** What an operator said, once. */
  readonly forced: () => Position | 'current' | undefined
  readonly onWaiting: (reason: CellwayError) => void
  readonly signal: AbortSignal
}

/**
 * The end of our own stream in the center, if it has one. If not, the center is new or was replaced, and the stream goes on where the
 * last of its readers is; a cell that nobody has ever read begins now.
 * @throws CAP_FENCED, CAP_STREAM_FOREIGN, CAP_READERS_DISAGREE, and what the log and the source throw
 */
export async function findStart(options: StartOptions): Promise<Start> {
  const tail = await readTailPatiently(options)
  const place = placeOf(tail, options)
  const asked = options.forced()
  if (asked !== undefined) return { ...place, from: asked === 'current' ? await current(options) : asked, why: 'forced' }
  if (tail?.last !== undefined) return { ...place, from: tail.last.envelope.to, why: 'tail' }
  return { ...place, ...(await fromReaders(options)) }
}

function placeOf(tail: StreamTail | undefined, { origin, epoch }: StartOptions): Pick<Start, 'sequence' | 'tail'> {
  if (tail === undefined) return { sequence: 1, tail: undefined }
  const position = { logId: tail.logId, sequence: tail.next - 1 }
  const newest = tail.last?.envelope
  if (newest !== undefined && newest.streamEpoch > epoch)
    throw fenced({ stream: `${origin.cell}/${origin.store}`, epoch, current: newest.streamEpoch })
  return { sequence: newest?.streamEpoch === epoch ? newest.producerSequence + 1 : 1, tail: position }
}

/** The center may be away for as long as it likes. */
async function readTailPatiently({ center, origin, signal, onWaiting }: StartOptions): Promise<StreamTail | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await readTail(center, origin, signal)
    } catch (cause) {
      signal.throwIfAborted()
      if (!isCellwayError(cause) || !cause.code.startsWith('LOG_') || cause.code === 'LOG_CORRUPT') throw cause
      onWaiting(cause)
    }
    await sleep(backoffMs(attempt), undefined, { signal })
  }
}

function current({ side }: StartOptions): Promise<Position> {
  return side.with((session) => currentPosition(session))
}

async function fromReaders(options: StartOptions): Promise<Pick<Start, 'from' | 'why'>> {
  const { origin, epoch, hasPublished, forced, onWaiting, signal } = options
  const stream = `${origin.cell}/${origin.store}`
  for (;;) {
    const asked = forced()
    if (asked !== undefined) return { from: asked === 'current' ? await current(options) : asked, why: 'forced' }
    const expected = options.readers()
    const reports = await reportsOf(options)
    const positions = reports?.flatMap(({ position }) => (position === '' ? [] : [parsePosition(origin.kind, position)])) ?? []
    const missing = expected.filter((cell) => !reports?.some(({ reader }) => reader === cell))
    // The first process that this cell ever had: nobody can have read anything, or its schema was made anew and readers would say so.
    const isNew = epoch === 1 && !hasPublished && reports !== undefined && positions.length === 0
    if (isNew || (missing.length === 0 && positions.length === 0)) return { from: await current(options), why: 'current' }
    if (missing.length === 0) return { from: lowest(stream, positions), why: 'readers' }
    const fix = 'Start the replicators of these cells, or force the start by command at a position that every cell has'
    onWaiting(readersUnknown({ stream, missing, fix }))
    await sleep(READERS_POLL_MS, undefined, { signal })
  }
}

async function reportsOf({ center, origin, onWaiting, signal }: StartOptions): Promise<Awaited<ReturnType<RemoteLog['readers']>> | undefined> {
  try {
    return await center.readers(`${origin.cell}/${origin.store}`, { signal })
  } catch (cause) {
    signal.throwIfAborted()
    if (!isCellwayError(cause) || cause.retry === 'never') throw cause
    onWaiting(cause)
    return undefined
  }
}

/** Readers of one stream stand on one line; if they do not, they have read different histories. @throws CAP_READERS_DISAGREE */
function lowest(stream: string, positions: readonly Position[]): Position {
  const candidate = positions.find((one) => positions.every((other) => ['before', 'equal'].includes(comparePositions(one, other))))
  if (candidate !== undefined) return candidate
  const fix = 'Find out which cells hold a history that this store does not have (cellway verify), then force the start by command'
  throw readersDisagree({ stream, positions: positions.map((position) => formatPosition(position)), fix })
}

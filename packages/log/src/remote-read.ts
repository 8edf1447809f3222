import { Readable } from 'node:stream'
import { logClosed, logLinkBroken, logReplaced } from './errors.ts'
import type { LogPosition, LogRecord, ReadBatch, ReadOptions } from './log.ts'
import { errorFromWire, isAway } from './remote-errors.ts'
import type { RemoteEvent } from './remote-log.ts'
import type { Transport } from './remote-transport.ts'
import type { Frame } from './remote-wire.ts'
import { BEAT_EVERY_MS, createFrameReader, encodeBeat, encodeTaken } from './remote-wire.ts'

export interface RemoteReadOptions extends ReadOptions {
  readonly transport: Transport
  readonly onEvent: (event: RemoteEvent) => void
}

/** Batches from a position on, over as many links as it takes: each one begins where the last whole batch ended. */
export async function* readRemote(stream: string, from: LogPosition | 'oldest', options: RemoteReadOptions): AsyncGenerator<ReadBatch, undefined> {
  const { transport, signal, onEvent } = options
  let position = from
  let attempts = 0
  while (!signal.aborted) {
    try {
      for await (const batch of readLink(stream, position, options)) {
        position = batch.next
        attempts = 0
        yield batch
        if (signal.aborted) return undefined
      }
      throw logLinkBroken({ problem: 'the center ended the read' })
    } catch (cause) {
      if (signal.aborted) return undefined
      if (transport.closing.aborted) throw logClosed({ adapter: 'remote' }, { cause })
      if (!isAway(cause)) throw cause
      onEvent({ kind: 'disconnected', what: 'read', stream, url: transport.url, cause })
      transport.failed(cause)
    }
    attempts += 1
    await transport.backOff(attempts, AbortSignal.any([signal, transport.closing])).catch(() => {})
  }
  return undefined
}

async function* readLink(stream: string, from: LogPosition | 'oldest', options: RemoteReadOptions): AsyncGenerator<ReadBatch> {
  const { transport, maxBytes, signal, onEvent } = options
  const link = new AbortController()
  const up = new Readable({ read: () => {} })
  up.on('error', () => {})
  // The head of the request goes out with the first piece.
  up.push(encodeBeat())
  const listening: Listening = { sinceMs: undefined }
  const beats = setInterval(() => beat({ up, link, listening, silenceMsMax: transport.tuning.silenceMsMax }), BEAT_EVERY_MS)
  const end = (): void => {
    clearInterval(beats)
    up.destroy()
    link.abort(logLinkBroken({ problem: 'the read ended' }))
  }
  // Also for a reader that has let go of the iterator without a word, once the log is closed.
  for (const ending of [signal, transport.closing]) ending.addEventListener('abort', end, { once: true })
  try {
    const wanted = from === 'oldest' ? from : `${from.logId}:${from.sequence}`
    const path = `/v1/streams/${stream}/reads?from=${encodeURIComponent(wanted)}&maxBytes=${maxBytes}`
    const body = await transport.open({ method: 'POST', path, body: up, signal: link.signal })
    onEvent({ kind: 'connected', what: 'read', stream, url: transport.url })
    yield* collectBatches(piecesOf(body, transport, listening), { stream, from, maxBytes, up })
  } finally {
    for (const ending of [signal, transport.closing]) ending.removeEventListener('abort', end)
    end()
  }
}

/** Since when the reader waits for the center; undefined while it works on what it has. */
interface Listening {
  sinceMs: number | undefined
}

interface Beating {
  readonly up: Readable
  readonly link: AbortController
  readonly listening: Listening
  readonly silenceMsMax: number
}

/** Tells the center that we are there, and gives the link up when nothing comes although somebody listens. */
function beat({ up, link, listening, silenceMsMax }: Beating): void {
  if (listening.sinceMs !== undefined && performance.now() - listening.sinceMs > silenceMsMax) {
    link.abort(logLinkBroken({ problem: `nothing came for ${silenceMsMax} ms` }))
  } else if (up.readableLength === 0) up.push(encodeBeat())
}

interface Collecting {
  readonly stream: string
  readonly from: LogPosition | 'oldest'
  readonly maxBytes: number
  readonly up: Readable
}

/**
 * The center sends until `maxBytes` are on their way or in use here, and goes on as it is told what was taken. Told at a quarter
 * of that, and whenever there is nothing left to give: so a far center does not wait for us, and many small batches cost little.
 */
async function* collectBatches(pieces: AsyncIterable<Buffer>, { stream, from, maxBytes, up }: Collecting): AsyncGenerator<ReadBatch> {
  const reader = createFrameReader()
  const collector = createCollector(stream, from)
  let taken = 0
  for await (const piece of pieces) {
    reader.push(piece)
    let next = 0
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const batch = collector(frame)
      if (batch === undefined) continue
      yield batch
      next = batch.next.sequence
      taken += batch.records.reduce((sum, { payload }) => sum + payload.length, 0)
      if (taken * 4 < maxBytes) continue
      up.push(encodeTaken(next))
      taken = 0
      next = 0
    }
    if (next > 0) up.push(encodeTaken(next))
    taken = 0
  }
}

/** Gives a batch at its mark. @throws LOG_REPLACED, LOG_LINK_BROKEN, and what the center ends the read with */
function createCollector(stream: string, from: LogPosition | 'oldest'): (frame: Frame) => ReadBatch | undefined {
  let logId: string | undefined
  let expected = from === 'oldest' ? undefined : from.sequence
  let records: LogRecord[] = []
  return (frame) => {
    switch (frame.kind) {
      case 'beat':
        return undefined
      case 'stream':
        if (from !== 'oldest' && frame.logId !== from.logId) throw logReplaced({ stream, wanted: from.logId, logId: frame.logId })
        logId = frame.logId
        return undefined
      case 'record':
        if (expected !== undefined && frame.record.sequence !== expected) {
          throw logLinkBroken({ problem: `record ${frame.record.sequence} where ${expected} is expected` })
        }
        expected = frame.record.sequence + 1
        records.push(frame.record)
        return undefined
      case 'batch': {
        if (logId === undefined || records.length === 0 || frame.next !== expected) throw logLinkBroken({ problem: 'a batch mark that does not fit' })
        const batch = { records, next: { logId, sequence: frame.next }, durableNext: frame.durableNext }
        records = []
        return batch
      }
      case 'error':
        throw errorFromWire(frame.error, 500)
      default:
        throw logLinkBroken({ problem: `a frame of kind ${frame.kind} in a read` })
    }
  }
}

async function* piecesOf(body: Readable, transport: Transport, listening: Listening): AsyncGenerator<Buffer> {
  const pieces = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  try {
    for (;;) {
      listening.sinceMs = performance.now()
      const { value, done } = await pieces.next()
      listening.sinceMs = undefined
      if (done === true) return
      transport.heard()
      yield value
    }
  } finally {
    await pieces.return?.()
  }
}

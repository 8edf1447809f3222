import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CellwayError } from '@cellway/base'
import type { Log, LogPosition } from '@cellway/log'
import {
  BEAT_EVERY_MS,
  createFrameReader,
  encodeBatch,
  encodeBeat,
  encodeError,
  encodeStream,
  errorToWire,
  FRAMES_CONTENT_TYPE,
  logLinkBroken
} from '@cellway/log'
import { requestInvalid } from '../errors.ts'
import { drained, nextPiece } from './waits.ts'
import { createSendWindow, type SendWindow } from './window.ts'

export interface DownloadOptions {
  readonly log: Log
  readonly stream: string
  readonly from: LogPosition | 'oldest'
  /** What may be on its way and not yet taken, besides one batch. */
  readonly maxBytes: number
  /** The reader tells what it has taken. Else only the connection holds us back. */
  readonly tells: boolean
  readonly silenceMsMax: number
  readonly ending: AbortSignal
  readonly asError: (cause: unknown) => CellwayError
  readonly onSent: (bytes: number) => void
  /** The reader is done with everything before; as far as we know. */
  readonly onTaken: (next: number) => void
}

/** One batch is held at a time, and the next one is read when the connection has taken it; so this bounds what a slow reader holds. */
export const BATCH_BYTES_MAX = 1024 * 1024

/** Sends a stream from a position on, for as long as there is somebody to take it. Never rejects. */
export async function serveDownload(request: IncomingMessage, response: ServerResponse, options: DownloadOptions): Promise<void> {
  const { tells, silenceMsMax, ending, asError, onTaken } = options
  const link = new AbortController()
  const end = (cause: unknown): void => link.abort(cause)
  const onEnding = (): void => end(ending.reason)
  response.once('close', () => end(logLinkBroken({ problem: 'the reader went away' })))
  response.on('error', () => {})
  ending.addEventListener('abort', onEnding, { once: true })
  response.writeHead(200, { 'content-type': FRAMES_CONTENT_TYPE, 'cache-control': 'no-store', connection: 'close' })
  response.write(encodeBeat())
  const heard = { ms: performance.now() }
  const beats = setInterval(() => {
    if (tells && performance.now() - heard.ms > silenceMsMax) end(logLinkBroken({ problem: `nothing came for ${silenceMsMax} ms` }))
    else if (!response.writableNeedDrain) response.write(encodeBeat())
  }, BEAT_EVERY_MS)
  const window = tells ? createSendWindow(options.maxBytes) : undefined
  try {
    if (ending.aborted) throw ending.reason
    if (window !== undefined) listenTaken(request, { window, heard, onTaken, signal: link.signal }).then(() => end(GONE), end)
    await sendBatches(response, { ...options, window, signal: link.signal })
    throw link.signal.reason
  } catch (cause) {
    if (!response.destroyed) response.end(encodeError(0, errorToWire(asError(cause))))
  } finally {
    clearInterval(beats)
    ending.removeEventListener('abort', onEnding)
    // What the reader still tells is of no use; its connection ends with our answer.
    request.resume()
  }
}

const GONE = logLinkBroken({ problem: 'the reader ended the link' })

interface Sending extends DownloadOptions {
  readonly window: SendWindow | undefined
  readonly signal: AbortSignal
}

async function sendBatches(response: ServerResponse, { log, stream, from, maxBytes, window, signal, onSent, onTaken }: Sending): Promise<void> {
  response.write(encodeStream((await log.identity(stream)).logId))
  for await (const batch of log.read(stream, from, { maxBytes: Math.min(maxBytes, BATCH_BYTES_MAX), signal })) {
    const pieces = encodeBatch(batch)
    response.cork()
    for (const piece of pieces) response.write(piece)
    response.uncork()
    onSent(pieces.reduce((sum, { length }) => sum + length, 0))
    window?.sent(batch)
    if (response.writableNeedDrain) await drained(response, signal)
    if (window === undefined) onTaken(batch.next.sequence)
    else await window.room(signal)
  }
}

interface Listening {
  readonly window: SendWindow
  readonly heard: { ms: number }
  readonly onTaken: (next: number) => void
  readonly signal: AbortSignal
}

/** @throws the signal's reason, LOG_LINK_BROKEN, CTR_REQUEST_INVALID */
async function listenTaken(request: IncomingMessage, { window, heard, onTaken, signal }: Listening): Promise<void> {
  const reader = createFrameReader()
  for (let piece = await nextPiece(request, signal); piece !== undefined; piece = await nextPiece(request, signal)) {
    heard.ms = performance.now()
    reader.push(piece)
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      if (frame.kind === 'beat') continue
      if (frame.kind !== 'taken') throw requestInvalid({ problem: `a frame of kind ${frame.kind} from a reader` })
      window.taken(frame.next)
      onTaken(frame.next)
    }
  }
}

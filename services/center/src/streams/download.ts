import type { ServerResponse } from 'node:http'
import type { CellwayError } from '@cellway/base'
import type { Log, LogPosition } from '@cellway/log'
import { BEAT_EVERY_MS, encodeBatch, encodeBeat, encodeError, encodeStream, errorToWire, FRAMES_CONTENT_TYPE, logLinkBroken } from '@cellway/log'
import { drained } from './waits.ts'

export interface DownloadOptions {
  readonly log: Log
  readonly stream: string
  readonly from: LogPosition | 'oldest'
  readonly maxBytes: number
  readonly ending: AbortSignal
  readonly asError: (cause: unknown) => CellwayError
  readonly onSent: (next: number, bytes: number) => void
}

/** One batch is held at a time, and the next one is read when the connection has taken it; so this bounds what a slow reader holds. */
export const BATCH_BYTES_MAX = 1024 * 1024

/** Sends a stream from a position on, for as long as there is somebody to take it. Never rejects. */
export async function serveDownload(response: ServerResponse, options: DownloadOptions): Promise<void> {
  const { log, stream, from, maxBytes, ending, asError, onSent } = options
  const link = new AbortController()
  const onEnding = (): void => link.abort(ending.reason)
  response.once('close', () => link.abort(logLinkBroken({ problem: 'the reader went away' })))
  response.on('error', () => {})
  ending.addEventListener('abort', onEnding, { once: true })
  response.writeHead(200, { 'content-type': FRAMES_CONTENT_TYPE, 'cache-control': 'no-store', connection: 'close' })
  response.write(encodeBeat())
  const beats = setInterval(() => {
    if (!response.writableNeedDrain) response.write(encodeBeat())
  }, BEAT_EVERY_MS)
  try {
    if (ending.aborted) throw ending.reason
    response.write(encodeStream((await log.identity(stream)).logId))
    const { signal } = link
    for await (const batch of log.read(stream, from, { maxBytes: Math.min(maxBytes, BATCH_BYTES_MAX), signal })) {
      const bytes = encodeBatch(batch)
      response.write(bytes)
      onSent(batch.next.sequence, bytes.length)
      if (response.writableNeedDrain) await drained(response, signal)
    }
    throw link.signal.reason
  } catch (cause) {
    if (!response.destroyed) response.end(encodeError(0, errorToWire(asError(cause))))
  } finally {
    clearInterval(beats)
    ending.removeEventListener('abort', onEnding)
  }
}

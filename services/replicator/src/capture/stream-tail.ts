import { isCellwayError } from '@cellway/base'
import { type Envelope, type Origin, openEnvelope } from '@cellway/change'
import { type Log, type LogPosition, READ_BYTES_MAX } from '@cellway/log'
import { streamForeign } from './errors.ts'

/** The end of our own stream, as the center has it. */
export interface StreamTail {
  readonly logId: string
  /** The oldest record that is kept. */
  readonly first: number
  /** The record behind the last one. */
  readonly next: number
  /** Of the last record that is kept; undefined when all were trimmed. */
  readonly last: { readonly sequence: number; readonly envelope: Envelope } | undefined
}

const READ_BYTES = Math.min(READ_BYTES_MAX, 4 * 1024 * 1024)

/** Undefined if the center does not have the stream. @throws what the log throws, CAP_STREAM_FOREIGN */
export async function readTail(log: Log, origin: Origin, signal: AbortSignal): Promise<StreamTail | undefined> {
  const stream = `${origin.cell}/${origin.store}`
  try {
    const { logId, first, next } = await log.bounds(stream)
    if (next === first) return { logId, first, next, last: undefined }
    const [last] = await envelopesFrom(log, { origin, from: { logId, sequence: next - 1 }, next, signal })
    return { logId, first, next, last }
  } catch (cause) {
    if (isCellwayError(cause) && cause.code === 'LOG_STREAM_UNKNOWN') return undefined
    throw cause
  }
}

/** Envelopes of the records from a position up to, and without, the sequence `next`. */
export async function envelopesFrom(
  log: Log,
  { origin, from, next, signal }: { origin: Origin; from: LogPosition; next: number; signal: AbortSignal }
): Promise<{ sequence: number; envelope: Envelope }[]> {
  const stream = `${origin.cell}/${origin.store}`
  const found: { sequence: number; envelope: Envelope }[] = []
  if (from.sequence >= next) return found
  // A read goes on for ever; breaking out of the loop ends it.
  for await (const { records } of log.read(stream, from, { maxBytes: READ_BYTES, signal })) {
    for (const { sequence, payload } of records) {
      if (sequence >= next) break
      const { envelope } = openEnvelope(payload)
      const { cell, store, kind } = envelope.origin
      if (cell !== origin.cell || store !== origin.store || kind !== origin.kind) {
        throw streamForeign({ stream, found: `${cell}/${store} of ${kind}`, expected: `${stream} of ${origin.kind}` })
      }
      found.push({ sequence, envelope })
    }
    if ((found.at(-1)?.sequence ?? 0) + 1 >= next) return found
  }
  signal.throwIfAborted()
  return found
}

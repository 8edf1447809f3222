import { isCellwayError } from '@cellway/base'
import type { Log, LogPosition, LogRecord, ReadBatch } from './log.ts'

export function append(log: Log, stream: string, payload: string | Buffer, epoch = 1): Promise<LogPosition> {
  return log.append(stream, { epoch, payload: Buffer.from(payload) }, { signal: soon() })
}

/** Reads until it has that many. */
export async function readSome(
  log: Log,
  stream: string,
  from: LogPosition | 'oldest',
  count: number,
  { maxBytes = 100_000 }: { readonly maxBytes?: number } = {}
): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  if (count === 0) return records
  for await (const batch of log.read(stream, from, { maxBytes, signal: soon() })) {
    records.push(...batch.records)
    if (records.length >= count) break
  }
  return records.slice(0, count)
}

/** One batch; the read is given up after it, as `for await` does. */
export async function firstBatch(log: Log, stream: string, from: LogPosition | 'oldest', maxBytes: number): Promise<ReadBatch | undefined> {
  for await (const batch of log.read(stream, from, { maxBytes, signal: soon() })) return batch
  return undefined
}

export function textOf(records: readonly LogRecord[]): string[] {
  return records.map(({ payload }) => payload.toString())
}

/** The code of what a call throws. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'no error'
  } catch (cause) {
    return isCellwayError(cause) ? cause.code : String(cause)
  }
}

/** Long enough for a busy machine; a test that hangs ends by it. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(20_000)
}

export function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import type { LogPosition, ReadBatch } from '@cellway/log'
import type { CellContext } from '../context.ts'
import { AnswerReader, type ReceivedAnswer } from './answer-codec.ts'
import { sourceRefused, sourceSilent } from './errors.ts'
import { REQUEST_STORE, SNAPSHOT_STORE, type SnapshotRequest } from './protocol.ts'

type WithoutCommon<Request> = Request extends unknown ? Omit<Request, 'version' | 'id' | 'runId' | 'source'> : never
export type RequestBody = WithoutCommon<SnapshotRequest>

export interface SourceLinkOptions {
  readonly context: CellContext
  readonly epoch: number
  readonly runId: string
  readonly sourceCell: string
  /** How long a source may say nothing; it says something every three seconds. */
  readonly silenceMs: number
  /** The source lives and cannot answer yet. */
  readonly onWaiting: (reason: string) => void
}

/** The stream is not there yet, or not where it was. */
const AGAIN: ReadonlySet<string> = new Set(['LOG_STREAM_UNKNOWN', 'LOG_POSITION_LOST', 'LOG_REPLACED'])
const READ_BYTES = 8 * 1024 * 1024
const LOOK_MS = 200

/** The target's side of the conversation. One question at a time. */
export class SourceLink {
  readonly #options: SourceLinkOptions

  constructor(options: SourceLinkOptions) {
    this.#options = options
  }

  /**
   * Asks, and gives the answers as they come; the caller stops when it has what it wants.
   * @throws BOO_SOURCE_SILENT, BOO_SOURCE_REFUSED, BOO_ANSWER_INVALID, LOG_*, the signal's reason
   */
  async *ask(body: RequestBody, signal: AbortSignal): AsyncGenerator<ReceivedAnswer> {
    const { context, sourceCell, silenceMs, onWaiting } = this.#options
    const life = new AbortController()
    const both = AbortSignal.any([signal, life.signal])
    const silence = new Silence(silenceMs)
    const from = await this.#end()
    const id = await this.#send(body, signal)
    const reader = new AnswerReader()
    try {
      for await (const { records } of this.#read(from, both, silence)) {
        for (const { payload } of records) {
          const answer = reader.take(payload)
          if (answer?.head.requestId !== id || answer.head.target !== context.cell) continue
          // What the caller does with an answer is our own time, not the source's.
          silence.end()
          if (answer.head.kind === 'waiting') onWaiting(answer.head.reason)
          else if (answer.head.kind === 'refused') throw sourceRefused({ sourceCell, problem: answer.head.problem })
          else yield answer
          silence.heard()
        }
      }
      signal.throwIfAborted()
      throw sourceSilent({ sourceCell, waitedMs: silenceMs })
    } finally {
      silence.end()
      life.abort()
    }
  }

  /** The source may forget this target. */
  async end(signal: AbortSignal): Promise<void> {
    await this.#send({ kind: 'end' }, signal)
  }

  /** Answers that come from now on are behind it; undefined: the source has never answered anybody. */
  async #end(): Promise<LogPosition | undefined> {
    try {
      const { logId, next } = await this.#options.context.center.bounds(`${this.#options.sourceCell}/${SNAPSHOT_STORE}`)
      return { logId, sequence: next }
    } catch (cause) {
      if (isCellwayError(cause) && cause.code === 'LOG_STREAM_UNKNOWN') return undefined
      throw cause
    }
  }

  async #send(body: RequestBody, signal: AbortSignal): Promise<string> {
    const { context, epoch, runId, sourceCell } = this.#options
    const stream = `${context.cell}/${REQUEST_STORE}`
    const id = randomUUID()
    const request = { version: 1, id, runId, source: sourceCell, ...body } as SnapshotRequest
    const position = await context.center.append(stream, { epoch, payload: Buffer.from(JSON.stringify(request)) }, { signal })
    // Only the newest one counts.
    await context.center
      .trim(stream, position)
      .catch((cause: unknown) => context.log.warn({ err: cause, stream }, 'old requests could not be trimmed'))
    return id
  }

  async *#read(from: LogPosition | undefined, signal: AbortSignal, silence: Silence): AsyncGenerator<ReadBatch> {
    const { context, sourceCell } = this.#options
    const stream = `${sourceCell}/${SNAPSHOT_STORE}`
    const bounded = AbortSignal.any([signal, silence.signal])
    let at: LogPosition | 'oldest' = from ?? 'oldest'
    while (!bounded.aborted) {
      try {
        yield* context.center.read(stream, at, { maxBytes: READ_BYTES, signal: bounded })
      } catch (cause) {
        if (bounded.aborted) return
        if (!isCellwayError(cause) || !AGAIN.has(cause.code)) throw cause
        // Trimmed for another target, or begun again: our answers come later than anything that is there.
        at = 'oldest'
        await sleep(LOOK_MS, undefined, { signal: bounded }).catch(() => undefined)
      }
    }
  }
}

/** Aborts when nothing was heard for too long. */
class Silence {
  readonly #controller = new AbortController()
  readonly #limitMs: number
  #timer: NodeJS.Timeout

  constructor(limitMs: number) {
    this.#limitMs = limitMs
    this.#timer = setTimeout(() => this.#controller.abort(), limitMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  heard(): void {
    this.end()
    if (!this.#controller.signal.aborted) this.#timer = setTimeout(() => this.#controller.abort(), this.#limitMs)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import type { CellContext } from '../context.ts'
import type { Session } from '../store/session.ts'
import { type AnswerRows, AnswerWriter } from './answer-codec.ts'
import { sourceRefused } from './errors.ts'
import type { SnapshotSourceMetrics } from './metrics.ts'
import { SNAPSHOT_STORE, type SnapshotAnswer } from './protocol.ts'
import { type Newest, RequestWatch } from './request-watch.ts'
import { ensureBootstrapSchema } from './schema.ts'
import { answerBegin, answerCopy, type SourceSessions } from './source-answers.ts'

export interface SnapshotSourceOptions {
  readonly context: CellContext
  /** Of this process: a source that only seemed dead is fenced by the log. */
  readonly epoch: number
  readonly openSession: (role: 'plain', signal: AbortSignal) => Promise<Session>
  readonly metrics: SnapshotSourceMetrics
}

export interface SnapshotSourceStatus {
  readonly phase: 'idle' | 'answering'
  readonly target: string | undefined
  readonly table: string | undefined
  readonly rowsSent: number
  readonly reason: string
}

/** How long a target that says nothing keeps its answers in the log. */
const TARGET_IDLE_MS = 3_600_000
const RETRY_MS = 500

/**
 * Gives chunks of this cell's tables to cells that are being filled. Idle until one asks; answers one request at a time, the newest of
 * each target. Remembers nothing: whatever is not answered is asked again.
 */
export class SnapshotSource {
  readonly #options: SnapshotSourceOptions
  readonly #stream: string
  readonly #writer: AnswerWriter
  /** Where the answers to each target's newest request begin: everything before all of them is trimmed. */
  readonly #starts = new Map<string, { readonly sequence: number; readonly atMs: number }>()
  #status: SnapshotSourceStatus = { phase: 'idle', target: undefined, table: undefined, rowsSent: 0, reason: '' }

  constructor(options: SnapshotSourceOptions) {
    this.#options = options
    this.#stream = `${options.context.cell}/${SNAPSHOT_STORE}`
    this.#writer = new AnswerWriter(options.context.cell, options.epoch)
  }

  status(): SnapshotSourceStatus {
    return this.#status
  }

  /** @throws LOG_FENCED and what the store and the center throw; nothing is lost by starting again */
  async run(signal: AbortSignal): Promise<void> {
    const { context, openSession } = this.#options
    const life = new AbortController()
    const both = AbortSignal.any([signal, life.signal])
    const watch = new RequestWatch(context)
    const watching = watch.run(both)
    try {
      await using main = await openSession('plain', both)
      await ensureBootstrapSchema(main)
      await using marks = await openSession('plain', both)
      await Promise.race([watching, this.#serve(watch, { main, marks }, both)])
    } catch (cause) {
      if (!signal.aborted) throw cause
    } finally {
      life.abort()
      await watching.catch(() => undefined)
    }
  }

  async #serve(watch: RequestWatch, sessions: SourceSessions, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const newest = await watch.next(signal)
      const superseded = (): boolean => watch.hasNewer(newest)
      await this.#trim(newest)
      this.#status = { ...this.#status, phase: 'answering', target: newest.target, reason: '' }
      try {
        await this.#answer(newest, { sessions, superseded, signal })
      } catch (cause) {
        signal.throwIfAborted()
        if (!isRefusal(cause)) throw cause
        await this.#send(newest, { kind: 'refused', problem: refusalText(cause) }, signal)
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined)
      }
      this.#status = { ...this.#status, phase: 'idle', target: undefined, table: undefined, reason: '' }
    }
  }

  async #answer({ target, request }: Newest, { sessions, superseded, signal }: Serving): Promise<void> {
    const newest = { target, request }
    const common = {
      context: this.#options.context,
      target,
      sessions,
      superseded,
      signal,
      waiting: async (reason: string) => {
        this.#status = { ...this.#status, reason }
        await this.#send(newest, { kind: 'waiting', reason }, signal)
      }
    }
    if (request.kind === 'begin') {
      await answerBegin(request, { ...common, send: (head) => this.#send(newest, head, signal) })
    } else if (request.kind === 'copy') {
      this.#status = { ...this.#status, table: `${request.table.schema}.${request.table.name}` }
      await answerCopy(request, {
        ...common,
        send: async (head, body) => {
          await this.#send(newest, head, signal, body)
          const rows = body?.rows.length ?? 0
          this.#options.metrics.rowsSent(rows)
          this.#status = { ...this.#status, rowsSent: this.#status.rowsSent + rows, reason: '' }
        }
      })
    }
  }

  async #send({ target, request }: Newest, head: AnswerBody, signal: AbortSignal, body?: AnswerRows): Promise<void> {
    const { context, epoch } = this.#options
    const answer = { ...head, requestId: request.id, target } as SnapshotAnswer
    // In the order of the calls; the log makes records of one caller durable in that order.
    await Promise.all(this.#writer.records(answer, body).map((payload) => context.center.append(this.#stream, { epoch, payload }, { signal })))
  }

  async #trim({ target, request }: Newest): Promise<void> {
    const { context } = this.#options
    const nowMs = context.clock.monotonicMs()
    try {
      const { logId, next } = await context.center.bounds(this.#stream)
      if (request.kind === 'end') this.#starts.delete(target)
      else this.#starts.set(target, { sequence: next, atMs: nowMs })
      for (const [name, { atMs }] of this.#starts) if (nowMs - atMs > TARGET_IDLE_MS) this.#starts.delete(name)
      const before = Math.min(next, ...[...this.#starts.values()].map(({ sequence }) => sequence))
      if (before > 1) await context.center.trim(this.#stream, { logId, sequence: before })
    } catch (cause) {
      // The stream begins with the first answer, and what is not trimmed now is trimmed with the next request.
      if (!isCellwayError(cause)) throw cause
      if (cause.code !== 'LOG_STREAM_UNKNOWN') context.log.warn({ err: cause, stream: this.#stream }, 'old answers could not be trimmed')
    }
  }
}

interface Serving {
  readonly sessions: SourceSessions
  readonly superseded: () => boolean
  readonly signal: AbortSignal
}

type WithoutCommon<Answer> = Answer extends unknown ? Omit<Answer, 'requestId' | 'target'> : never
export type AnswerBody = WithoutCommon<SnapshotAnswer>

/** The server or the request says no; the target asks again. A lost connection or a lost center ends this run instead. */
function isRefusal(cause: unknown): boolean {
  if (!isCellwayError(cause)) return false
  return cause.code === sourceRefused.definition.code || cause.code === 'STO_STATEMENT_FAILED' || /^(?:MYV|BOO|CHANGE)_/.test(cause.code)
}

function refusalText(cause: unknown): string {
  return isCellwayError(cause) ? `${cause.code}: ${String(cause.details.problem ?? cause.message)}` : String(cause)
}

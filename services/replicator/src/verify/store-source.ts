import type { AppliedPositions } from '../apply/applied-positions.ts'
import type { CellContext } from '../context.ts'
import type { MysqlConfig, Session } from '../store/session.ts'
import { openSession } from '../store/session.ts'
import type { ReadTable } from './digest.ts'
import { describeTable, digestRange, hashesOfRange, imagesOf, readTable } from './digest.ts'
import { requestInvalid } from './errors.ts'
import { positionsWhen } from './positions.ts'
import type { AnswerTo, VerifyAnswer, VerifyQuestion, VerifySource } from './protocol.ts'

/** How long a description is trusted; a column more is found a minute later. */
const TRUSTED_MS = 60_000
const TABLES_MAX = 1000
/** Rows of one answer. */
export const HASHES_MAX = 10_000
const IMAGES_MAX = 1000

export interface StoreSourceOptions {
  readonly context: CellContext
  readonly config: MysqlConfig
  /** Of this cell's appliers: who waits for positions is then not kept waiting by checkpoints that idle streams put off. */
  readonly positions?: AppliedPositions | undefined
}

/** Answers questions about this cell's store; one session, opened when it is first needed and again after it broke. */
export class StoreSource implements VerifySource, AsyncDisposable {
  readonly cell: string
  readonly #context: CellContext
  readonly #config: MysqlConfig
  readonly #positions: AppliedPositions | undefined
  readonly #ended = new AbortController()
  readonly #tables = new Map<string, { readonly table: ReadTable; readonly atMs: number }>()
  #session: Promise<Session> | undefined

  constructor({ context, config, positions }: StoreSourceOptions) {
    this.cell = context.cell
    this.#context = context
    this.#config = config
    this.#positions = positions
  }

  /** @throws VER_TABLE_DIFFERS, VER_REQUEST_INVALID, what the session throws */
  async ask<Question extends VerifyQuestion>(question: Question, signal: AbortSignal): Promise<AnswerTo<Question>> {
    signal.throwIfAborted()
    const session = await this.session()
    try {
      // The compiler does not follow the question into the answer; `answer` has one branch per kind.
      return (await this.#answer(session, question, signal)) as AnswerTo<Question>
    } catch (cause) {
      this.#tables.clear()
      this.#session = undefined
      await session.close()
      throw cause
    }
  }

  /** Shared with who works on this store next to the questions. */
  async session(): Promise<Session> {
    this.#session ??= openSession(this.#config, { role: 'plain', signal: this.#ended.signal })
    try {
      return await this.#session
    } catch (cause) {
      this.#session = undefined
      throw cause
    }
  }

  async table(identity: ReadTable['identity']): Promise<ReadTable> {
    const session = await this.session()
    const key = JSON.stringify(identity)
    const known = this.#tables.get(key)
    const nowMs = this.#context.clock.monotonicMs()
    if (known !== undefined && nowMs - known.atMs < TRUSTED_MS) return known.table
    if (this.#tables.size >= TABLES_MAX) this.#tables.clear()
    const table = await readTable(session, this.cell, identity)
    this.#tables.set(key, { table, atMs: nowMs })
    return table
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const session = await this.#session?.catch(() => undefined)
    await session?.close()
    this.#ended.abort()
  }

  async #answer(session: Session, question: VerifyQuestion, signal: AbortSignal): Promise<VerifyAnswer> {
    switch (question.ask) {
      case 'describe':
        return describeTable(session, this.cell, question.table)
      case 'positions':
        return positionsWhen(session, { store: this.#context.store, positions: this.#positions, question, signal })
      case 'digest':
        return digestRange(session, await this.table(question.identity), question)
      case 'hashes':
        return hashesOfRange(session, await this.table(question.identity), { ...question, limit: Math.min(question.limit, HASHES_MAX) })
      case 'images':
        if (question.keys.length > IMAGES_MAX) throw requestInvalid({ problem: `${question.keys.length} keys at once` })
        return imagesOf(session, await this.table(question.identity), question.keys)
      default:
        throw requestInvalid({ problem: 'an unknown question' })
    }
  }
}

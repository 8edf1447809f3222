import type { ControlClient } from '@cellway/client'
import type { CellContext } from '../context.ts'
import { questionRefused } from '../errors.ts'
import type { MysqlConfig } from '../store/session.ts'
import type { AnswerTo, VerifyQuestion, VerifySource } from '../verify/protocol.ts'
import { StoreSource } from '../verify/store-source.ts'

/** Another cell, asked through control: replicators do not know each other's addresses. */
export function peerSource(cell: string, client: ControlClient | undefined): VerifySource {
  return {
    cell,
    async ask<Question extends VerifyQuestion>(question: Question, signal: AbortSignal): Promise<AnswerTo<Question>> {
      if (client === undefined) throw questionRefused({ problem: 'without control, other cells cannot be asked' })
      return (await client.replication.ask(cell, question, { signal })) as AnswerTo<Question>
    }
  }
}

/** Answers what other replicators ask. One question at a time; the session stays open between them. */
export class PeerAnswers implements AsyncDisposable {
  readonly #context: CellContext
  readonly #source: StoreSource
  #busy: Promise<unknown> = Promise.resolve()

  constructor({ context, config }: { readonly context: CellContext; readonly config: MysqlConfig }) {
    this.#context = context
    this.#source = new StoreSource({ context, config })
  }

  /** @throws RPL_QUESTION_REFUSED, VER_*, STO_* */
  async answer(question: object, signal: AbortSignal): Promise<unknown> {
    const parsed = parseQuestion(question)
    this.#requireDeclared(parsed)
    const mine = this.#busy.then(() => this.#source.ask(parsed, signal))
    this.#busy = mine.catch(() => undefined)
    return mine
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#source[Symbol.asyncDispose]()
  }

  /** Other cells get the rows of declared tables anyway; nothing else of this database is theirs to read. */
  #requireDeclared(question: VerifyQuestion): void {
    if (question.ask === 'positions') return
    const table = question.ask === 'describe' ? question.table : question.identity
    const name = `${table.schema}.${table.name}`
    const { data } = this.#context.topology.current().snapshot.topology
    if (!data.mysql.some((one) => one.kind === 'space' && one.table === name))
      throw questionRefused({ problem: `${name} is not declared in the topology` })
  }
}

const ASKS: readonly VerifyQuestion['ask'][] = ['describe', 'positions', 'digest', 'hashes', 'images']

function parseQuestion(question: object): VerifyQuestion {
  const { ask, table, identity } = question as Partial<Record<'ask' | 'table' | 'identity', unknown>>
  if (!ASKS.some((known) => known === ask)) throw questionRefused({ problem: 'an unknown question' })
  const named = ask === 'describe' ? table : identity
  if (ask !== 'positions' && !isNamed(named)) throw questionRefused({ problem: 'a question without its table' })
  return question as VerifyQuestion
}

function isNamed(value: unknown): value is { readonly schema: string; readonly name: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'schema' in value &&
    typeof value.schema === 'string' &&
    'name' in value &&
    typeof value.name === 'string'
  )
}

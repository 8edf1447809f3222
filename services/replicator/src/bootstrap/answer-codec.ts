/** Answers as records of the center, and back. */
import {
  afterRow,
  type Change,
  changesOf,
  createTransactionPacker,
  decodeRecord,
  type FragmentView,
  joinFragments,
  type Origin,
  parsePosition,
  type Row,
  type TableIdentity,
  type TransactionView
} from '@cellway/change'
import { answerInvalid } from './errors.ts'
import { parseAnswer, SNAPSHOT_STORE, type SnapshotAnswer } from './protocol.ts'

/** Its coordinates mean nothing: one transaction per answer, counted from the start of the process. */
const HEAD_SCHEMA = 'cellway.snapshot'

export interface AnswerRows {
  readonly table: TableIdentity
  readonly rows: readonly Row[]
}

export interface ReceivedAnswer {
  readonly head: SnapshotAnswer
  /** Undefined for an answer without rows. */
  readonly table: TableIdentity | undefined
  readonly rows: readonly Row[]
}

/** Of one source process. */
export class AnswerWriter {
  readonly #origin: Origin
  readonly #epoch: number
  #number = 0
  #sequence = 1

  constructor(cell: string, epoch: number) {
    this.#origin = { cell, store: SNAPSHOT_STORE, kind: 'mariadb' }
    this.#epoch = epoch
  }

  /** The records of one answer, in order. A large one has several. @throws CHANGE_TOO_LARGE */
  records(head: SnapshotAnswer, body?: AnswerRows): Buffer[] {
    const from = this.#position()
    this.#number += 1
    const to = this.#position()
    const packer = createTransactionPacker({ origin: this.#origin, streamEpoch: this.#epoch, producerSequence: this.#sequence, from, codec: 'zstd' })
    packer.begin({ id: { kind: 'mariadb-gtid', domain: 0, server: 1, sequence: BigInt(this.#number) }, commitTimeUs: 0, originServerId: 0 })
    packer.add({ kind: 'schema', schema: HEAD_SCHEMA, statement: JSON.stringify(head) })
    if (body !== undefined) for (const after of body.rows) packer.add({ kind: 'insert', table: body.table, after } satisfies Change)
    packer.end(to)
    packer.flush()
    const records = packer.take()
    this.#sequence += records.length
    return records.map(({ bytes }) => bytes)
  }

  #position(): ReturnType<typeof parsePosition> {
    return parsePosition('mariadb', this.#number === 0 ? '' : `0-1-${this.#number}`)
  }
}

/** Puts answers together from records. One that was broken off by the end of its source is dropped. */
export class AnswerReader {
  #epoch = 0
  #nextPart = 0
  #changes: (SnapshotAnswer | { readonly table: TableIdentity; readonly row: Row })[] = []
  #fragments: FragmentView[] = []

  /** @throws CHANGE_*, BOO_ANSWER_INVALID */
  take(payload: Uint8Array): ReceivedAnswer | undefined {
    const record = decodeRecord(payload)
    if (record.kind !== 'transactions') throw answerInvalid({ problem: `a record of ${record.kind}` })
    const { firstPart, lastPart, partIndex, streamEpoch } = record.envelope
    if (firstPart) this.#clear()
    else if (partIndex !== this.#nextPart || streamEpoch !== this.#epoch) {
      // What came before it is gone, with the process that wrote it.
      this.#clear()
      return undefined
    }
    this.#epoch = streamEpoch
    this.#nextPart = partIndex + 1
    for (const transaction of record.transactions()) this.#takeChanges(transaction)
    if (!lastPart) return undefined
    return this.#whole()
  }

  #clear(): void {
    this.#nextPart = 0
    this.#changes = []
    this.#fragments = []
  }

  #takeChanges(view: TransactionView): void {
    for (const change of changesOf(view)) {
      if (change.kind === 'schema') this.#changes.push(parseAnswer(change.statement))
      else if (change.kind === 'insert') this.#changes.push({ table: change.table, row: afterRow(change) })
      else if (change.kind === 'fragment') this.#takeFragment(change)
      else throw answerInvalid({ problem: `a change ${change.kind} in a chunk` })
    }
  }

  #takeFragment(fragment: FragmentView): void {
    this.#fragments.push(fragment)
    if (!fragment.last) return
    const change = joinFragments(this.#fragments)
    this.#fragments = []
    if (change.kind !== 'insert') throw answerInvalid({ problem: `a change ${change.kind} in a chunk` })
    this.#changes.push({ table: change.table, row: afterRow(change) })
  }

  #whole(): ReceivedAnswer {
    const [head, ...rest] = this.#changes
    this.#clear()
    if (head === undefined || !('kind' in head)) throw answerInvalid({ problem: 'an answer without a head' })
    const rows: Row[] = []
    let table: TableIdentity | undefined
    for (const change of rest) {
      if ('kind' in change) throw answerInvalid({ problem: 'two heads in one answer' })
      table ??= change.table
      rows.push(change.row)
    }
    return { head, table, rows }
  }
}

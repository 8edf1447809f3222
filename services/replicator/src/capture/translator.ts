import type { BuiltRecord, Codec, Origin, Position, TransactionHead, TransactionPacker } from '@cellway/change'
import { advancePosition, createTransactionPacker } from '@cellway/change'
import type { Collected, LargeBegin, TableMap, Transaction } from '@cellway/mysql-binlog'
import type { Route, TableRouter } from './tables.ts'
import { headOf } from './transaction-head.ts'
import {
  type Begin,
  type Commit,
  checkCommit,
  checkLateMark,
  checkStatements,
  isCarriedDdl,
  isDropped,
  judge,
  type Part,
  type Verdict,
  type VerdictRules
} from './verdict.ts'

export interface TranslatorOptions extends VerdictRules {
  readonly origin: Origin
  readonly epoch: number
  readonly codec: Codec
  readonly from: Position
  /** Of the first record. */
  readonly sequence: number
  readonly tables: TableRouter
  onRecords(records: readonly BuiltRecord[], facts: { transactions: number; commitTimeUs: number }): void
  onTransaction(kind: 'published' | 'echo' | 'filtered', rows: number): void
}

interface OpenLarge {
  readonly begin: Begin
  verdict: Verdict
  /** The packer has its beginning. */
  begun: boolean
  rows: number
  /** Schema changes among them are taken note of at the end. */
  readonly statements: Part[]
}

const NO_FACTS = { transactions: 0, commitTimeUs: 0 }

/** Transactions of the binlog in, records of the stream out. Every table map that reaches it has a route. */
export class Translator {
  readonly #options: TranslatorOptions
  #packer: TransactionPacker
  #sequence: number
  /** With everything in that came, whether it left the cell or not. */
  #position: Position
  /** The end of the newest record, built or being built. */
  #packedTo: Position
  #last: TransactionHead | undefined
  #large: OpenLarge | undefined
  #waiting = NO_FACTS

  constructor(options: TranslatorOptions) {
    this.#options = options
    this.#position = options.from
    this.#packedTo = options.from
    this.#sequence = options.sequence
    this.#packer = this.#newPacker()
  }

  get position(): Position {
    return this.#position
  }

  /** The sequence of the next record. */
  get sequence(): number {
    return this.#sequence
  }

  /** Whether whole transactions wait for `flush`. */
  get isWaiting(): boolean {
    return this.#waiting.transactions > 0
  }

  /** Whether the position has moved behind what the records say. */
  get hasMoved(): boolean {
    return this.#position !== this.#packedTo && this.#large === undefined
  }

  /** Everything up to here is in the center once the record of this sequence is. */
  get coveringSequence(): number {
    return this.isWaiting || this.#large !== undefined ? this.#sequence : this.#sequence - 1
  }

  /** Table maps that must have a route before `push` may be called. */
  tablesOf(collected: Collected): readonly TableMap[] {
    switch (collected.kind) {
      case 'transaction':
        return isDropped(this.#options, collected.begin, collected.parts) ? [] : collected.tables
      case 'large-begin':
        return isDropped(this.#options, collected.begin, collected.parts) ? [] : tablesOf(collected.parts)
      case 'large-part':
        return this.#large?.verdict === 'publish' ? tablesOf([collected.part]) : []
      default:
        return []
    }
  }

  /**
   * @throws CAP_STATEMENT_WRITE, CAP_GTID_MISSING, CAP_GTID_ORDER, CAP_XA_PREPARED, CAP_MARK_MISMATCH, what the rows and the packer
   * throw
   */
  push(collected: Collected): void {
    switch (collected.kind) {
      case 'transaction':
        this.#whole(collected)
        return
      case 'large-begin':
        this.#beginLarge(collected)
        return
      case 'large-part':
        this.#largePart(collected.part)
        return
      case 'commit':
        this.#endLarge(collected)
        return
      case 'rollback':
        this.abandon()
        return
      default:
        return
    }
  }

  /** Closes the record of the transactions that wait. */
  flush(): void {
    if (!this.isWaiting || this.#large?.begun === true) return
    this.#packer.flush()
    this.#handOut()
  }

  /** The position alone, as a transaction without changes that has the id of the last one that did not leave the cell. */
  publishPosition(): void {
    if (!this.hasMoved || this.#last === undefined) return
    this.#packer.begin(this.#last)
    this.#packer.end(this.#position)
    this.#packedTo = this.#position
    this.#waiting = { transactions: this.#waiting.transactions + 1, commitTimeUs: this.#waiting.commitTimeUs }
    this.flush()
  }

  /** The link broke or the transaction was rolled back: nothing of it happened. Readers drop the parts that went out. */
  abandon(): void {
    const begun = this.#large?.begun === true
    this.#large = undefined
    if (begun) this.#packer = this.#newPacker()
  }

  #newPacker(): TransactionPacker {
    const { origin, epoch, codec } = this.#options
    return createTransactionPacker({ origin, streamEpoch: epoch, producerSequence: this.#sequence, from: this.#packedTo, codec })
  }

  #whole(transaction: Transaction): void {
    const { begin, commit, parts } = transaction
    const head = headOf(begin, this.#position)
    const verdict = judge(this.#options, begin, parts)
    if (verdict === 'publish') checkStatements(begin, parts)
    const position = advancePosition(this.#position, head.id)
    if (verdict !== 'publish' || !this.#hasContent(parts)) {
      this.#forget(parts)
      this.#moved(head, verdict === 'echo' ? 'echo' : 'filtered')
      return
    }
    checkCommit(begin, commit)
    this.#packer.begin(head)
    let rows = 0
    for (const part of parts) rows += this.#add(part)
    this.#forget(parts)
    this.#packer.end(position)
    this.#position = position
    this.#packedTo = position
    this.#waiting = { transactions: this.#waiting.transactions + 1, commitTimeUs: head.commitTimeUs }
    this.#options.onTransaction('published', rows)
    // What the packer closed by itself, by size.
    this.#handOut()
  }

  #beginLarge({ begin, parts }: LargeBegin): void {
    // A record with whole transactions is not closed in the middle of another one.
    this.flush()
    headOf(begin, this.#position)
    this.#large = { begin, verdict: judge(this.#options, begin, parts), begun: false, rows: 0, statements: [] }
    for (const part of parts) this.#largePart(part)
  }

  #largePart(part: Part): void {
    const large = this.#large
    if (large?.verdict !== 'publish') return
    checkLateMark(this.#options, large.begin, part)
    checkStatements(large.begin, [part])
    if (part.kind === 'statement') large.statements.push(part)
    if (!this.#hasContent([part])) return
    if (!large.begun) this.#packer.begin(headOf(large.begin, this.#position))
    large.begun = true
    large.rows += this.#add(part)
    this.#handOut()
  }

  #endLarge(commit: Commit): void {
    const large = this.#large
    if (large === undefined) return
    const head = headOf(large.begin, this.#position)
    if (large.begun) checkCommit(large.begin, commit)
    this.#large = undefined
    this.#forget(large.statements)
    if (!large.begun) {
      this.#moved(head, large.verdict === 'echo' ? 'echo' : 'filtered')
      return
    }
    this.#position = advancePosition(this.#position, head.id)
    this.#packer.end(this.#position)
    this.#packedTo = this.#position
    this.#waiting = { transactions: 1, commitTimeUs: head.commitTimeUs }
    this.#options.onTransaction('published', large.rows)
    this.#handOut()
    this.flush()
  }

  /** Did not leave the cell, but is behind us. */
  #moved(head: TransactionHead, kind: 'echo' | 'filtered'): void {
    this.#position = advancePosition(this.#position, head.id)
    this.#last = head
    this.#options.onTransaction(kind, 0)
  }

  #hasContent(parts: readonly Part[]): boolean {
    return parts.some((part) => (part.kind === 'rows' ? this.#routeOf(part.table).kind === 'carry' : isCarriedDdl(part)))
  }

  /** Whoever calls `push` has looked them up: a row without a route would be a row that is lost. */
  #routeOf(map: TableMap): Route {
    const route = this.#options.tables.routeOf(map)
    if (route === undefined) throw new TypeError(`rows of ${map.schema}.${map.table} without a route`)
    return route
  }

  /** What these statements may have changed is looked up again, from the next transaction on. */
  #forget(parts: readonly Part[]): void {
    for (const part of parts) if (part.kind === 'statement' && part.statement === 'ddl') this.#options.tables.forget(part.query.text)
  }

  /** The rows that were added. */
  #add(part: Part): number {
    if (part.kind === 'statement') {
      if (isCarriedDdl(part)) this.#packer.add({ kind: 'schema', schema: part.query.schema, statement: part.query.text })
      return 0
    }
    const route = this.#routeOf(part.table)
    if (route.kind !== 'carry') return 0
    const { plan, mark } = route
    const { identity: table } = plan
    let rows = 0
    for (const { before, after } of part.rows) {
      if (before === undefined) {
        if (after !== undefined) this.#packer.add({ kind: 'insert', table, after: plan.row(after) })
      } else if (after === undefined) this.#packer.add({ kind: 'delete', table, before: plan.row(before) })
      else this.#packer.add({ kind: 'update', table, before: plan.row(before), after: plan.row(after) })
      rows += 1
    }
    if (mark !== undefined) this.#packer.mark(mark)
    return rows
  }

  #handOut(): void {
    const records = this.#packer.take()
    const newest = records.at(-1)
    if (newest === undefined) return
    this.#sequence = newest.envelope.producerSequence + 1
    const facts = this.#waiting
    // A record that was closed before the newest transaction leaves that one waiting.
    const isRest = this.#large === undefined && newest.envelope.to !== this.#packedTo
    this.#waiting = isRest ? { transactions: 1, commitTimeUs: facts.commitTimeUs } : NO_FACTS
    this.#options.onRecords(records, facts)
  }
}

function tablesOf(parts: readonly Part[]): TableMap[] {
  return [...new Set(parts.flatMap((part) => (part.kind === 'rows' ? [part.table] : [])))]
}

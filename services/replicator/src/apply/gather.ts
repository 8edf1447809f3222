import type { TableIdentity } from '@cellway/change'
import type { GatePass } from '../bootstrap/gate.ts'
import type { AppliedPositions } from './applied-positions.ts'
import { Fold } from './fold.ts'
import type { Ownership } from './ownership.ts'
import type { PreparedTransaction } from './prepare.ts'
import { prepare } from './prepare.ts'
import type { SourcePart, SourceStream, SourceTransaction } from './source-stream.ts'
import type { Misfit, TargetTables } from './target-tables.ts'

/** What is to be done next; in the order of the stream. */
export type Work =
  /** Transactions that became one fold; `rest`: those before were idle. */
  | { readonly kind: 'batch'; readonly transactions: readonly PreparedTransaction[] }
  /** One that needs the order of the origin, or a decision. */
  | { readonly kind: 'exact'; readonly transaction: PreparedTransaction }
  | { readonly kind: 'parts'; readonly first: SourcePart }
  /** Needs positions of other cells first. */
  | { readonly kind: 'opened'; readonly transaction: PreparedTransaction }
  | { readonly kind: 'skip'; readonly item: SourceTransaction | SourcePart }
  | { readonly kind: 'misfit'; readonly table: TableIdentity; readonly misfit: Misfit }

/** Transactions of one batch: more gain little and hold locks longer (bench `mysql-apply`). */
export const BATCH_TRANSACTIONS_MAX = 500
/** Bytes of source records of one batch, and row changes. */
const BATCH_BYTES_MAX = 1024 * 1024
const BATCH_ROWS_MAX = 4000

export interface GatherOptions {
  readonly stream: SourceStream
  readonly tables: TargetTables
  readonly positions: AppliedPositions
  readonly selfCell: string
  readonly isSkipped: (item: SourceTransaction | SourcePart) => boolean
}

/** Takes from the stream what can be applied together: what waits there now, up to the bounds. */
export class Gatherer {
  readonly #options: GatherOptions
  /** Prepared and found not to belong to the batch before it. */
  #kept: PreparedTransaction | undefined

  constructor(options: GatherOptions) {
    this.#options = options
  }

  /** Whether a whole batch waits, so that it may be gathered while the one before is at work. */
  get hasMore(): boolean {
    return this.#options.stream.waiting >= BATCH_TRANSACTIONS_MAX
  }

  /** @throws the signal's reason, CHANGE_*, what the session throws */
  async next(signal: AbortSignal): Promise<Work> {
    const { stream } = this.#options
    if (this.#kept === undefined) await stream.peek(signal)
    const transactions: PreparedTransaction[] = []
    let [bytes, rows] = [0, 0]
    while (transactions.length < BATCH_TRANSACTIONS_MAX && bytes < BATCH_BYTES_MAX && rows < BATCH_ROWS_MAX) {
      const found = await this.#one()
      if (found === undefined) break
      if (found.kind !== 'plain') {
        if (transactions.length === 0) return found
        // It stays where it is, and is the first of the next call.
        break
      }
      const { transaction } = found
      this.#kept = undefined
      if (isStandalone(transaction)) {
        if (transactions.length === 0) return { kind: 'exact', transaction }
        this.#kept = transaction
        break
      }
      transactions.push(transaction)
      bytes += transaction.item.bytes
      rows += transaction.data.length
      // What it says of owners counts for all that follows it.
      if (transaction.opened.length + transaction.owners.length > 0) break
    }
    return { kind: 'batch', transactions }
  }

  /** The first thing that waits; only a plain transaction is taken from the stream. */
  async #one(): Promise<{ kind: 'plain'; transaction: PreparedTransaction } | Exclude<Work, { kind: 'batch' | 'exact' }> | undefined> {
    const { stream, tables, isSkipped } = this.#options
    const kept = this.#kept
    if (kept !== undefined) return this.#judged(kept)
    const item = stream.peekNow()
    if (item === undefined) return undefined
    if (isSkipped(item)) return { kind: 'skip', item }
    if (item.kind === 'part') return { kind: 'parts', first: item }
    for (;;) {
      const found = prepare(item, (table) => tables.known(table))
      if (found.kind === 'prepared') {
        const judged = this.#judged(found.transaction)
        stream.take()
        this.#kept = found.transaction
        return judged
      }
      const loaded = await tables.load(found.table)
      if ('ok' in loaded) return { kind: 'misfit', table: found.table, misfit: loaded }
    }
  }

  #judged(transaction: PreparedTransaction): { kind: 'plain' | 'opened'; transaction: PreparedTransaction } {
    const { positions, selfCell } = this.#options
    const waits = transaction.opened.some(({ requires }) =>
      Object.entries(requires).some(([cell, position]) => cell !== selfCell && !positions.includes(cell, position))
    )
    return { kind: waits ? 'opened' : 'plain', transaction }
  }
}

/** The rows of a repair are not compared with what is here, and its tables are found in its images. */
function isStandalone({ repairs }: PreparedTransaction): boolean {
  return repairs.length > 0
}

/** The fold of as many transactions as fit one, from the first on; what stopped it is the one behind. @throws CHANGE_* */
export function foldOf(
  transactions: readonly PreparedTransaction[],
  ownership: Ownership,
  pass: GatePass
): { readonly fold: Fold; readonly count: number } {
  let count = transactions.length
  for (;;) {
    const fold = new Fold(ownership, pass)
    const stoppedAt = fill(fold, transactions.slice(0, count))
    if (stoppedAt === undefined) return { fold, count }
    // A transaction that is half in spoils the fold: it is made again without it.
    count = stoppedAt
  }
}

function fill(fold: Fold, transactions: readonly PreparedTransaction[]): number | undefined {
  for (const [unit, { data, isEcho }] of transactions.entries()) {
    if (isEcho) continue
    for (const change of data) if (fold.add(change, unit) !== undefined) return unit
  }
  return undefined
}

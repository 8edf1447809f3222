import type { BinlogUnit } from './assembler.ts'
import type { TableMap } from './columns.ts'
import type { StatementKind } from './statement-kind.ts'

type Begin = Extract<BinlogUnit, { kind: 'begin' }>
type Rows = Extract<BinlogUnit, { kind: 'rows' }>
type Statement = Extract<BinlogUnit, { kind: 'statement' }>
type Commit = Extract<BinlogUnit, { kind: 'commit' }>

/** A whole transaction. Its row events are the packets' own memory: nothing was copied, and it lives as long as they do. */
export interface Transaction {
  readonly kind: 'transaction'
  readonly begin: Begin
  readonly commit: Commit
  /** In the order of the stream. */
  readonly parts: readonly (Rows | Statement)[]
  readonly tables: readonly TableMap[]
  readonly rowBytes: number
  /**
   * Its effect cannot be taken from its rows alone: it has writes in statement format, or takes rows back to a savepoint. The
   * stream must stop here.
   */
  readonly inexact: boolean
}

/** Begins a transaction that is larger than the bound. Its first parts come with it, the rest one by one, until its commit. */
export interface LargeBegin {
  readonly kind: 'large-begin'
  readonly begin: Begin
  readonly parts: readonly (Rows | Statement)[]
}

export type Collected = Transaction | LargeBegin | { readonly kind: 'large-part'; readonly part: Rows | Statement } | BinlogUnit

/** Beyond its images a rows event costs about this much: its packet, its plans, its table map. */
const PART_BYTES = 512

export interface CollectorOptions {
  /** Bytes of row images and statements that may be held; a transaction beyond them is passed on in parts. */
  readonly heldBytesMax: number
}

/** Whole transactions of at most `heldBytesMax`; larger ones as `large-begin`, `large-part`…, and then `commit` or `rollback`. */
export class TransactionCollector {
  readonly #heldBytesMax: number
  #begin: Begin | undefined
  #parts: (Rows | Statement)[] = []
  #heldBytes = 0
  /** The bound was passed: parts go out as they come. */
  #large = false

  constructor({ heldBytesMax }: CollectorOptions) {
    this.#heldBytesMax = heldBytesMax
  }

  /** At most one thing comes out of a unit. */
  push(unit: BinlogUnit): Collected | undefined {
    switch (unit.kind) {
      case 'begin':
        this.#reset()
        this.#begin = unit
        return undefined
      case 'rows':
      case 'statement':
        return this.#hold(unit)
      case 'commit': {
        const out = this.#large || this.#begin === undefined ? unit : whole(this.#begin, this.#parts, unit)
        this.#reset()
        return out
      }
      case 'rollback': {
        // What was held in whole never left, so nobody needs to hear that it is gone.
        const out = this.#large ? unit : undefined
        this.#reset()
        return out
      }
      default:
        return unit
    }
  }

  #hold(part: Rows | Statement): Collected | undefined {
    if (this.#large || this.#begin === undefined) return { kind: 'large-part', part }
    this.#heldBytes += PART_BYTES + (part.kind === 'rows' ? part.rows.rowBytes : part.query.query.length)
    this.#parts.push(part)
    if (this.#heldBytes <= this.#heldBytesMax) return undefined
    const parts = this.#parts
    this.#parts = []
    this.#large = true
    return { kind: 'large-begin', begin: this.#begin, parts }
  }

  #reset(): void {
    this.#begin = undefined
    this.#parts = []
    this.#heldBytes = 0
    this.#large = false
  }
}

/** A ROLLBACK TO stands in the binlog only where the server could not drop the rows itself: engines with and without transactions mixed. */
const INEXACT = new Set<StatementKind>(['write', 'unknown', 'rollback-to-savepoint'])

function whole(begin: Begin, parts: readonly (Rows | Statement)[], commit: Commit): Transaction {
  const rows = parts.filter((part) => part.kind === 'rows')
  return {
    kind: 'transaction',
    begin,
    commit,
    parts,
    tables: [...new Set(rows.map(({ table }) => table))],
    rowBytes: rows.reduce((sum, part) => sum + part.rows.rowBytes, 0),
    inexact: parts.some((part) => part.kind === 'statement' && INEXACT.has(part.statement))
  }
}

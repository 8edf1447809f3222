import type { Envelope, Position } from '@cellway/change'
import { advancePosition, formatPosition, parsePosition, unionPositions } from '@cellway/change'
import type { LogPosition } from '@cellway/log'
import { quoteText } from '@cellway/mysql-value'
import { readCheckpoint, whereOf } from '../store/checkpoint.ts'
import type { Session } from '../store/session.ts'
import type { CheckpointStep, CheckpointToken } from './checkpoint-sql.ts'
import { fenced } from './errors.ts'
import type { SourcePart, SourceTransaction } from './source-stream.ts'

export interface StandingOptions {
  readonly sourceCell: string
  readonly store: string
  readonly epoch: number
}

/** Where the applier stands, as its checkpoint row says. */
export class Standing {
  readonly #options: StandingOptions
  #applied: bigint
  #text: string
  #position: Position | undefined
  #log: LogPosition | undefined

  private constructor(options: StandingOptions, start: { applied: bigint; text: string; log: LogPosition | undefined }) {
    this.#options = options
    this.#applied = start.applied
    this.#text = start.text
    this.#log = start.log
    // The texts of the flavours differ: only MySQL's have colons.
    if (start.text !== '') this.#position = parsePosition(start.text.includes(':') ? 'mysql' : 'mariadb', start.text)
  }

  /**
   * Makes the row this applier's. Without a row the stream begins at the start of everything; that the log has it from there is
   * checked when it is read. @throws APL_FENCED
   */
  static async take(session: Session, options: StandingOptions): Promise<Standing> {
    const { sourceCell, store, epoch } = options
    const where = whereOf(sourceCell, store)
    await session.run(
      `INSERT IGNORE INTO cellway.checkpoint (source_cell, store, position, applied, applier_epoch, log_id, log_sequence)
       VALUES (${quoteText(sourceCell)}, ${quoteText(store)}, '', 0, ${epoch}, '', 0);
       UPDATE cellway.checkpoint SET applier_epoch = ${epoch} WHERE ${where} AND applier_epoch < ${epoch}`
    )
    const found = await readCheckpoint(session, sourceCell, store)
    if (found === undefined || found.applierEpoch !== epoch) {
      throw fenced({ stream: `${sourceCell}/${store}`, epoch, found: `epoch ${found?.applierEpoch ?? 'of nobody'}` })
    }
    return new Standing(options, { applied: found.applied, text: found.position, log: found.log })
  }

  get token(): CheckpointToken {
    return { ...this.#options, applied: this.#applied }
  }

  get positionText(): string {
    return this.#text
  }

  /** Undefined before the first transaction of the origin. */
  get position(): Position | undefined {
    return this.#position
  }

  get log(): LogPosition | undefined {
    return this.#log
  }

  get applied(): bigint {
    return this.#applied
  }

  /** Where the stream is with these in; they follow one another. */
  after(items: readonly (SourceTransaction | SourcePart)[], transactions: number): { readonly position: Position; readonly step: CheckpointStep } {
    let position: Position | undefined
    let record: Envelope | undefined
    for (const item of items) {
      const { envelope } = item
      position ??= this.#position ?? parsePosition(envelope.origin.kind, this.#text)
      // What lies between two records of ours was nobody's data: it is in as well.
      if (record !== envelope) position = unionPositions(position, envelope.from)
      record = envelope
      position = isLast(item) ? unionPositions(position, envelope.to) : advancePosition(position, item.view.id)
    }
    const last = items.at(-1)
    if (position === undefined || last === undefined) throw new RangeError('nothing to step over')
    const { logId, sequence } = last.logPosition
    const log = { logId, sequence: isLast(last) ? sequence + 1 : sequence }
    return { position, step: { position: formatPosition(position), transactions, log } }
  }

  /** After the commit. */
  moved({ position, step }: ReturnType<Standing['after']>): void {
    this.#applied += BigInt(step.transactions)
    this.#position = position
    this.#text = step.position
    this.#log = step.log
  }
}

function isLast(item: SourceTransaction | SourcePart): boolean {
  return item.kind === 'transaction' ? item.lastOfRecord : item.envelope.lastPart
}

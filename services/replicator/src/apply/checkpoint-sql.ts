import type { LogPosition } from '@cellway/log'
import { quoteText } from '@cellway/mysql-value'
import { whereOf } from '../store/checkpoint.ts'

/** Where an applier stands: its token for the compare-and-set, and what it writes. */
export interface CheckpointToken {
  readonly sourceCell: string
  readonly store: string
  readonly epoch: number
  /** As the row is now. */
  readonly applied: bigint
}

export interface CheckpointStep {
  readonly position: string
  /** Source transactions more. */
  readonly transactions: number
  readonly log: LogPosition
}

/** Must change one row; none means that another applier is alive. First in its transaction: it is the mark of what is applied. */
export function checkpointSql({ sourceCell, store, epoch, applied }: CheckpointToken, { position, transactions, log }: CheckpointStep): string {
  return `UPDATE cellway.checkpoint SET position = ${quoteText(position)}, applied = ${applied + BigInt(transactions)}, log_id = ${quoteText(log.logId)},
    log_sequence = ${log.sequence}, updated_at = NOW(6) WHERE ${whereOf(sourceCell, store)} AND applied = ${applied} AND applier_epoch = ${epoch}`
}

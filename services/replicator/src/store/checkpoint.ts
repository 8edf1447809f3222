import type { Position } from '@cellway/change'
import { formatPosition, parsePosition } from '@cellway/change'
import type { LogPosition } from '@cellway/log'
import { quoteText } from '@cellway/mysql-value'
import type { Session } from './session.ts'

/** How far this cell has applied a stream of another cell. */
export interface Checkpoint {
  readonly sourceCell: string
  readonly store: string
  /** As `formatPosition` prints it; empty before the first transaction of the origin. */
  readonly position: string
  /** Source transactions so far: the token of the compare-and-set. */
  readonly applied: bigint
  readonly applierEpoch: number
  /** Where to look in the log: a hint, never the truth. */
  readonly log: LogPosition | undefined
}

/** Undefined if nothing of that stream was ever applied or copied here. */
export async function readCheckpoint(session: Session, sourceCell: string, store: string): Promise<Checkpoint | undefined> {
  const [row] = await session.rows(
    `SELECT position, applied, applier_epoch, log_id, log_sequence FROM cellway.checkpoint WHERE ${whereOf(sourceCell, store)}`
  )
  if (row === undefined) return undefined
  const [position = '', applied = '0', epoch = '0', logId = '', sequence = '0'] = row.map((cell) => cell?.toString())
  const log = logId === '' ? undefined : { logId, sequence: Number(sequence) }
  return { sourceCell, store, position, applied: BigInt(applied), applierEpoch: Number(epoch), log }
}

/**
 * Says where a stream begins for this cell: what bootstrap does once its copy stands at a position, and the very first start of a
 * cell that has nothing. Takes over from any applier of an epoch that is not newer.
 */
export async function placeCheckpoint(
  session: Session,
  { sourceCell, store, position, epoch }: { sourceCell: string; store: string; position: Position | string; epoch: number }
): Promise<void> {
  const text = quoteText(typeof position === 'string' ? position : formatPosition(position))
  await session.run(
    `INSERT INTO cellway.checkpoint (source_cell, store, position, applied, applier_epoch, log_id, log_sequence)
     VALUES (${quoteText(sourceCell)}, ${quoteText(store)}, ${text}, 1, ${epoch}, '', 0)
     ON DUPLICATE KEY UPDATE position = ${text}, applied = applied + 1, applier_epoch = GREATEST(applier_epoch, ${epoch}), log_id = '',
       log_sequence = 0, updated_at = NOW(6)`
  )
}

/** A text of unknown flavour: an empty one is the start of everything. */
export function positionOf(kind: Position['kind'], text: string): Position {
  return parsePosition(kind, text)
}

export function whereOf(sourceCell: string, store: string): string {
  return `source_cell = ${quoteText(sourceCell)} AND store = ${quoteText(store)}`
}

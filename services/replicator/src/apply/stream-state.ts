import { quoteText } from '@cellway/mysql-value'
import { whereOf } from '../store/checkpoint.ts'
import type { Session } from '../store/session.ts'

export type StreamStateName = 'running' | 'paused' | 'parked' | 'stopped'

/** What the table `stream_state` says: for people, and whether the stream stays paused after a restart. */
export interface StreamState {
  readonly state: StreamStateName
  readonly reason: string
  /** What an operator has to run, where that is known. */
  readonly statement: string | undefined
}

/** In a plain session: the row is nobody's change, and must not look like an applied one. */
export async function writeStreamState(
  session: Session,
  sourceCell: string,
  store: string,
  { state, reason, statement }: StreamState
): Promise<void> {
  const values = [sourceCell, store, state, reason].map((value) => quoteText(value)).join(', ')
  await session.run(
    `INSERT INTO cellway.stream_state (source_cell, store, state, reason, statement) VALUES (${values}, ${statement === undefined ? 'NULL' : quoteText(statement)})
     ON DUPLICATE KEY UPDATE state = VALUES(state), reason = VALUES(reason), statement = VALUES(statement), changed_at = NOW(6)`
  )
}

export async function readStreamState(session: Session, sourceCell: string, store: string): Promise<StreamState | undefined> {
  const [row] = await session.rows(`SELECT state, reason, statement FROM cellway.stream_state WHERE ${whereOf(sourceCell, store)}`)
  if (row === undefined) return undefined
  const [state, reason, statement] = row.map((cell) => cell?.toString())
  const known = (['running', 'paused', 'parked', 'stopped'] as const).find((name) => name === state)
  return { state: known ?? 'running', reason: reason ?? '', statement }
}

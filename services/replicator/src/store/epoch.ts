import { quoteText } from '@cellway/mysql-value'
import type { Session } from './session.ts'

/**
 * The epoch of a new replicator process of this cell: one more than any before. It is the stream epoch of its capture and the
 * applier epoch of its appliers, so that a process that only seemed dead is fenced by the log and by the checkpoints.
 * Run it in a plain session: the row is nobody's change.
 */
export async function takeEpoch(session: Session, store: string): Promise<number> {
  const name = quoteText(store)
  const results = await session.run(
    `START TRANSACTION; INSERT INTO cellway.stream (store, epoch) VALUES (${name}, 1) ON DUPLICATE KEY UPDATE epoch = epoch + 1;
     SELECT epoch FROM cellway.stream WHERE store = ${name}; COMMIT`
  )
  return Number(results[2]?.rows[0]?.[0]?.toString())
}

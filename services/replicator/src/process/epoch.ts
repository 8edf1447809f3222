import { quoteText } from '@cellway/mysql-value'
import { type MysqlConfig, openSession } from '../store/session.ts'

export interface TakenEpoch {
  readonly epoch: number
  /** Rejects when the epoch did not become durable: then the process has to end, for another one may get the same. */
  readonly committed: Promise<void>
}

/** With rpo zero, a commit waits until the capture has it in the center, for as long as the server lets it. */
const COMMIT_MS_MAX = 24 * 3_600_000

/**
 * One more than any process of this cell before: stream epoch of the capture, applier epoch of the appliers. Known before its commit
 * is through: with rpo zero that commit waits for the capture, which needs the epoch to begin. Until then the row is locked, so nobody
 * else gets a number.
 */
export async function beginEpoch(config: MysqlConfig, store: string, signal: AbortSignal): Promise<TakenEpoch> {
  const session = await openSession(config, { role: 'plain', signal })
  try {
    const name = quoteText(store)
    const results = await session.run(
      `START TRANSACTION; INSERT INTO cellway.stream (store, epoch) VALUES (${name}, 1) ON DUPLICATE KEY UPDATE epoch = epoch + 1;
       SELECT epoch FROM cellway.stream WHERE store = ${name}`
    )
    const committed = session.run('COMMIT', { timeoutMs: COMMIT_MS_MAX }).then(() => session.close())
    // Whoever starts up with it looks at it later.
    committed.catch(() => undefined)
    return { epoch: Number(results[2]?.rows[0]?.[0]?.toString()), committed }
  } catch (cause) {
    await session.close()
    throw cause
  }
}

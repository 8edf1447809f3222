import type { Store } from '@cellway/store'
import type { StoredReplay } from './commands.ts'
import { IDEMPOTENCY_PREFIX } from './keys.ts'

/** Longer than any client retries. */
export const REPLAY_KEPT_MS = 24 * 3600_000
/** One answer can hold a thousand ledger rows, so the number is bounded too. */
export const REPLAYS_MAX = 1000
const PAGE = 50

/** Forgets the answers kept for repeated commands that are too old or too many; the newest stay. */
export async function sweepReplays(store: Store, nowMs: number): Promise<number> {
  const found: { key: string; atMs: number }[] = []
  let after: string | undefined
  let more = true
  while (more) {
    const page = await store.list(IDEMPOTENCY_PREFIX, after === undefined ? { limit: PAGE } : { limit: PAGE, after })
    for (const entry of page.entries) found.push({ key: entry.key, atMs: (JSON.parse(entry.value) as StoredReplay).atMs })
    after = page.entries.at(-1)?.key
    more = page.more
  }
  found.sort((left, right) => right.atMs - left.atMs)
  const stale = found.filter(({ atMs }, index) => index >= REPLAYS_MAX || nowMs - atMs > REPLAY_KEPT_MS)
  if (stale.length > 0) await store.commit({ deletes: stale.map(({ key }) => key) })
  return stale.length
}

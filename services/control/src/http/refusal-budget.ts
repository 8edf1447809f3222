import type { Clock } from '@cellway/base'

/** One token's refused attempts per minute that are written to the audit log; what is more is only counted. */
export const REFUSALS_PER_MINUTE = 60
const WINDOW_MS = 60_000

export interface RefusalBudget {
  take(tokenId: string): boolean
}

/** Only known tokens come here, so the map has at most one entry per token. */
export function createRefusalBudget(clock: Clock): RefusalBudget {
  const windows = new Map<string, { startedMs: number; used: number }>()
  return {
    take(tokenId) {
      const nowMs = clock.monotonicMs()
      const open = windows.get(tokenId)
      const window = open === undefined || nowMs - open.startedMs >= WINDOW_MS ? { startedMs: nowMs, used: 0 } : open
      windows.set(tokenId, window)
      window.used += 1
      return window.used <= REFUSALS_PER_MINUTE
    }
  }
}

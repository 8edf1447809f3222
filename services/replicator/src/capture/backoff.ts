import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from './limits.ts'

/** Doubles with each attempt, with half of it by chance, so that cells that lost the same thing do not come back at once. */
export function backoffMs(attempt: number): number {
  const full = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt - 1, 16))
  return full / 2 + (full / 2) * Math.random()
}

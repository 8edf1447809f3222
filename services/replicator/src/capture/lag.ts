import type { Clock } from '@cellway/base'
import type { OutboxEntry } from './outbox.ts'

const QUIET_SECONDS = 0.1
const SOURCE_CLOCK_SECONDS = 2

/**
 * How long the oldest change that is not in the center has been committed, as far as the source tells: MariaDB in whole seconds, so
 * what it says counts from two of them on. Without a link, since something was last heard.
 */
export class LagMeter {
  readonly #clock: Clock
  #isCaughtUp = false
  #readMs: number | undefined
  #lastCommitUs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  read(): void {
    this.#isCaughtUp = false
    this.#readMs = this.#clock.monotonicMs()
  }

  /** The source has sent everything it has. */
  caughtUp(): void {
    this.#isCaughtUp = true
  }

  built(commitTimeUs: number): void {
    if (commitTimeUs > 0) this.#lastCommitUs = commitTimeUs
  }

  seconds({ oldest, isLinked }: { readonly oldest: OutboxEntry | undefined; readonly isLinked: boolean }): number {
    if (this.#readMs === undefined) return 0
    const silentSeconds = (this.#clock.monotonicMs() - this.#readMs) / 1000
    if (oldest === undefined && !isLinked) return silentSeconds
    if (oldest === undefined && (this.#isCaughtUp || silentSeconds > QUIET_SECONDS)) return 0
    const commitUs = oldest?.commitTimeUs || this.#lastCommitUs
    const sinceCommit = commitUs === 0 ? 0 : this.#clock.nowMs() / 1000 - commitUs / 1_000_000
    const sinceBuilt = oldest === undefined ? 0 : (this.#clock.monotonicMs() - oldest.builtMs) / 1000
    return sinceCommit > SOURCE_CLOCK_SECONDS ? sinceCommit : sinceBuilt
  }
}

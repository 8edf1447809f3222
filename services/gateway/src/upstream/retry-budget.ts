/**
 * Retries may be at most a share of the requests, so that a failing upstream is not buried under them.
 * Each request earns `ratio`, each retry costs 1; `burst` is the most that can be saved up, and the start.
 */
export class RetryBudget {
  readonly #ratio: number
  readonly #burst: number
  #tokens: number

  constructor(ratio: number, burst: number) {
    this.#ratio = ratio
    this.#burst = burst
    this.#tokens = burst
  }

  onRequest(): void {
    if (this.#tokens < this.#burst) this.#tokens = Math.min(this.#burst, this.#tokens + this.#ratio)
  }

  /** Takes one retry out of the budget if there is one. */
  take(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

/** Time as a port: pure code receives numbers, shells receive a Clock, tests pass their own. */
export interface Clock {
  /** Milliseconds since the epoch; may jump. Only for people and for expiry between hosts. */
  nowMs(): number
  /** Milliseconds since some start; never goes back. For durations and deadlines. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now()
}

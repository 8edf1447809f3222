import type { GatewayConfig } from '../config.ts'
import { type BreakerState, breakerAdmits, breakerOnFailure, breakerOnSend, breakerOnSuccess, CLOSED } from './breaker.ts'
import { ConnectionPool } from './connection-pool.ts'

export type ProbeState = 'unknown' | 'up' | 'down'

/** One process that takes requests: an app instance of this cell, or another cell's gateway. */
export class Instance {
  readonly origin: string
  readonly cell: string
  readonly app: string
  readonly pool: ConnectionPool
  probe: ProbeState = 'unknown'
  inFlight = 0
  breakerOpened = 0
  #breaker: BreakerState = CLOSED
  #failuresInRow = 0
  #successesInRow = 0
  readonly #config: GatewayConfig

  constructor(origin: string, cell: string, app: string, config: GatewayConfig) {
    this.origin = origin
    this.cell = cell
    this.app = app
    this.#config = config
    const { upstream } = config
    this.pool = new ConnectionPool({
      origin,
      cell,
      connectionsMax: upstream.connectionsPerInstanceMax,
      waitingMax: config.limits.inFlightMax,
      connectTimeoutMs: upstream.connectTimeoutMs,
      idleTimeoutMs: upstream.keepAliveTimeoutMs,
      headerBytesMax: upstream.responseHeaderBytesMax
    })
  }

  /** Takes requests now: the probe does not say down, and the breaker lets one through. */
  admits(nowMs: number): boolean {
    return this.probe !== 'down' && breakerAdmits(this.#breaker, nowMs)
  }

  get breaker(): BreakerState {
    return this.#breaker
  }

  onSend(nowMs: number): void {
    this.inFlight += 1
    this.#breaker = breakerOnSend(this.#breaker, nowMs)
  }

  onSuccess(): void {
    this.inFlight -= 1
    this.#breaker = breakerOnSuccess(this.#breaker)
  }

  onFailure(nowMs: number): void {
    this.inFlight -= 1
    const after = breakerOnFailure(this.#breaker, nowMs, this.#config.breaker)
    if (this.#breaker.kind !== 'open' && after.kind === 'open') this.breakerOpened += 1
    this.#breaker = after
  }

  /** The client went away or the body broke: says nothing about the instance. */
  onAbandoned(): void {
    this.inFlight -= 1
    if (this.#breaker.kind === 'half-open') this.#breaker = { kind: 'open', untilMs: 0, openings: this.#breaker.openings }
  }

  /** @returns whether the probe's verdict changed. */
  onProbe(healthy: boolean): boolean {
    const { failuresToDown, successesToUp } = this.#config.health
    const before = this.probe
    if (healthy) {
      this.#failuresInRow = 0
      this.#successesInRow += 1
      if (this.#successesInRow >= successesToUp || before === 'unknown') this.probe = 'up'
    } else {
      this.#successesInRow = 0
      this.#failuresInRow += 1
      if (this.#failuresInRow >= failuresToDown) this.probe = 'down'
    }
    return before !== this.probe
  }

  /** Requests that are under way still end well. */
  close(): void {
    this.pool.close()
  }
}

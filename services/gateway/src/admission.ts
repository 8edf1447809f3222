import type { RouteConfig } from '@cellway/topology'
import { overloaded, rateLimited } from './errors.ts'

interface TokenBucket {
  tokens: number
  refilledMs: number
}

export interface AdmissionLimits {
  /** Requests in flight per worker at which everything but `high` is shed; `low` is shed at three quarters of it. */
  readonly inFlightMax: number
}

/** Rate limit per route (token bucket) and shedding by priority. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** @throws GW_OVERLOADED, GW_RATE_LIMITED */
  admit(route: RouteConfig, inFlight: number, nowMs: number): void {
    const { inFlightMax } = this.#limits
    const sheds = (route.priority === 'low' && inFlight > inFlightMax * 0.75) || (route.priority === 'normal' && inFlight > inFlightMax)
    if (sheds) throw overloaded({ priority: route.priority, reason: `${inFlight} requests in flight` })
    if (route.rateLimit !== undefined && !this.#take(route.name, route.rateLimit, nowMs)) {
      throw rateLimited({ route: route.name, perSecond: route.rateLimit.perSecond })
    }
  }

  #take(name: string, { perSecond, burst }: { readonly perSecond: number; readonly burst: number }, nowMs: number): boolean {
    let bucket = this.#buckets.get(name)
    if (bucket === undefined) {
      bucket = { tokens: burst, refilledMs: nowMs }
      this.#buckets.set(name, bucket)
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.refilledMs) / 1000) * perSecond)
    bucket.refilledMs = nowMs
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }
}

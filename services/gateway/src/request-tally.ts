import type { MetricValueWithName } from 'prom-client'

/** How a request ended: what its last verdict was, or why there was none. */
export const FINISHED_VERDICTS = ['local', 'hop', 'hold', 'refuse', 'gone', 'none'] as const
export type FinishedVerdict = (typeof FINISHED_VERDICTS)[number]

/** 0xx to 9xx: a worker must not fall over a status that no one expected. */
const STATUS_CLASSES = 10
/** Where the counts of a verdict begin; an object's shape finds it faster than a Map would. */
const ROW: Readonly<Record<FinishedVerdict, number>> = { local: 0, hop: 10, hold: 20, refuse: 30, gone: 40, none: 50 }

interface RouteTally {
  /** Requests by verdict and class of status. */
  readonly counts: Float64Array
  /** Requests by the bucket of their duration, not added up; the last is above all bounds. */
  readonly durations: Float64Array
  secondsSum: number
}

export interface CountedRequests {
  readonly route: string
  readonly verdict: FinishedVerdict
  /** `2xx`. */
  readonly status: string
  readonly count: number
}

/**
 * Counts finished requests by plain additions. prom-client hashes the labels on each call, which costs a microsecond per request;
 * here its form is only made when somebody asks. Bounded by the routes that the topologies so far have named.
 */
export class RequestTally {
  readonly #bounds: readonly number[]
  readonly #routes = new Map<string, RouteTally>()

  /** @param bounds upper bounds of the histogram's buckets in seconds, ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
  }

  add(route: string, verdict: FinishedVerdict, statusCode: number, seconds: number): void {
    let tally = this.#routes.get(route)
    if (tally === undefined) {
      tally = {
        counts: new Float64Array(FINISHED_VERDICTS.length * STATUS_CLASSES),
        durations: new Float64Array(this.#bounds.length + 1),
        secondsSum: 0
      }
      this.#routes.set(route, tally)
    }
    increment(tally.counts, ROW[verdict] + (Math.floor(statusCode / 100) % STATUS_CLASSES))
    increment(tally.durations, this.#bucketOf(seconds))
    tally.secondsSum += seconds
  }

  #bucketOf(seconds: number): number {
    let at = 0
    for (const bound of this.#bounds) {
      if (seconds <= bound) return at
      at += 1
    }
    return at
  }

  *counts(): Iterable<CountedRequests> {
    for (const [route, { counts }] of this.#routes) {
      for (const verdict of FINISHED_VERDICTS) {
        for (let status = 0; status < STATUS_CLASSES; status++) {
          const count = counts[ROW[verdict] + status] ?? 0
          if (count > 0) yield { route, verdict, status: `${status}xx`, count }
        }
      }
    }
  }

  /** The durations as prom-client's `getMetricsAsJSON` has a histogram with the label `route`: cumulative buckets, sum and count. */
  histogramValues(name: string): MetricValueWithName<string>[] {
    const values: MetricValueWithName<string>[] = []
    for (const [route, { durations, secondsSum }] of this.#routes) {
      let count = 0
      for (const [at, inBucket] of durations.entries()) {
        count += inBucket
        values.push({ metricName: `${name}_bucket`, labels: { le: this.#bounds[at] ?? '+Inf', route }, value: count })
      }
      values.push(
        { metricName: `${name}_sum`, labels: { route }, value: secondsSum },
        { metricName: `${name}_count`, labels: { route }, value: count }
      )
    }
    return values
  }
}

function increment(counts: Float64Array, at: number): void {
  counts[at] = (counts[at] ?? 0) + 1
}

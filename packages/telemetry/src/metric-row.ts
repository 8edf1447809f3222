// Long because it is one table, and a reader looks a name up in one place.
/** One metric: a row of `metric-table.ts`. */
export interface MetricRow {
  /** Prometheus name with unit and, for counters, `_total`. */
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** How values of several processes of one service become one; counters and most gauges add up. */
  readonly aggregate?: 'sum' | 'min' | 'max'
  /** Upper bounds, in the unit of the name. */
  readonly buckets?: readonly number[]
}

export const LATENCY_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

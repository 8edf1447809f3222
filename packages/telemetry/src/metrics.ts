import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { MetricRow } from './metric-row.ts'
import { METRIC_TABLE, type MetricName } from './metric-table.ts'

/** All metrics of one service, made from the table, so that no name exists outside it. */
export interface Metrics {
  readonly registry: Registry
  counter(name: MetricName): Counter
  gauge(name: MetricName): Gauge
  histogram(name: MetricName): Histogram
}

/** @param service prefix after `cellway_`: `gateway` takes every `cellway_gateway_*` row. Process metrics come along. */
export function createMetrics(service: string): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const made = new Map<string, Counter | Gauge | Histogram>()
  for (const row of METRIC_TABLE as readonly MetricRow[]) {
    if (row.name.startsWith(`cellway_${service}_`)) made.set(row.name, makeMetric(row, registry))
  }
  const find = <Kind>(name: MetricName, kind: new (...parameters: never[]) => Kind): Kind => {
    const metric = made.get(name)
    if (!(metric instanceof kind)) throw new TypeError(`${name} is not a ${kind.name} of ${service}`)
    return metric
  }
  return {
    registry,
    counter: (name) => find(name, Counter),
    gauge: (name) => find(name, Gauge),
    histogram: (name) => find(name, Histogram)
  }
}

function makeMetric(row: MetricRow, registry: Registry): Counter | Gauge | Histogram {
  const common = { name: row.name, help: row.help, labelNames: [...row.labels], registers: [registry] }
  switch (row.type) {
    case 'counter':
      return new Counter(common)
    case 'gauge':
      return new Gauge({ ...common, ...(row.aggregate === undefined ? {} : { aggregator: row.aggregate }) })
    case 'histogram':
      return new Histogram({ ...common, buckets: [...(row.buckets ?? [])] })
  }
}

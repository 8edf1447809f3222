import type { MetricRow } from './metric-row.ts'
import { CENTER_METRICS } from './metrics-of-center.ts'
import { CONTROL_METRICS } from './metrics-of-control.ts'
import { GATEWAY_METRICS } from './metrics-of-gateway.ts'
import { REPLICATOR_METRICS } from './metrics-of-replicator.ts'

/** One row per metric of every service. `docs/metrics.md` is held against this table by a test. */
export const METRIC_TABLE = [...GATEWAY_METRICS, ...REPLICATOR_METRICS, ...CONTROL_METRICS, ...CENTER_METRICS] as const satisfies readonly MetricRow[]

export type MetricName = (typeof METRIC_TABLE)[number]['name']

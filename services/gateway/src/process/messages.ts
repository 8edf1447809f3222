import type { MetricReport } from '../worker-metrics.ts'

/** Supervisor → worker. */
export type ToWorker =
  /** The encoded snapshot; the worker decodes and checks it itself. */
  | { readonly kind: 'snapshot'; readonly text: string }
  | { readonly kind: 'report'; readonly id: number }
  | { readonly kind: 'drain'; readonly deadlineMs: number }

/** Worker → supervisor. */
export type FromWorker =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'adopted'; readonly version: number; readonly checksum: string }
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'report'; readonly id: number; readonly report: WorkerReport }
  | { readonly kind: 'drained' }

export interface WorkerReport {
  readonly pid: number
  readonly version: number
  readonly inFlight: number
  readonly held: number
  readonly metrics: MetricReport
  readonly inFlightWrites: readonly (readonly [bucket: string, count: number])[]
  readonly instances: readonly InstanceReport[]
}

export interface InstanceReport {
  readonly cell: string
  readonly app: string
  readonly origin: string
  readonly probe: string
  readonly breaker: string
  readonly inFlight: number
  readonly takesRequests: boolean
}

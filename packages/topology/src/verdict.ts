import type { CellwayError } from '@cellway/base'
import type { RouteConfig } from './config.ts'
import type { BucketName, CellId, Epoch, SpaceId } from './ids.ts'
import type { BucketState } from './ledger.ts'

export type Operation = 'read' | 'write'

/** Result of route → key → bucket; says nothing about ownership yet. */
export type Classification =
  | {
      readonly kind: 'bucket'
      readonly route: RouteConfig
      readonly operation: Operation
      readonly space: SpaceId
      /** Index into the compiled space, for the hot path. */
      readonly spaceIndex: number
      readonly bucketIndex: number
      /** Canonical key; `''` for single spaces and bucket-carrying ids. */
      readonly key: string
      /** For explain and logs: `header x-user-id`, `cookie uid`, `id order_no`, … */
      readonly keySource: string
    }
  /** No bucket, but a cell: routes of class local, and the missing policies that name a cell. */
  | { readonly kind: 'cell'; readonly route: RouteConfig; readonly operation: Operation; readonly cell: CellId; readonly why: string }
  | { readonly kind: 'refused'; readonly route: RouteConfig | undefined; readonly error: CellwayError }

/** What the gateway of cell `self` does with a classified request under one snapshot. */
export type Verdict =
  | { readonly kind: 'local'; readonly epoch: Epoch | undefined; readonly why: string }
  | { readonly kind: 'hop'; readonly cell: CellId; readonly epoch: Epoch | undefined; readonly why: string }
  /** The bucket is moving and this is a write: wait for a newer snapshot. */
  | { readonly kind: 'hold'; readonly state: BucketState; readonly epoch: Epoch; readonly why: string }
  | { readonly kind: 'refuse'; readonly error: CellwayError; readonly why: string }

/** One bucket as the compiled snapshot gives it. */
export interface BucketView {
  readonly space: SpaceId
  readonly bucket: BucketName
  readonly owner: CellId
  readonly epoch: Epoch
  readonly state: BucketState
}

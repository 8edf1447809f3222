import type { BucketName, CellId, Epoch, SpaceId } from './ids.ts'

export type BucketState =
  | { readonly kind: 'owned' }
  /** Writes are held; reads still go to `from`, which is the owner until the commit. */
  | { readonly kind: 'moving'; readonly from: CellId; readonly to: CellId; readonly shift: string }
  | { readonly kind: 'frozen'; readonly reason: string }

/** One row of the control plane's truth. */
export interface LedgerEntry {
  readonly space: SpaceId
  readonly bucket: BucketName
  readonly owner: CellId
  readonly epoch: Epoch
  readonly state: BucketState
}

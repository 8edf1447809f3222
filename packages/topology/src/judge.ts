import { bucketView, type CompiledSnapshot } from './compile.ts'
import { bucketFrozen, notOwner } from './errors.ts'
import type { CellId } from './ids.ts'
import type { BucketView, Classification, Operation, Verdict } from './verdict.ts'

/** A classification that named a place; a refused one has nothing to judge. */
export type Placed = Extract<Classification, { readonly kind: 'bucket' | 'cell' }>

export interface JudgeOptions {
  readonly selfCell: CellId
  /** Another cell's gateway has sent this request here; it goes no further. */
  readonly hopped: boolean
  /** Overrides `reads: local`, so that a client reads what it has just written. */
  readonly readsFromOwner?: boolean
}

/**
 * Where the request goes under this snapshot. A moving bucket holds its writes and lets reads through to the owner; a frozen
 * one refuses its writes. @throws never; a refusal is a Verdict
 */
export function judge(compiled: CompiledSnapshot, placed: Placed, options: JudgeOptions): Verdict {
  if (placed.kind === 'cell') return judgeCell(placed.cell, placed.why, options)
  const view = bucketView(compiled, placed.spaceIndex, placed.bucketIndex)
  const { owner, epoch } = view
  if (options.hopped && owner !== options.selfCell) {
    return { kind: 'refuse', error: notOwner({ owner, epoch }), why: 'it was forwarded here, but another cell owns the bucket' }
  }
  if (placed.operation === 'read' && placed.route.kind === 'space' && placed.route.reads === 'local' && options.readsFromOwner !== true) {
    return { kind: 'local', epoch, why: 'reads of this route are local' }
  }
  return view.state.kind === 'owned' || placed.operation === 'read' ? toOwner(view, options.selfCell, placed.operation) : stopped(view)
}

function judgeCell(cell: CellId, why: string, { selfCell, hopped }: JudgeOptions): Verdict {
  if (cell === selfCell) return { kind: 'local', epoch: undefined, why }
  if (hopped) return { kind: 'refuse', error: notOwner({ owner: cell, epoch: undefined }), why: 'it was forwarded here, but belongs to another cell' }
  return { kind: 'hop', cell, epoch: undefined, why }
}

function toOwner({ owner, epoch, state }: BucketView, selfCell: CellId, operation: Operation): Verdict {
  const still = state.kind === 'moving' && operation === 'read'
  if (owner === selfCell)
    return { kind: 'local', epoch, why: still ? 'the bucket is moving, and reads stay with this cell until then' : 'this cell owns the bucket' }
  return {
    kind: 'hop',
    cell: owner,
    epoch,
    why: still ? 'the bucket is moving, and reads stay with its owner until then' : 'another cell owns the bucket'
  }
}

function stopped({ space, bucket, epoch, state }: BucketView): Verdict {
  if (state.kind === 'frozen') {
    return { kind: 'refuse', error: bucketFrozen({ space, bucket, epoch, reason: state.reason }), why: 'the bucket is frozen: no writes' }
  }
  return { kind: 'hold', state, epoch, why: 'the bucket is moving: writes wait for its new owner' }
}

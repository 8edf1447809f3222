import type { CellContext } from '../context.ts'
import { targetOwns } from './errors.ts'

/** A cell that is being filled must not serve writes: they would be overwritten. @throws BOO_TARGET_OWNS */
export function checkOwnsNothing({ cell, topology }: CellContext): void {
  const owned = topology.current().snapshot.ledger.filter(({ owner }) => owner === cell)
  const [example] = owned
  if (example === undefined) return
  const fix = 'move its buckets to other cells first, or say --force if nobody writes here'
  throw targetOwns({ cell, buckets: owned.length, example: `${example.space}/${example.bucket}`, fix })
}

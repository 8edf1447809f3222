import type { Row, TableIdentity } from '@cellway/change'
import { arbiterOf } from '@cellway/conflict'
import { AppliedPositions } from '../apply/applied-positions.ts'
import { Ownership } from '../apply/ownership.ts'
import type { CellContext } from '../context.ts'

export interface RowArbiter {
  /** undefined: there are no cells. */
  readonly cell: string | undefined
  /** Of the bucket of the images; the newest where they name several, 0 where they name none. */
  readonly epoch: number
}

/** Whose word counts for a row, by the newest snapshot: the same question, with the same images, as the applier asks when it decides. */
export class Arbiters {
  readonly #context: CellContext
  #ownership: Ownership | undefined

  constructor(context: CellContext) {
    this.#context = context
  }

  of(table: TableIdentity, images: readonly (Row | undefined)[]): RowArbiter {
    const snapshot = this.#context.topology.current()
    const selfCell = this.#context.cell
    this.#ownership ??= new Ownership({ selfCell, originCell: selfCell, snapshot, positions: new AppliedPositions() })
    const ownership = this.#ownership
    ownership.adopt(snapshot)
    const buckets = images.flatMap((row) => (row === undefined ? [] : [ownership.bucketOf(table, row)]))
    const owners = buckets.map((bucket) => bucket?.owner)
    return { cell: arbiterOf(owners, ownership.cells), epoch: Math.max(0, ...buckets.map((bucket) => bucket?.epoch ?? 0)) }
  }
}

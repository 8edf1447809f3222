import type { CellValue, Row, TableIdentity, TransactionId } from '@cellway/change'
import { parsePosition, positionIncludes } from '@cellway/change'
import type { CellRank, Facts } from '@cellway/conflict'
import { arbiterOf } from '@cellway/conflict'
import type { CompiledSnapshot } from '@cellway/topology'
import { bucketOfKey, bucketView, canonicalKey, cellNumbers } from '@cellway/topology'
import type { AppliedPositions, Opening } from './applied-positions.ts'
import type { OwnerRow } from './prepare.ts'
import { textOf } from './prepare.ts'

/** Where a row belongs. */
export interface RowBucket {
  readonly space: string
  readonly bucket: string
  readonly owner: string
  readonly epoch: number
  readonly moving: boolean
}

/** How the rows of one version of a table find their bucket. */
type Finder = (row: Row) => RowBucket | undefined

interface Belief {
  readonly owner: string
  readonly epoch: number
}

export interface OwnershipOptions {
  readonly selfCell: string
  readonly originCell: string
  readonly snapshot: CompiledSnapshot
  /** Knows the openings that the streams told of. */
  readonly positions: AppliedPositions
}

/** Keys of one table whose verdict is kept; then all are forgotten. */
const VERDICTS_MAX = 50_000

/**
 * Who owns the rows of one stream. The origin's change is legal while the origin owns the bucket, and where it did at this place of
 * its stream: what a former owner wrote before the bucket was opened elsewhere may come long after the newest snapshot.
 */
export class Ownership {
  readonly #selfCell: string
  readonly #originCell: string
  readonly #positions: AppliedPositions
  #openingsVersion = 0
  #version = 0
  #snapshot: CompiledSnapshot
  #cells: readonly CellRank[] = []
  #finders = new WeakMap<TableIdentity, Finder>()
  #verdicts = new WeakMap<TableIdentity, Map<CellValue, boolean>>()
  /** What the origin's stream says of owners, up to here. */
  readonly #beliefs = new Map<string, Belief>()
  /** Where the routing key stands; absent: there is none. */
  readonly #columns = new WeakMap<TableIdentity, number>()

  constructor({ selfCell, originCell, snapshot, positions }: OwnershipOptions) {
    this.#selfCell = selfCell
    this.#originCell = originCell
    this.#positions = positions
    this.#snapshot = snapshot
    this.#adopt(snapshot)
  }

  get cells(): readonly CellRank[] {
    return this.#cells
  }

  /** Grows whenever a verdict may be another one. */
  get version(): number {
    return this.#version
  }

  /** Called before each batch: cheap while nothing is new. */
  adopt(snapshot: CompiledSnapshot): void {
    if (snapshot !== this.#snapshot) this.#adopt(snapshot)
    if (this.#openingsVersion === this.#positions.openingsVersion) return
    this.#openingsVersion = this.#positions.openingsVersion
    this.#forget()
  }

  /** In the order of the stream. */
  learn(opened: readonly Opening[], owners: readonly OwnerRow[]): void {
    for (const { space, bucket, owner, epoch } of [...owners, ...opened]) {
      const key = `${space} ${bucket}`
      const known = this.#beliefs.get(key)
      if (known === undefined || known.epoch <= epoch) this.#beliefs.set(key, { owner, epoch })
      this.#forget()
    }
  }

  /**
   * The origin may write this row, and is the one who decides about it: the usual case, kept per routing key. False also where it
   * depends on the transaction: then `facts` says more.
   */
  isOrigins(table: TableIdentity, row: Row): boolean {
    let verdicts = this.#verdicts.get(table)
    if (verdicts === undefined) {
      verdicts = new Map()
      this.#verdicts.set(table, verdicts)
      this.#finderOf(table)
    }
    const value = row[this.#columns.get(table) ?? -1]
    const key = value instanceof Uint8Array ? textOf(value) : value
    const known = verdicts.get(key)
    if (known !== undefined) return known
    const verdict = this.#isSimplyOrigins(this.bucketOf(table, row))
    if (verdicts.size >= VERDICTS_MAX) verdicts.clear()
    verdicts.set(key, verdict)
    return verdict
  }

  bucketOf(table: TableIdentity, row: Row): RowBucket | undefined {
    return this.#finderOf(table)(row)
  }

  facts(table: TableIdentity, images: readonly (Row | undefined)[], id: TransactionId): Facts & { readonly bucket: RowBucket | undefined } {
    const buckets = images.flatMap((row) => (row === undefined ? [] : [this.bucketOf(table, row)]))
    const found = buckets.filter((bucket) => bucket !== undefined)
    const verdicts = found.map((bucket) => this.#originOwned(bucket, id))
    const originOwned = verdicts.includes('late') ? 'late' : verdicts.length === 0 ? 'unknown' : verdicts.every((one) => one === 'yes') ? 'yes' : 'no'
    return {
      selfCell: this.#selfCell,
      originCell: this.#originCell,
      owners: buckets.map((bucket) => bucket?.owner),
      originOwned,
      cells: this.#cells,
      bucket: found[0]
    }
  }

  #isSimplyOrigins(bucket: RowBucket | undefined): boolean {
    if (bucket === undefined) return arbiterOf([], this.#cells) === this.#originCell
    const opening = this.#positions.openingOf(bucket.space, bucket.bucket)
    if (opening !== undefined && opening.owner !== this.#originCell) return false
    return bucket.owner === this.#originCell
  }

  #originOwned({ space, bucket, owner, epoch, moving }: RowBucket, id: TransactionId): 'yes' | 'no' | 'late' {
    const opening = this.#positions.openingOf(space, bucket)
    const newest = Math.max(epoch, opening?.epoch ?? 0)
    if (owner === this.#originCell && epoch === newest) return 'yes'
    if (opening?.owner === this.#originCell && opening.epoch === newest) return 'yes'
    // What the former owner wrote up to the position that the new one waited for is in time, all behind it is late.
    const required = opening?.requires[this.#originCell]
    if (required !== undefined) return isIncluded(required, id) ? 'yes' : 'late'
    const belief = this.#beliefs.get(`${space} ${bucket}`)
    if (belief !== undefined) return belief.owner === this.#originCell ? 'yes' : 'no'
    // A bucket that never moved cannot have been the origin's. One that did may have been, and its last changes are still coming.
    return epoch > 1 || moving ? 'yes' : 'no'
  }

  #adopt(snapshot: CompiledSnapshot): void {
    this.#snapshot = snapshot
    this.#cells = [...cellNumbers(snapshot.snapshot.topology)].map(([cell, number]) => ({ cell, number }))
    this.#finders = new WeakMap()
    this.#forget()
  }

  #forget(): void {
    this.#verdicts = new WeakMap()
    this.#version += 1
  }

  #finderOf(table: TableIdentity): Finder {
    let finder = this.#finders.get(table)
    if (finder === undefined) {
      finder = this.#makeFinder(table)
      this.#finders.set(table, finder)
    }
    return finder
  }

  #makeFinder(table: TableIdentity): Finder {
    const compiled = this.#snapshot
    const name = `${table.schema}.${table.name}`
    const data = compiled.snapshot.topology.data.mysql.find((one) => one.table === name)
    if (data?.kind !== 'space') return () => undefined
    const space = compiled.spaces[compiled.spaceIndexes.get(data.space) ?? -1]
    if (space === undefined) return () => undefined
    const viewOf = (index: number): RowBucket => {
      const { bucket, owner, epoch, state } = bucketView(compiled, space.index, index)
      return { space: space.id, bucket, owner, epoch, moving: state.kind === 'moving' }
    }
    if (space.config.kind === 'single') {
      const only = viewOf(0)
      return () => only
    }
    const column = table.columns.findIndex((one) => one.name === data.column)
    this.#columns.set(table, column)
    return (row) => {
      const key = keyOf(row[column], space.config)
      if (key === undefined) return undefined
      const index = space.byKey.get(key) ?? (space.hashBuckets > 0 ? bucketOfKey(key, space.hashBuckets) : undefined)
      return index === undefined ? undefined : viewOf(index)
    }
  }
}

/** A value that is no routing key belongs to nobody. */
function keyOf(value: CellValue, config: Parameters<typeof canonicalKey>[1]): string | undefined {
  if (value === undefined || value === null) return undefined
  try {
    return canonicalKey(textOf(value), config)
  } catch {
    return undefined
  }
}

function isIncluded(position: string, id: TransactionId): boolean {
  return positionIncludes(parsePosition(id.kind === 'mariadb-gtid' ? 'mariadb' : 'mysql', position), id)
}

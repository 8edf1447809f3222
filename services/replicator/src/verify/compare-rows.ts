import type { TableIdentity } from '@cellway/change'
import type { Difference } from '@cellway/client'
import { imageOf } from '@cellway/mysql-value'
import type { ReadTable } from './digest.ts'
import { fingerprint, isSameImage } from './digest.ts'
import { align } from './positions.ts'
import type { HashesAnswer, RangeQuestion, Reading, VerifySource } from './protocol.ts'

export interface Comparison {
  readonly here: VerifySource
  readonly there: VerifySource
  readonly identity: TableIdentity
  readonly table: ReadTable
  readonly reading: Reading
  readonly limits: CompareLimits
  readonly signal: AbortSignal
}

export interface CompareLimits {
  /** Looks at rows that go on changing before they are given up for this pass. */
  readonly attempts: number
  /** How often a difference has to outlast everything that was on its way. */
  readonly confirmations: number
  readonly alignMs: number
}

export interface ConfirmedDifference extends Difference {
  readonly kind: 'missing here' | 'missing there' | 'different'
}

export interface RowVerdicts {
  readonly differences: readonly ConfirmedDifference[]
  /** Rows that were written to all the time: nothing can be said about them. */
  readonly unsettled: number
}

/** Keys of one question. */
const KEYS_AT_ONCE = 200
/** Rows of a chunk whose hashes are asked for at once; a chunk is smaller. */
const HASHES_LIMIT = 10_000

/** Narrows a range that differs down to rows, page by page: one side may have any number of rows more. */
export async function* differingKeys(comparison: Comparison, { after, upTo }: Pick<RangeQuestion, 'after' | 'upTo'>): AsyncGenerator<string[]> {
  const { here, there } = comparison
  for (let from = after; ; ) {
    let bound = upTo
    let own = await hashesOf(comparison, here, { after: from, upTo: bound })
    if (own.length === HASHES_LIMIT) bound = own.at(-1)?.key ?? bound
    const other = await hashesOf(comparison, there, { after: from, upTo: bound })
    const cut = other.length === HASHES_LIMIT && other.at(-1)?.key !== bound
    if (cut) {
      bound = other.at(-1)?.key ?? bound
      own = await hashesOf(comparison, here, { after: from, upTo: bound })
    }
    yield suspectsOf(comparison, own, other)
    if (bound === upTo) return
    from = bound
  }
}

type Hashes = HashesAnswer['rows']

async function hashesOf(
  { identity, reading, signal }: Comparison,
  source: VerifySource,
  range: Pick<RangeQuestion, 'after' | 'upTo'>
): Promise<Hashes> {
  return (await source.ask({ ask: 'hashes', identity, reading, ...range, limit: HASHES_LIMIT }, signal)).rows
}

function suspectsOf({ identity, table }: Comparison, own: Hashes, other: Hashes): string[] {
  const hashes = new Map(own.map(({ key, hash }) => [key, hash]))
  const suspects: string[] = []
  for (const { key, hash } of other) {
    if (hashes.get(key) !== hash) suspects.push(key)
    hashes.delete(key)
  }
  // Keys that the collation holds for equal are one row, however each cell spells it.
  return [...new Map([...suspects, ...hashes.keys()].map((key) => [table.plan.keyOf(imageOf(identity, key)), key])).values()]
}

/**
 * Looks at the rows again and again, each time after both cells have applied what the other had written before: what was on its way
 * has arrived by then. A row that is still the same in each cell, and not in both, differs.
 */
export async function confirmRows(comparison: Comparison, keys: readonly string[]): Promise<RowVerdicts> {
  const { identity, limits } = comparison
  const seen = new Map<string, { readonly print: string; readonly times: number }>()
  const differences: ConfirmedDifference[] = []
  let open = [...keys]
  for (let attempt = 0; attempt < limits.attempts && open.length > 0; attempt += 1) {
    if (attempt > 0) await align({ here: comparison.here, there: comparison.there, waitMs: limits.alignMs, signal: comparison.signal })
    const left: string[] = []
    for (const { key, here, there } of await readBoth(comparison, open)) {
      if (isSameImage(identity, comparison.reading, here, there)) continue
      const print = `${fingerprint(here)} ${fingerprint(there)}`
      const known = seen.get(key)
      const times = known?.print === print ? known.times + 1 : 0
      seen.set(key, { print, times })
      if (times < limits.confirmations) left.push(key)
      else differences.push({ table: `${identity.schema}.${identity.name}`, key, kind: kindOf(here, there), here, there })
    }
    open = left
  }
  return { differences, unsettled: open.length }
}

interface BothImages {
  readonly key: string
  readonly here: string | null
  readonly there: string | null
}

export async function readBoth({ here, there, identity, signal }: Comparison, keys: readonly string[]): Promise<BothImages[]> {
  const rows: BothImages[] = []
  for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) {
    const some = keys.slice(at, at + KEYS_AT_ONCE)
    const question = { ask: 'images', identity, keys: some } as const
    const [own, other] = await Promise.all([here.ask(question, signal), there.ask(question, signal)])
    for (const [index, key] of some.entries()) rows.push({ key, here: own.images[index] ?? null, there: other.images[index] ?? null })
  }
  return rows
}

function kindOf(here: string | null, there: string | null): ConfirmedDifference['kind'] {
  if (here === null) return 'missing here'
  return there === null ? 'missing there' : 'different'
}

import type { Row } from '@cellway/change'
import { imageOf, imageText } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import { readingOf } from './canonical.ts'
import type { CompareLimits, Comparison, ConfirmedDifference } from './compare-rows.ts'
import { confirmRows, differingKeys } from './compare-rows.ts'
import { chunkEnd } from './digest.ts'
import type { TableName, VerifySource } from './protocol.ts'
import type { StoreSource } from './store-source.ts'

export interface TableComparison {
  readonly here: StoreSource
  readonly there: VerifySource
  readonly table: TableName
  readonly chunkRows: number
  readonly limits: CompareLimits
  /** Mends what differs, and says how many rows are the same then. */
  readonly repair?: (comparison: Comparison, differences: readonly ConfirmedDifference[]) => Promise<number>
  readonly signal: AbortSignal
}

export interface ComparedChunk {
  /** Where to go on; undefined: it was the last one. */
  readonly next: string | undefined
  readonly rows: number
  readonly differences: readonly ConfirmedDifference[]
  readonly repaired: number
  readonly unsettled: number
}

/** Confirmed at once: more stay within one answer and one commit. */
const SUSPECTS_AT_ONCE = 500

/** @throws VER_TABLE_DIFFERS, and what the other cell's answer throws */
export async function openComparison({ here, there, table, limits, signal }: Omit<TableComparison, 'chunkRows' | 'repair'>): Promise<Comparison> {
  const own = await here.ask({ ask: 'describe', table }, signal)
  const other = await there.ask({ ask: 'describe', table }, signal)
  const { identity } = own
  return { here, there, identity, table: await here.table(identity), reading: readingOf(own, other), limits, signal }
}

/** Chunk by chunk from `after` on (a key as it was yielded): digests first, rows only where those differ. @throws as `openComparison`; VER_NOT_ALIGNED */
export async function* compareTable(options: TableComparison, after: string | undefined): AsyncGenerator<ComparedChunk> {
  const { here, there, chunkRows, signal } = options
  const comparison = await openComparison(options)
  const { identity, reading } = comparison
  for (let from = after; ; ) {
    const end = await nextEnd(await here.session(), comparison, from, chunkRows)
    const range = { after: from ?? null, upTo: end ?? null }
    const question = { ask: 'digest', identity, reading, ...range } as const
    const [own, other] = await Promise.all([here.ask(question, signal), there.ask(question, signal)])
    const isEqual = own.digest === other.digest && own.rows === other.rows
    const verdict = isEqual ? { differences: [], repaired: 0, unsettled: 0 } : await judge(options, comparison, range)
    yield { next: end, rows: Math.max(own.rows, other.rows), ...verdict }
    if (end === undefined) return
    from = end
  }
}

async function nextEnd(session: Session, { identity, table }: Comparison, after: string | undefined, rows: number): Promise<string | undefined> {
  const start: Row | undefined = after === undefined ? undefined : imageOf(identity, after)
  const end = await chunkEnd(session, table, { after: start, rows })
  return end === undefined ? undefined : imageText(identity, end)
}

async function judge(
  { repair }: TableComparison,
  comparison: Comparison,
  range: { after: string | null; upTo: string | null }
): Promise<Pick<ComparedChunk, 'differences' | 'repaired' | 'unsettled'>> {
  const differences: ConfirmedDifference[] = []
  let repaired = 0
  let unsettled = 0
  for await (const page of differingKeys(comparison, range)) {
    for (let at = 0; at < page.length; at += SUSPECTS_AT_ONCE) {
      const verdicts = await confirmRows(comparison, page.slice(at, at + SUSPECTS_AT_ONCE))
      unsettled += verdicts.unsettled
      differences.push(...verdicts.differences)
      if (repair !== undefined && verdicts.differences.length > 0) repaired += await repair(comparison, verdicts.differences)
    }
  }
  return { differences, repaired, unsettled }
}

import type { BucketState, LedgerEntry } from '@cellway/topology'
import { count, type Paint, plain, printable, table } from './text.ts'

/** Neighbours that agree in everything but their name. */
export interface BucketRange {
  readonly space: string
  /** `0-511`, `17`, or names: `bj, tj`. */
  readonly buckets: string
  readonly count: number
  readonly owner: string
  readonly epoch: number
  readonly state: BucketState
}

/** Numbered neighbours become ranges, named ones a list; the order of the ledger stays. */
export function bucketRanges(entries: readonly LedgerEntry[]): readonly BucketRange[] {
  const groups: LedgerEntry[][] = []
  for (const entry of entries) {
    const group = groups.at(-1)
    const last = group?.at(-1)
    if (group !== undefined && last !== undefined && continues(last, entry)) group.push(entry)
    else groups.push([entry])
  }
  return groups.flatMap((group) => {
    const [first] = group
    return first === undefined ? [] : [{ ...pick(first), buckets: nameRange(group), count: group.length }]
  })
}

export function renderBuckets(entries: readonly LedgerEntry[], { full, paint = plain }: { full: boolean; paint?: Paint }): string {
  if (entries.length === 0) return 'no bucket matches'
  const summary = paint('dim', count(entries.length, 'bucket'))
  if (full) {
    const rows = entries.map((entry) => [entry.space, printable(entry.bucket), entry.owner, String(entry.epoch), describeState(entry.state)])
    return `${table([SPACE, { title: 'BUCKET' }, OWNER, EPOCH, STATE], rows, paint)}\n${summary}`
  }
  const rows = bucketRanges(entries).map((range) => [
    range.space,
    printable(range.buckets),
    String(range.count),
    range.owner,
    String(range.epoch),
    describeState(range.state)
  ])
  return `${table([SPACE, { title: 'BUCKETS' }, { title: 'COUNT', align: 'right' }, OWNER, EPOCH, STATE], rows, paint)}\n${summary}`
}

export function describeState(state: BucketState): string {
  switch (state.kind) {
    case 'owned':
      return 'owned'
    case 'moving':
      return `moving ${state.from} → ${state.to} (${printable(state.shift)})`
    case 'frozen':
      return `frozen: ${printable(state.reason)}`
  }
}

const SPACE = { title: 'SPACE' } as const
const OWNER = { title: 'OWNER' } as const
const EPOCH = { title: 'EPOCH', align: 'right' } as const
const STATE = { title: 'STATE' } as const

function continues(before: LedgerEntry, entry: LedgerEntry): boolean {
  if (before.space !== entry.space || before.owner !== entry.owner || before.epoch !== entry.epoch) return false
  if (JSON.stringify(before.state) !== JSON.stringify(entry.state)) return false
  const previous = numberOf(before.bucket)
  const number = numberOf(entry.bucket)
  // A filtered list has holes: 3 and 5 are no range when 4 belongs to somebody else.
  return previous === undefined ? number === undefined : number === previous + 1
}

function nameRange(group: readonly LedgerEntry[]): string {
  const first = group[0]?.bucket ?? ''
  const last = group.at(-1)?.bucket ?? ''
  if (numberOf(first) === undefined) return group.map(({ bucket }) => bucket).join(', ')
  return first === last ? first : `${first}-${last}`
}

function pick({ space, owner, epoch, state }: LedgerEntry): Omit<BucketRange, 'buckets' | 'count'> {
  return { space, owner, epoch, state }
}

function numberOf(bucket: string): number | undefined {
  return /^\d+$/.test(bucket) ? Number(bucket) : undefined
}

import { type FieldChange, isEmptyDiff, type LedgerChange, type SectionDiff, type TopologyDiff } from './diff.ts'
import type { BucketState } from './ledger.ts'

/** Longer values are cut: the structured diff has them whole. */
const VALUE_CHARS_MAX = 100

/** One line per change: `+` added, `-` removed, `~` changed. */
export function formatDiff(diff: TopologyDiff): string {
  if (isEmptyDiff(diff)) return 'no change'
  return [
    ...section('cell', diff.cells),
    ...diff.center.map((field) => `~ center ${formatField(field)}`),
    ...section('space', diff.spaces),
    ...section('pin', diff.pins),
    ...section('route', diff.routes),
    ...(diff.routesReordered ? ['~ routes are in another order (the first match wins)'] : []),
    ...section('data', diff.data),
    ...ledgerLines(diff.ledger)
  ].join('\n')
}

function section(kind: string, { added, removed, changed }: SectionDiff): readonly string[] {
  return [
    ...added.map((name) => `+ ${kind} ${name}`),
    ...removed.map((name) => `- ${kind} ${name}`),
    ...changed.flatMap(({ name, fields }) => fields.map((field) => `~ ${kind} ${name} ${formatField(field)}`))
  ]
}

function formatField({ path, before, after }: FieldChange): string {
  return `${path === '' ? '' : `${path}: `}${formatValue(before)} -> ${formatValue(after)}`
}

function formatValue(value: unknown): string {
  const text = value === undefined ? '(none)' : typeof value === 'string' ? value : JSON.stringify(value)
  return text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX)}…`
}

/** Neighbours with the same change share a line, because a wave moves many at once. */
function ledgerLines(changes: readonly LedgerChange[]): readonly string[] {
  const lines: { readonly space: string; readonly text: string; readonly buckets: string[] }[] = []
  for (const { space, bucket, before, after } of changes) {
    const text = `${formatSide(before)} -> ${formatSide(after)}`
    const last = lines.at(-1)
    if (last !== undefined && last.space === space && last.text === text) last.buckets.push(bucket)
    else lines.push({ space, text, buckets: [bucket] })
  }
  return lines.map(({ space, text, buckets }) => `~ ledger ${space} ${formatBuckets(buckets)}: ${text}`)
}

function formatBuckets(buckets: readonly string[]): string {
  const [first] = buckets
  const last = buckets.at(-1)
  return buckets.length === 1 ? `bucket ${first}` : `${buckets.length} buckets (${first} to ${last})`
}

function formatSide(side: LedgerChange['before']): string {
  return side === undefined ? '(none)' : `${side.owner} epoch ${side.epoch}${formatState(side.state)}`
}

export function formatState(state: BucketState): string {
  if (state.kind === 'moving') return `, moving ${state.from} to ${state.to} by ${state.shift}`
  return state.kind === 'frozen' ? `, frozen: ${state.reason}` : ''
}

/** Reads a stream as a reader has to, and holds it against what a stream promises. */
import {
  type Change,
  changesOf,
  comparePositions,
  decodeRecord,
  type Envelope,
  type FragmentView,
  formatPosition,
  formatUnitPosition,
  joinFragments,
  type Position,
  positionIncludes,
  type RowChangeView,
  readChange
} from '@cellway/change'
import type { Log } from '@cellway/log'

export interface SeenTransaction {
  readonly gtid: string
  readonly changes: readonly Change[]
  readonly marks: { readonly fence: boolean; readonly barrier: boolean }
}

export interface SeenStream {
  readonly transactions: readonly SeenTransaction[]
  readonly position: string
  /** Split transactions that were begun and not ended. */
  readonly abandoned: number
  readonly repeats: number
  readonly records: number
  readonly envelopes: readonly Envelope[]
}

/** @throws when a record does not follow the one before it, or a transaction is there twice */
export async function readStream(log: Log, stream: string, { keepChanges = true } = {}): Promise<SeenStream> {
  const { first, next, logId } = await log.bounds(stream)
  const seen = { transactions: [] as SeenTransaction[], abandoned: 0, repeats: 0, records: 0, envelopes: [] as Envelope[] }
  let position: Position | undefined
  let open: { gtid: string; changes: Change[]; fragments: FragmentView[]; index: number } | undefined
  if (next === first) return { ...seen, position: '' }
  for await (const batch of log.read(stream, { logId, sequence: first }, { maxBytes: 4_000_000, signal: AbortSignal.timeout(60_000) })) {
    for (const { payload } of batch.records) {
      const record = decodeRecord(payload)
      if (record.kind !== 'transactions') throw new Error('not a record of transactions')
      const { envelope } = record
      seen.records += 1
      seen.envelopes.push(envelope)
      checkOrder(seen.envelopes.at(-2), envelope)
      position ??= envelope.from
      const marks = { fence: envelope.hasFence, barrier: envelope.hasBarrier }
      if (!envelope.firstPart || !envelope.lastPart) {
        const [part] = record.transactions()
        if (part === undefined) throw new Error('a part without a transaction')
        const gtid = formatUnitPosition(part.id)
        if (envelope.partIndex === 0) {
          if (open !== undefined) seen.abandoned += 1
          open = positionIncludes(position, part.id) ? undefined : { gtid, changes: [], fragments: [], index: -1 }
        }
        if (open === undefined || open.gtid !== gtid || envelope.partIndex <= open.index) {
          seen.repeats += 1
          continue
        }
        if (envelope.partIndex !== open.index + 1) throw new Error(`part ${envelope.partIndex} of ${gtid} behind ${open.index}`)
        open.index = envelope.partIndex
        if (keepChanges) takeChanges(changesOf(part), open)
        if (!envelope.lastPart) continue
        seen.transactions.push({ gtid, changes: open.changes, marks })
        open = undefined
      } else {
        if (open !== undefined) seen.abandoned += 1
        open = undefined
        for (const transaction of record.transactions()) {
          if (positionIncludes(position, transaction.id)) {
            seen.repeats += 1
            continue
          }
          const into = { changes: [] as Change[], fragments: [] as FragmentView[] }
          if (keepChanges) takeChanges(changesOf(transaction), into)
          seen.transactions.push({ gtid: formatUnitPosition(transaction.id), changes: into.changes, marks })
        }
      }
      const order = comparePositions(envelope.from, position)
      if (order === 'after' || order === 'concurrent')
        throw new Error(`a gap: at ${formatPosition(position)}, the record begins at ${formatPosition(envelope.from)}`)
      if (comparePositions(envelope.to, position) === 'after') position = envelope.to
    }
    if (batch.next.sequence >= next) break
  }
  const gtids = seen.transactions.map(({ gtid }) => gtid)
  const twice = gtids.find((gtid, at) => gtids.indexOf(gtid) !== at)
  if (gtids.length < 20_000 && twice !== undefined) throw new Error(`${twice} is there twice`)
  return { ...seen, position: position === undefined ? '' : formatPosition(position) }
}

/** Within an epoch numbers are consecutive, but for repeats. */
function checkOrder(before: Envelope | undefined, { streamEpoch, producerSequence }: Envelope): void {
  if (before === undefined) return
  if (streamEpoch < before.streamEpoch) throw new Error(`epoch ${streamEpoch} behind ${before.streamEpoch}`)
  if (streamEpoch === before.streamEpoch && producerSequence > before.producerSequence + 1) {
    throw new Error(`record ${producerSequence} behind ${before.producerSequence}: one is missing`)
  }
}

function takeChanges(
  changes: Iterable<ReturnType<typeof joinFragments> | FragmentView | Change | RowChangeView>,
  into: { changes: Change[]; fragments: FragmentView[] }
): void {
  for (const change of changes as Iterable<Parameters<typeof readChange>[0]>) {
    if (change.kind !== 'fragment') into.changes.push(readChange(change))
    else {
      into.fragments.push(change)
      if (change.last) into.changes.push(readChange(joinFragments(into.fragments.splice(0))))
    }
  }
}

/** `insert t 1`: the kind, the table and the first column of each change of the user's tables. */
export function summary({ transactions }: SeenStream): string[][] {
  return transactions.map(({ changes }) =>
    changes.map((change) => {
      if (change.kind === 'schema') return `schema ${change.statement.slice(0, 40)}`
      const row = change.kind === 'delete' ? change.before : change.after
      return `${change.kind} ${change.table.name} ${String(row[0])}`
    })
  )
}

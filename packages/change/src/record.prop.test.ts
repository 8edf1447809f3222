import { crc32 } from 'node:zlib'
import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import type { Test } from 'tap'
import t from 'tap'
import type { CellValue, Change, Codec, Row, Transaction } from './model.ts'
import type { BuiltRecord } from './packer.ts'
import type { Position, TransactionId } from './position.ts'
import { advancePosition, comparePositions, parsePosition } from './position.ts'
import { decodeRecord } from './record.ts'
import { cellValue, transactions } from './testing.ts'
import type { FragmentView } from './transaction.ts'
import { changesOf, createTransactionPacker, joinFragments, readChange } from './transaction.ts'

async function holds(t: Test, property: fc.IAsyncProperty<unknown> | fc.IProperty<unknown>, numRuns: number): Promise<void> {
  const result = await fc.check(property, { numRuns, interruptAfterTimeLimit: 5000, markInterruptAsFailure: false })
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? `seed ${result.seed}, ${result.numRuns} runs`)
  t.ok(result.numRuns >= 5, `${result.numRuns} runs`)
}

const kinds = ['mariadb', 'mysql'] as const
const codecs: readonly Codec[] = ['none', 'zstd']

interface PackOptions {
  readonly kind: 'mariadb' | 'mysql'
  readonly codec: Codec
  readonly bytesTarget: number
  readonly partBytes: number
}

function pack(all: readonly Transaction[], { kind, codec, bytesTarget, partBytes }: PackOptions): { records: BuiltRecord[]; to: Position } {
  let to = parsePosition(kind, '')
  const origin = { cell: 'beijing', store: 'main', kind }
  const packer = createTransactionPacker({ origin, streamEpoch: 3, producerSequence: 7, from: to, codec, bytesTarget, partBytes })
  for (const { changes, ...head } of all) {
    packer.begin(head)
    for (const change of changes) packer.add(change)
    to = advancePosition(to, head.id)
    packer.end(to)
  }
  packer.flush()
  return { records: packer.take(), to }
}

/** As a reader does it: parts of one transaction belong together, fragments make a row. */
function unpack(records: readonly BuiltRecord[]): Transaction[] {
  const found: Transaction[] = []
  let open: { head: Omit<Transaction, 'changes'>; changes: Change[] } | undefined
  let fragments: FragmentView[] = []
  for (const { bytes } of records) {
    const record = decodeRecord(bytes)
    if (record.kind !== 'transactions') throw new Error('not transactions')
    if (record.envelope.firstPart === (open !== undefined)) throw new Error('parts out of order')
    for (const view of record.transactions()) {
      const { id, commitTimeUs, originServerId } = view
      open ??= { head: { id, commitTimeUs, originServerId }, changes: [] }
      for (const change of changesOf(view)) {
        if (change.kind === 'fragment') fragments.push(change)
        else open.changes.push(readChange(change))
        if (change.kind !== 'fragment' || !change.last) continue
        open.changes.push(readChange(joinFragments(fragments)))
        fragments = []
      }
      if (!record.envelope.lastPart) break
      found.push({ ...open.head, changes: open.changes })
      open = undefined
    }
  }
  if (open !== undefined || fragments.length > 0) throw new Error('a transaction without end')
  return found
}

function sameRow(left: Row | undefined, right: Row | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return left.length === right.length && left.every((value, at) => sameValue(value, right[at]))
}

/** Own comparison, not the codec's: kinds, -0 and bytes count. */
function sameValue(left: CellValue, right: CellValue): boolean {
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.from(left).equals(right)
  return Object.is(left, right)
}

function sameChange(left: Change, right: Change | undefined): boolean {
  if (left.kind !== right?.kind) return false
  if (left.kind === 'schema') return right.kind === 'schema' && left.schema === right.schema && left.statement === right.statement
  if (right.kind === 'schema' || JSON.stringify(left.table) !== JSON.stringify(right.table)) return false
  const image = (change: typeof left, name: 'before' | 'after'): Row | undefined =>
    (name in change ? change[name as keyof typeof change] : undefined) as Row | undefined
  return sameRow(image(left, 'before'), image(right, 'before')) && sameRow(image(left, 'after'), image(right, 'after'))
}

function sameTransactions(left: readonly Transaction[], right: readonly Transaction[]): boolean {
  const idOf = (id: TransactionId): string => Object.values(id).join('/')
  return (
    left.length === right.length &&
    left.every((one, at) => {
      const other = right[at]
      return (
        other !== undefined &&
        idOf(one.id) === idOf(other.id) &&
        one.commitTimeUs === other.commitTimeUs &&
        one.originServerId === other.originServerId &&
        one.changes.length === other.changes.length &&
        one.changes.every((change, index) => sameChange(change, other.changes[index]))
      )
    })
  )
}

/** Rising numbers, as a real stream has them: a step back is refused by the packer. */
function inOrder(all: readonly Transaction[]): Transaction[] {
  return all.map((one, at) => ({
    ...one,
    id: one.id.kind === 'mariadb-gtid' ? { ...one.id, domain: 0, sequence: BigInt(at + 1) } : one.id
  }))
}

t.test('what is packed comes out as it went in, whole, split or in fragments', async (t) => {
  for (const kind of kinds) {
    const property = fc.property(
      transactions(`${kind}-gtid`),
      fc.constantFrom(...codecs),
      fc.constantFrom(1, 200, 100_000),
      fc.constantFrom(40, 300, 1_000_000),
      (drawn, codec, bytesTarget, partBytes) => {
        const all = inOrder(drawn)
        const { records, to } = pack(all, { kind, codec, bytesTarget, partBytes })
        const envelopes = records.map(({ bytes }) => decodeRecord(bytes).envelope)
        const chained = envelopes.every(({ from, producerSequence }, at) => {
          const before = at === 0 ? parsePosition(kind, '') : envelopes[at - 1]?.to
          return before !== undefined && comparePositions(before, from) === 'equal' && producerSequence === 7 + at
        })
        const last = envelopes.at(-1)
        return chained && last !== undefined && comparePositions(last.to, to) === 'equal' && sameTransactions(unpack(records), all)
      }
    )
    await holds(t, property, 300)
  }
})

t.test('every byte that flips is noticed, every cut too', async (t) => {
  const property = fc.property(transactions('mariadb-gtid'), fc.constantFrom(...codecs), fc.integer({ min: 1, max: 255 }), (drawn, codec, flip) => {
    const { records } = pack(inOrder(drawn), { kind: 'mariadb', codec, bytesTarget: 100_000, partBytes: 1_000_000 })
    for (const { bytes } of records) {
      for (let at = 0; at < bytes.length; at += 1) {
        const damaged = Buffer.from(bytes)
        damaged[at] = (damaged[at] ?? 0) ^ flip
        if (codeOf(damaged) === undefined) throw new Error(`byte ${at} of ${bytes.length}`)
        if (codeOf(bytes.subarray(0, at)) === undefined) throw new Error(`cut at ${at} of ${bytes.length}`)
      }
    }
  })
  await holds(t, property, 60)
})

t.test('random bytes behind a right checksum give typed errors, and no more values than bytes', async (t) => {
  const property = fc.property(
    transactions('mysql-gtid'),
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }),
    (all, edits) => {
      const { records } = pack(all, { kind: 'mysql', codec: 'none', bytesTarget: 100_000, partBytes: 1_000_000 })
      for (const { bytes } of records) {
        const forged = Buffer.from(bytes)
        for (const [place, value] of edits) forged[12 + (place % (forged.length - 12))] = value
        sign(forged)
        readAll(forged)
      }
    }
  )
  await holds(t, property, 400)
})

t.test('a value alone', async (t) => {
  const table = { schema: 's', name: 't', columns: [{ name: 'a', type: 'blob', characterSet: '' }], keyColumns: [] }
  const property = fc.property(cellValue, cellValue, (before, after) => {
    const head = { id: { kind: 'mariadb-gtid', domain: 0, server: 1, sequence: 1n }, commitTimeUs: 0, originServerId: 1 } as const
    const all: Transaction[] = [{ ...head, changes: [{ kind: 'update', table, before: [before], after: [after] }] }]
    const { records } = pack(all, { kind: 'mariadb', codec: 'none', bytesTarget: 1, partBytes: 1_000_000 })
    return sameTransactions(unpack(records), all)
  })
  await holds(t, property, 3000)
})

/** `undefined` when every value could be read. What is not one of our errors goes up. */
function codeOf(bytes: Buffer): string | undefined {
  try {
    const record = decodeRecord(bytes)
    if (record.kind === 'transactions') {
      for (const view of record.transactions()) for (const change of changesOf(view)) change.kind === 'fragment' || readChange(change)
    }
    return undefined
  } catch (cause) {
    if (!isCellwayError(cause) || !cause.code.startsWith('CHANGE_')) throw cause
    return cause.code
  }
}

function readAll(bytes: Buffer): void {
  codeOf(bytes)
}

function sign(record: Buffer): void {
  // Written here a second time, so that the test does not trust the code under test.
  record.writeUInt32LE(crc32(record.subarray(12), crc32(record.subarray(0, 8))), 8)
}

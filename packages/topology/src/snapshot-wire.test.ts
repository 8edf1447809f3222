import fc from 'fast-check'
import t from 'tap'
import { exampleTopology, snapshotOf } from '../fixtures/example.ts'
import { initialLedger } from './assign.ts'
import type { CellId, Epoch } from './ids.ts'
import type { BucketState, LedgerEntry } from './ledger.ts'
import { buildSnapshot, decodeSnapshot, encodeSnapshot } from './snapshot-wire.ts'

const topology = exampleTopology()
const CELLS = Object.keys(topology.cells) as CellId[]

t.test('any ledger comes back as it was', async () => {
  const side = fc.record({ owner: fc.nat(3), epoch: fc.integer({ min: 1, max: 3 }), state: fc.nat(5), run: fc.integer({ min: 1, max: 300 }) })
  fc.assert(
    fc.property(fc.array(side, { minLength: 1, maxLength: 30 }), (sides) => {
      const runs = sides.flatMap(({ run, ...rest }) => new Array(run).fill(rest) as (typeof rest)[])
      const change = (entry: LedgerEntry, index: number): LedgerEntry => {
        const given = runs[index % runs.length]
        const owner = CELLS[given?.owner ?? 0] as CellId
        const states: readonly BucketState[] = [
          { kind: 'moving', from: owner, to: CELLS[0] as CellId, shift: 's1' },
          { kind: 'frozen', reason: 'drill "1"' }
        ]
        return { ...entry, owner, epoch: (given?.epoch ?? 1) as Epoch, state: states[given?.state ?? 9] ?? { kind: 'owned' } }
      }
      const snapshot = buildSnapshot({ version: 5, topology, ledger: initialLedger(topology).map(change) })
      const back = decodeSnapshot(encodeSnapshot(snapshot))
      return JSON.stringify(back) === JSON.stringify(snapshot)
    }),
    { numRuns: 100 }
  )
})

t.test('the wire form is small, and equal content has equal checksums', async (t) => {
  const snapshot = snapshotOf(topology)
  t.ok(encodeSnapshot(snapshot).length < 10_000)
  t.equal(buildSnapshot({ version: 1, topology, ledger: initialLedger(topology).toReversed() }).checksum, snapshot.checksum)
  t.not(buildSnapshot({ version: 2, topology, ledger: snapshot.ledger }).checksum, snapshot.checksum)
})

t.test('damage is seen', async (t) => {
  const text = encodeSnapshot(snapshotOf(topology))
  const damaged: Readonly<Record<string, string>> = {
    empty: '',
    'not JSON': text.slice(0, -1),
    null: 'null',
    'another document': '{"hello":1}',
    'another version': text.replace('"version":1', '"version":2'),
    'another owner': text.replace('[512,"beijing",1]', '[512,"shanghai",1]'),
    'another epoch': text.replace('[512,"beijing",1]', '[512,"beijing",2]'),
    'another address': text.replace('10.0.1.1', '10.0.1.9'),
    'no checksum': text.replace(/"checksum":"[0-9a-f]{64}",/, ''),
    'another format': text.replace('"formatVersion":1', '"formatVersion":2'),
    'a negative run': text.replace('[512,"beijing",1]', '[-512,"beijing",1]'),
    'a field more': text.replace('"formatVersion":1', '"formatVersion":1,"extra":1')
  }
  for (const [name, wrong] of Object.entries(damaged)) {
    t.not(wrong, text, name)
    t.throws(() => decodeSnapshot(wrong), { code: 'TOPO_SNAPSHOT_CORRUPT' }, name)
  }
})

t.test('a ledger that does not fit is refused when it is built', async (t) => {
  const ledger = initialLedger(topology)
  const [first] = ledger
  const build =
    (rows: readonly LedgerEntry[], version = 1) =>
    () =>
      buildSnapshot({ version, topology, ledger: rows })
  if (first === undefined) throw new Error('the example has a ledger')
  t.throws(build(ledger.slice(1)), { code: 'TOPO_INVALID' }, 'a bucket is missing')
  t.throws(build([...ledger, first]), { code: 'TOPO_INVALID' }, 'a bucket is there twice')
  t.throws(build([...ledger, { ...first, bucket: '9999' as LedgerEntry['bucket'] }]), { code: 'TOPO_INVALID' }, 'an unknown bucket')
  t.throws(build([{ ...first, owner: 'nowhere' as CellId }, ...ledger.slice(1)]), { code: 'TOPO_INVALID' }, 'an unknown owner')
  t.throws(build([{ ...first, epoch: 0 as Epoch }, ...ledger.slice(1)]), { code: 'TOPO_INVALID' }, 'no epoch')
  const moving: BucketState = { kind: 'moving', from: 'shanghai' as CellId, to: 'beijing' as CellId, shift: 's1' }
  t.throws(build([{ ...first, state: moving }, ...ledger.slice(1)]), { code: 'TOPO_INVALID' }, 'it moves away from a cell that is not its owner')
  t.throws(build(ledger, 0), { code: 'TOPO_INVALID' }, 'version 0')
})

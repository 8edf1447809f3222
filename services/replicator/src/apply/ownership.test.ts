import type { Row, TableIdentity, TransactionId } from '@cellway/change'
import type { LedgerEntry } from '@cellway/topology'
import { buildSnapshot, compileSnapshot, initialLedger, parseTopology } from '@cellway/topology'
import t from 'tap'
import { AppliedPositions } from './applied-positions.ts'
import { Ownership } from './ownership.ts'

const CELLS = ['a', 'b', 'c'].map((name) => `  ${name}: {region: r, gateway: "http://10.0.0.1:7100", apps: {default: ["http://10.0.0.2:8080"]}}`)
const parsed = parseTopology(`apiVersion: cellway/v1
cells:
${CELLS.join('\n')}
center: {host: a, log: embedded}
spaces:
  areas: {kind: list, values: [xa, xb], assign: {xa: a, xb: b}, fold: lower}
  users: {kind: hash, buckets: 16}
  global: {kind: single, primary: c}
routes:
  - {match: {path: /**}, space: global}
data:
  mysql:
    - {table: s.areas, space: areas, column: area}
    - {table: s.users, space: users, column: user_id}
    - {table: s.global, space: global}
`)
if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
const topology = parsed.value

const table = (name: string, ...columns: string[]): TableIdentity => ({
  schema: 's',
  name,
  columns: columns.map((column) => ({ name: column, type: 'varchar(20)', characterSet: 'utf8mb4' })),
  keyColumns: [0]
})
const [areas, users, global, unknown] = [table('areas', 'id', 'area'), table('users', 'user_id'), table('global', 'id'), table('unknown', 'id')]
const id = (sequence: bigint): TransactionId => ({ kind: 'mariadb-gtid', domain: 0, server: 1, sequence })
const text = (value: string) => Buffer.from(value)

function ownershipOf(originCell: string, change: (entry: LedgerEntry) => LedgerEntry = (entry) => entry) {
  const snapshot = compileSnapshot(buildSnapshot({ version: 1, topology, ledger: initialLedger(topology).map(change) }))
  const positions = new AppliedPositions()
  return { positions, snapshot, ownership: new Ownership({ selfCell: 'c', originCell, snapshot, positions }) }
}

t.test('a row belongs to the owner of its bucket', (t) => {
  const { ownership } = ownershipOf('a')
  const rows: readonly (readonly [TableIdentity, Row, boolean, string])[] = [
    [areas, [1, text('xa')], true, 'of the origin'],
    [areas, [1, text('XA')], true, 'folded as everywhere'],
    [areas, [1, text('xb')], false, 'of another cell'],
    [areas, [1, null], true, 'nobody owns it: the cell with the lowest number decides'],
    [areas, [1, text('nowhere')], true, 'a value that the space does not know'],
    [global, [1], false, 'a single space of another cell'],
    [unknown, [1], true, 'a table that the topology does not declare']
  ]
  for (const [of, row, want, name] of rows) {
    t.equal(ownership.isOrigins(of, row), want, name)
    t.equal(ownership.isOrigins(of, row), want, `${name}, again`)
  }
  t.equal(ownershipOf('b').ownership.isOrigins(areas, [1, null]), false, 'what nobody owns is not the second cell’s')
  t.end()
})

t.test('numbers and texts find the same bucket', (t) => {
  const { ownership } = ownershipOf('a')
  for (const key of ['7', '1234567890123']) {
    const found = [text(key), Number(key), BigInt(key)].map((value) => ownership.bucketOf(users, [value])?.bucket)
    t.equal(new Set(found).size, 1, `${key} is in ${found[0]}`)
    t.not(found[0], undefined)
  }
  t.end()
})

t.test('a bucket in flight: the former owner is in time up to what the new one waited for, and late behind it', (t) => {
  const moved = (entry: LedgerEntry): LedgerEntry =>
    entry.bucket === 'xa' ? { ...entry, owner: 'b' as LedgerEntry['owner'], epoch: 7 as LedgerEntry['epoch'] } : entry
  const { ownership, positions, snapshot } = ownershipOf('a', moved)
  const row: Row = [1, text('xa')]
  t.equal(ownership.isOrigins(areas, row), false, 'it has to be looked at')
  t.equal(ownership.facts(areas, [row], id(3n)).originOwned, 'yes', 'it moved, and nobody said yet up to where')
  positions.noteOpening({ space: 'areas', bucket: 'xa', epoch: 7, owner: 'b', requires: { a: '0-1-5' } })
  ownership.adopt(snapshot)
  t.equal(ownership.facts(areas, [row], id(5n)).originOwned, 'yes')
  t.equal(ownership.facts(areas, [row], id(6n)).originOwned, 'late')
  t.equal(ownership.facts(areas, [[1, text('xb')]], id(5n)).originOwned, 'no', 'a bucket that never was its own')
  t.end()
})

t.test('the opening comes before the snapshot: the new owner is believed, the old one is late', (t) => {
  const opening = { space: 'areas', bucket: 'xa', epoch: 7, owner: 'b', requires: { a: '0-1-5' } }
  const { ownership, positions, snapshot } = ownershipOf('b')
  positions.noteOpening(opening)
  ownership.adopt(snapshot)
  t.equal(ownership.facts(areas, [[1, text('xa')]], id(1n)).originOwned, 'yes')
  const old = ownershipOf('a')
  t.equal(old.ownership.isOrigins(areas, [1, text('xa')]), true)
  old.positions.noteOpening(opening)
  old.ownership.adopt(old.snapshot)
  t.equal(old.ownership.isOrigins(areas, [1, text('xa')]), false, 'what was known of the key is looked at again')
  t.equal(old.ownership.facts(areas, [[1, text('xa')]], id(9n)).originOwned, 'late')
  t.end()
})

t.test('what the origin itself says of owners counts from there on', (t) => {
  const moved = (entry: LedgerEntry): LedgerEntry =>
    entry.bucket === 'xa' ? { ...entry, owner: 'c' as LedgerEntry['owner'], epoch: 9 as LedgerEntry['epoch'] } : entry
  const { ownership } = ownershipOf('a', moved)
  const row: Row = [1, text('xa')]
  ownership.learn([], [{ space: 'areas', bucket: 'xa', epoch: 8, owner: 'b' }])
  t.equal(ownership.facts(areas, [row], id(1n)).originOwned, 'no', 'it knew that it was not the owner')
  ownership.learn([], [{ space: 'areas', bucket: 'xa', epoch: 8, owner: 'a' }])
  t.equal(ownership.facts(areas, [row], id(1n)).originOwned, 'yes')
  t.end()
})

import type { Row, TableIdentity } from '@cellway/change'
import t from 'tap'
import { arbiterOf } from './arbiter.ts'
import { decideClash } from './clash.ts'
import type { Decision, Facts } from './decide.ts'
import { decide } from './decide.ts'
import type { RowMeeting } from './detect.ts'
import { detect } from './detect.ts'
import type { Policy } from './policy.ts'
import { checkPolicy, policyOf } from './policy.ts'

const TABLE: TableIdentity = {
  schema: 'shop',
  name: 'item',
  columns: [
    { name: 'id', type: 'int', characterSet: '' },
    { name: 'stock', type: 'tinyint unsigned', characterSet: '' },
    { name: 'price', type: 'decimal(6,2)', characterSet: '' },
    { name: 'version', type: 'bigint', characterSet: '' }
  ],
  keyColumns: [0]
}
const CELLS = [
  { cell: 'a', number: 0, priority: 9 },
  { cell: 'b', number: 1 },
  { cell: 'c', number: 2, priority: 1 }
]
const equal = (left: Row, right: Row): boolean => left.every((value, at) => value === undefined || right[at] === undefined || value === right[at])
const OLD: Row = [1, 10, '1.00', 1n]
const NEW: Row = [1, 12, '1.00', 2n]
const OTHER: Row = [1, 15, '1.50', 3n]

t.test('what a change meets', async (t) => {
  const rows: readonly [RowMeeting, string][] = [
    [{ kind: 'insert', before: undefined, after: NEW, current: undefined }, 'clean'],
    [{ kind: 'insert', before: undefined, after: NEW, current: NEW }, 'same-result'],
    [{ kind: 'insert', before: undefined, after: NEW, current: OTHER }, 'insert_insert'],
    [{ kind: 'update', before: OLD, after: NEW, current: OLD }, 'clean'],
    [{ kind: 'update', before: [1, 10, undefined, undefined], after: NEW, current: OLD }, 'clean'],
    [{ kind: 'update', before: OLD, after: NEW, current: NEW }, 'same-result'],
    [{ kind: 'update', before: OLD, after: NEW, current: OTHER }, 'update_update'],
    [{ kind: 'update', before: OLD, after: NEW, current: undefined }, 'update_delete'],
    [{ kind: 'delete', before: OLD, after: undefined, current: OLD }, 'clean'],
    [{ kind: 'delete', before: OLD, after: undefined, current: OTHER }, 'delete_update'],
    [{ kind: 'delete', before: OLD, after: undefined, current: undefined }, 'delete_delete']
  ]
  for (const [meeting, want] of rows) t.equal(detect(meeting, equal), want, `${meeting.kind} ${want}`)
})

function decided(meeting: RowMeeting, policy: Policy, facts: Partial<Facts>, repair = false): Decision {
  const whole: Facts = { selfCell: 'a', originCell: 'b', owners: ['a'], originOwned: 'no', cells: CELLS, ...facts }
  const isSame = (_column: number, left: Row[number], right: Row[number]): boolean => left === right
  return decide({ ...meeting, policy, detected: detect(meeting, equal), table: TABLE, facts: whole, repair, isSame })
}

const update = (current: Row | undefined): RowMeeting => ({ kind: 'update', before: OLD, after: NEW, current })

t.test('the arbiter decides by the policy, and owes the answer', async (t) => {
  const write = (row: Row) => ({ action: 'write', row })
  const rows: readonly [string, RowMeeting, Policy, object][] = [
    ['owner-wins, clean', update(OLD), { policy: 'owner-wins' }, { action: 'keep' }],
    ['owner-wins', update(OTHER), { policy: 'owner-wins' }, { action: 'keep' }],
    ['latest-wins, older', update(OTHER), { policy: 'latest-wins', column: 'version' }, { action: 'keep' }],
    ['latest-wins, newer', update([1, 15, '1.50', 1n]), { policy: 'latest-wins', column: 'version' }, { action: 'apply' }],
    ['latest-wins, gone', update(undefined), { policy: 'latest-wins', column: 'version' }, { action: 'apply' }],
    [
      'latest-wins, older delete',
      { kind: 'delete', before: OLD, after: undefined, current: OTHER },
      { policy: 'latest-wins', column: 'version' },
      { action: 'keep' }
    ],
    [
      'latest-wins, newer delete',
      { kind: 'delete', before: [1, 1, '1.00', 9n], after: undefined, current: OTHER },
      { policy: 'latest-wins', column: 'version' },
      { action: 'apply' }
    ],
    ['cell-priority, clean', update(OLD), { policy: 'cell-priority' }, { action: 'apply' }],
    ['cell-priority', update(OTHER), { policy: 'cell-priority' }, { action: 'apply' }],
    ['merge-columns', update([1, 10, '9.00', 1n]), { policy: 'merge-columns' }, write([1, 12, '9.00', 2n])],
    ['merge-columns, overlap', update([1, 11, '9.00', 1n]), { policy: 'merge-columns' }, write([1, 11, '9.00', 2n])],
    ['merge-columns, insert', { kind: 'insert', before: undefined, after: NEW, current: OTHER }, { policy: 'merge-columns' }, { action: 'keep' }],
    ['delta', update([1, 11, '1.00', 1n]), { policy: 'delta', columns: ['stock'] }, write([1, 13, '1.00', 2n])],
    ['delta, the same addition twice', update(NEW), { policy: 'delta', columns: ['stock'] }, write([1, 14, '1.00', 2n])],
    ['delta, too much for the column', update([1, 254, '1.00', 2n]), { policy: 'delta', columns: ['stock'] }, { action: 'keep' }],
    ['delta, gone', update(undefined), { policy: 'delta', columns: ['stock'] }, { action: 'keep' }],
    [
      'delta, decimal',
      { kind: 'update', before: OLD, after: [1, 10, '1.25', 1n], current: [1, 10, '-0.20', 1n] },
      { policy: 'delta', columns: ['price'] },
      write([1, 10, '0.05', 1n])
    ],
    [
      'delta, NULL',
      { kind: 'update', before: [1, null, '1.00', 1n], after: [1, 3, '1.00', 1n], current: [1, 4, '1.00', 1n] },
      { policy: 'delta', columns: ['stock'] },
      write([1, 7, '1.00', 1n])
    ],
    ['keep-local', update(OTHER), { policy: 'keep-local' }, { action: 'keep' }],
    ['apply-remote', update(OTHER), { policy: 'apply-remote' }, { action: 'apply' }]
  ]
  for (const [name, meeting, policy, want] of rows) {
    const found = decided(meeting, policy, {})
    t.match(found, { ...want, class: 'foreign_owner', reemit: true }, name)
  }
  t.match(decided(update(OTHER), { policy: 'park' }, {}), { action: 'park', class: 'foreign_owner', reemit: false })
  t.same(decided(update(NEW), { policy: 'owner-wins' }, {}), { action: 'keep', class: undefined, reemit: false }, 'the same result needs no answer')
})

t.test('all others follow the owner, and keep out what comes from anybody else', async (t) => {
  const follower = { selfCell: 'b', originCell: 'a', originOwned: 'yes' } as const
  t.same(decided(update(OLD), { policy: 'park' }, follower), { action: 'apply', class: undefined, reemit: false })
  for (const policy of ['owner-wins', 'keep-local', 'park'] as const) {
    t.same(decided(update(OTHER), { policy }, follower), { action: 'apply', class: 'update_update', reemit: false }, policy)
  }
  t.same(decided(update(undefined), { policy: 'owner-wins' }, follower), { action: 'apply', class: 'update_delete', reemit: false })
  t.same(
    decided(update(OTHER), { policy: 'keep-local' }, follower, true),
    { action: 'apply', class: undefined, reemit: false },
    'a repair of the owner'
  )
  const third = { selfCell: 'c', originCell: 'b', originOwned: 'no' } as const
  t.same(decided(update(OLD), { policy: 'apply-remote' }, third), { action: 'keep', class: 'foreign_owner', reemit: true })
  t.same(
    decided(update(OTHER), { policy: 'apply-remote' }, {}, true),
    { action: 'keep', class: 'foreign_owner', reemit: true },
    'a repair of who is not the arbiter'
  )
  t.same(decided(update(OLD), { policy: 'apply-remote' }, { originOwned: 'late' }), { action: 'keep', class: 'late', reemit: true })
})

t.test('nobody owns it, or several do', async (t) => {
  t.equal(arbiterOf([undefined], CELLS), 'a')
  t.equal(arbiterOf(['c', undefined, 'b'], CELLS), 'b')
  t.equal(arbiterOf(['c'], CELLS), 'c')
  const nobody = { owners: [undefined], originOwned: 'unknown' } as const
  t.match(decided(update(OLD), { policy: 'owner-wins' }, nobody), { action: 'apply', reemit: true }, 'clean: taken, and told')
  t.match(decided(update(OTHER), { policy: 'owner-wins' }, nobody), { action: 'keep', class: 'update_update', reemit: true })
  t.match(
    decided(update(OTHER), { policy: 'owner-wins' }, { ...nobody, selfCell: 'b', originCell: 'a' }),
    { action: 'apply' },
    'the lowest number is followed'
  )
  t.same(decided(update(OLD), { policy: 'owner-wins' }, { ...nobody, selfCell: 'c' }), { action: 'keep', class: undefined, reemit: false })
  // One key, inserted in two cells that each own their own image: both see the same pair, so one of them is followed.
  const both = { owners: ['b', 'a'], originOwned: 'yes' } as const
  const insert: RowMeeting = { kind: 'insert', before: undefined, after: NEW, current: OTHER }
  t.match(decided(insert, { policy: 'owner-wins' }, { ...both, selfCell: 'a', originCell: 'b' }), { action: 'keep', reemit: true })
  t.match(decided(insert, { policy: 'owner-wins' }, { ...both, selfCell: 'b', originCell: 'a' }), { action: 'apply' })
})

t.test('another row holds the unique value', async (t) => {
  const clash = (selfCell: string, incoming: string, standing: string, repair = false) =>
    decideClash({ selfCell, cells: CELLS, incomingOwners: [incoming], standingOwners: [standing], repair })
  t.same(clash('b', 'a', 'b'), { action: 'displace', reemit: 'standing' }, 'the lower number stays: its own row gives way')
  t.same(clash('a', 'b', 'a'), { action: 'keep', request: 'incoming' })
  t.same(clash('a', 'a', 'b'), { action: 'keep', reemit: 'incoming' })
  t.same(clash('c', 'a', 'b'), { action: 'keep', request: 'incoming' }, 'two streams that cross')
  t.same(clash('c', 'a', 'b', true), { action: 'displace', request: 'standing' }, 'asked for, and still in the way: that one is stale')
})

t.test('policies of tables', async (t) => {
  const config = {
    default: { policy: 'park' },
    tables: [
      { table: 'shop.item', policy: 'keep-local' },
      { table: 'shop.*_log', policy: 'apply-remote' },
      { table: '*.count*r', policy: 'delta', columns: ['n'] }
    ]
  } as const
  const of = (schema: string, name: string) => policyOf(config, { schema, name }).policy
  t.equal(of('shop', 'item'), 'keep-local')
  t.equal(of('shop', 'item2'), 'park')
  t.equal(of('shop', 'a_log'), 'apply-remote')
  t.equal(of('shop', 'a_logs'), 'park')
  t.equal(of('x', 'counter'), 'delta')
  t.equal(of('x', 'countr'), 'delta')
  t.equal(of('x', 'cour'), 'park')
  t.equal(policyOf({}, TABLE).policy, 'owner-wins')
  t.throws(() => checkPolicy({ policy: 'latest-wins', column: 'nope' }, TABLE), { code: 'CON_POLICY_INVALID' })
  t.throws(() => checkPolicy({ policy: 'delta', columns: [] }, TABLE), { code: 'CON_POLICY_INVALID' })
  t.doesNotThrow(() => checkPolicy({ policy: 'delta', columns: ['stock'] }, TABLE))
})

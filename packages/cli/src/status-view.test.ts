import type { MemberView } from '@cellway/client'
import { type BucketState, buildSnapshot, type CellId, initialLedger, parseTopology, type Snapshot } from '@cellway/topology'
import t from 'tap'
import { renderStatus, statusLine } from './render/status.ts'
import { viewStatus } from './status-view.ts'

const NOW_MS = Date.UTC(2026, 0, 1, 12)
const TEXT = `
apiVersion: cellway/v1
cells:
  beijing: {region: cn-north, weight: 2, gateway: "http://127.0.0.1:1", apps: {default: ["http://127.0.0.1:2"]}}
  shanghai: {region: cn-east, gateway: "http://127.0.0.1:3", apps: {default: ["http://127.0.0.1:4"]}}
  xian: {region: cn-west, role: standby, gateway: "http://127.0.0.1:5", apps: {default: ["http://127.0.0.1:6"]}}
spaces:
  users: {kind: hash, buckets: 12}
  global: {kind: single, primary: beijing}
pins: {users: {vip: shanghai}}
routes:
  - {match: {path: /**}, class: local}
`

function snapshotOf({ owner, state }: { owner?: string; state?: BucketState } = {}): Snapshot {
  const checked = parseTopology(TEXT)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  const ledger = initialLedger(checked.value).map((entry, at) =>
    at === 0 ? { ...entry, ...(owner === undefined ? {} : { owner: owner as CellId }), ...(state === undefined ? {} : { state }) } : entry
  )
  return buildSnapshot({ version: 7, topology: checked.value, ledger })
}

function member(cell: string, changes: Partial<MemberView> = {}): MemberView {
  const since = new Date(NOW_MS - 60_000).toISOString()
  const known = { member: `${cell}-gw-1`, kind: 'gateway', cell, version: 7, checksum: 'c', since, lastSeen: new Date(NOW_MS).toISOString() } as const
  return { ...known, connected: true, state: 'current', ...changes }
}

const NOBODY = { replicators: [], streams: [] }
const ALL = [member('beijing'), member('shanghai'), member('xian')]

t.test('all well', async (t) => {
  const view = viewStatus({ control: 'http://c', snapshot: snapshotOf(), members: ALL, ...NOBODY, nowMs: NOW_MS })
  t.same(view.alarms, [])
  const users = view.spaces.find(({ space }) => space === 'users')
  t.match(users, { kind: 'hash', buckets: 12, pins: 1 })
  t.same(
    users?.shares.map(({ cell, buckets }) => [cell, buckets]),
    [
      ['beijing', 8],
      ['shanghai', 4],
      ['xian', 0]
    ],
    'pins are not counted as a share'
  )
  t.equal(statusLine(view), 'version 7  adopted 3/3  all well')
})

t.test('each thing that is wrong has a line and something to do', async (t) => {
  const rows: [string, { snapshot?: Snapshot; members?: readonly MemberView[] }, RegExp][] = [
    ['lagging', { members: [...ALL, member('beijing', { member: 'b2', version: 4, state: 'lagging' })] }, /b2 of beijing is 3 versions behind/],
    [
      'gone',
      { members: [...ALL, member('beijing', { member: 'b2', state: 'gone', lastSeen: new Date(NOW_MS - 90_000).toISOString() })] },
      /last seen 90 s ago/
    ],
    ['diverged', { members: [...ALL, member('beijing', { member: 'b2', state: 'diverged' })] }, /other content under version 7/],
    ['ahead', { members: [...ALL, member('beijing', { member: 'b2', state: 'ahead', version: 9 })] }, /has version 9, control only 7/],
    ['joining', { members: [...ALL, member('beijing', { member: 'b2', state: 'joining', version: null, since: null })] }, /adopted nothing yet/],
    ['no gateway', { members: [member('beijing'), member('xian')] }, /no gateway of shanghai watches control, and it owns 4 buckets/],
    ['a standby owns', { snapshot: snapshotOf({ owner: 'xian' }) }, /xian is a standby and owns 1 bucket$/],
    ['frozen', { snapshot: snapshotOf({ state: { kind: 'frozen', reason: 'x' } }) }, /1 of users frozen/],
    [
      'moving',
      { snapshot: snapshotOf({ state: { kind: 'moving', from: 'beijing' as CellId, to: 'shanghai' as CellId, shift: 's' } }) },
      /1 of users moving/
    ],
    ['unbalanced', { snapshot: snapshotOf({ owner: 'shanghai' }) }, /not spread by weight \(off by 8 points\)/]
  ]
  for (const [name, { snapshot = snapshotOf(), members = ALL }, want] of rows) {
    const { alarms } = viewStatus({ control: 'http://c', snapshot, members, ...NOBODY, nowMs: NOW_MS })
    const found = alarms.find(({ what }) => want.test(what))
    t.ok(found, `${name}: ${JSON.stringify(alarms)}`)
    t.ok(found?.todo, name)
  }
})

t.test('a member on its way is no alarm; a topology that is missing is', async (t) => {
  const fresh = member('beijing', { version: 6, state: 'lagging', since: new Date(NOW_MS - 1000).toISOString() })
  t.same(viewStatus({ control: 'c', snapshot: snapshotOf(), members: [...ALL, fresh], ...NOBODY, nowMs: NOW_MS }).alarms, [])
  t.match(viewStatus({ control: 'c', snapshot: undefined, members: [], ...NOBODY, nowMs: NOW_MS }).alarms, [
    { severity: 'problem', what: /no topology/ }
  ])
})

t.test('problems come before notices', async (t) => {
  const members = [
    ...ALL,
    member('beijing', { member: 'b2', state: 'joining', version: null, since: null }),
    member('beijing', { member: 'b3', state: 'gone' })
  ]
  const { alarms } = viewStatus({ control: 'c', snapshot: snapshotOf(), members, ...NOBODY, nowMs: NOW_MS })
  t.same(
    alarms.map(({ severity }) => severity),
    ['problem', 'notice']
  )
})

t.test('the page', async (t) => {
  const snapshot = snapshotOf()
  const page = renderStatus(viewStatus({ control: 'http://127.0.0.1:7000', snapshot, members: ALL, ...NOBODY, nowMs: NOW_MS }))
  t.equal(
    page,
    `✓ all well: 3 cells, 3 processes on the newest version

control  http://127.0.0.1:7000  version 7  ${snapshot.checksum.slice(0, 12)}

CELL      ROLE     REGION    WEIGHT  GATEWAYS
beijing   active   cn-north       2       1/1
shanghai  active   cn-east        1       1/1
xian      standby  cn-west        1       1/1

users  hash, 12 buckets, 1 pin
  beijing   ████████████████░░░░░░░░  8  66.7 %  66.7 % by weight
  shanghai  ████████░░░░░░░░░░░░░░░░  4  33.3 %  33.3 % by weight
  xian      ░░░░░░░░░░░░░░░░░░░░░░░░  0   0.0 %   0.0 % by weight

global  single  written by beijing

MEMBER         KIND     CELL      VERSION  LAG  STATE
beijing-gw-1   gateway  beijing         7    0  current  for 1 m
shanghai-gw-1  gateway  shanghai        7    0  current  for 1 m
xian-gw-1      gateway  xian            7    0  current  for 1 m`
  )
})

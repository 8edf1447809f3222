import type { ReplicatorView, StreamView } from '@cellway/client'
import t from 'tap'
import { progressText, renderConflict, renderStreams } from './render/replication.ts'
import { replicationAlarms } from './replication-view.ts'

const CELLS = ['beijing', 'shanghai']
const NOTHING = { reason: null, code: null, statement: null }

function replicator(cell: string, changes: Partial<ReplicatorView> = {}): ReplicatorView {
  return {
    ...NOTHING,
    cell,
    member: `${cell}-rep-1`,
    phase: 'running',
    startedAt: '',
    snapshotVersion: 1,
    server: 'mariadb',
    rpo: 'default',
    epoch: 1,
    capture: { ...NOTHING, state: 'running', position: null, transactions: 1, echoes: 0, spilledBytes: 0 },
    conflicts: { open: 0, parked: 0 },
    lastSeen: '2026-01-01T00:00:00.000Z',
    stale: false,
    ...changes
  }
}

function stream(from: string, to: string, changes: Partial<StreamView> = {}): StreamView {
  const stages = { captured: 2.5, center: 1, applied: 4.25 }
  return {
    ...NOTHING,
    stream: `${from}/mysql`,
    from,
    to,
    state: 'running',
    position: '1-1-1',
    transactions: 12,
    conflicts: 0,
    lagMs: 7.75,
    stages,
    ...changes
  }
}

const ALL = CELLS.map((cell) => replicator(cell))
const BOTH = [stream('beijing', 'shanghai'), stream('shanghai', 'beijing')]

t.test('all well, and nobody who replicates, are no alarm', async (t) => {
  t.same(replicationAlarms({ replicators: ALL, streams: BOTH, cells: CELLS }), [])
  t.same(replicationAlarms({ replicators: [], streams: [], cells: CELLS }), [])
})

t.test('each thing that is wrong has a line and something to do', async (t) => {
  const statement = 'ALTER TABLE `shop`.`orders` ADD COLUMN `note` TEXT'
  const capture = ALL[0]?.capture ?? replicator('x').capture
  const rows: [string, { replicators?: readonly ReplicatorView[]; streams?: readonly StreamView[] }, RegExp, RegExp][] = [
    ['a cell without one', { replicators: [replicator('beijing')] }, /no replicator of shanghai/, /start it/],
    ['silent', { replicators: [replicator('beijing', { stale: true }), replicator('shanghai')] }, /not reported since/, /log/],
    [
      'blocked',
      { replicators: [replicator('beijing', { phase: 'blocked', reason: 'no FULL image', statement: 'SET GLOBAL x = 1' }), replicator('shanghai')] },
      /cannot start: no FULL image/,
      /run in the database of beijing: {2}SET GLOBAL x = 1/
    ],
    [
      'echo',
      { replicators: [replicator('beijing', { capture: { ...capture, echoes: 3 } }), replicator('shanghai')] },
      /3 changes came back to beijing/,
      /must be 0/
    ],
    [
      'open conflicts',
      { replicators: [replicator('beijing', { conflicts: { open: 2, parked: 0 } }), replicator('shanghai')] },
      /2 conflicts/,
      /conflicts list/
    ],
    [
      'capture stopped',
      { replicators: [replicator('beijing', { capture: { ...capture, state: 'stopped', code: 'CAP_X', reason: 'why' } }), replicator('shanghai')] },
      /the capture of beijing is stopped: why \(CAP_X\)/,
      /log/
    ],
    [
      'parked by a column',
      { streams: [stream('beijing', 'shanghai', { state: 'parked', reason: 'a column is missing', code: 'APL_X', statement })] },
      /beijing → shanghai is parked: a column is missing \(APL_X\)/,
      /run in the database of shanghai: {2}ALTER TABLE `shop`\.`orders` ADD/
    ],
    ['paused', { streams: [stream('beijing', 'shanghai', { state: 'paused' })] }, /is paused/, /streams resume --cell shanghai beijing/],
    ['behind', { streams: [stream('beijing', 'shanghai', { lagMs: 12_000 })] }, /12 s behind/, /in which stage/]
  ]
  for (const [name, facts, what, todo] of rows) {
    const alarms = replicationAlarms({ replicators: ALL, streams: BOTH, cells: CELLS, ...facts })
    t.match(alarms, [{ what, todo }], name)
    t.equal(alarms.length, 1, `${name}: one alarm`)
  }
  const silent = replicationAlarms({
    replicators: [replicator('beijing', { stale: true }), replicator('shanghai')],
    streams: [stream('shanghai', 'beijing', { state: 'unknown' })],
    cells: CELLS
  })
  t.equal(silent.length, 1, 'the edges of a silent replicator are not listed one by one')
})

t.test('pages', async (t) => {
  t.match(renderStreams(BOTH), /beijing → shanghai +running +7\.8 ms +2\.5 ms +1\.0 ms +4\.3 ms +12 +0/)
  t.equal(
    progressText('bootstrap x', { state: 'running', share: 0.5, rowsPerSecond: 12_345.6, etaMs: 100_000 }, 'shop.orders'),
    'bootstrap x  ████████████░░░░░░░░░░░░ 50.0 %  shop.orders  12,346 rows/s  eta 1 m 40 s'
  )
  const page = renderConflict({
    id: '12',
    at: '2026-01-01',
    source: 'beijing',
    gtid: '1-1-7',
    table: 'shop.users',
    key: '42',
    class: 'update_update',
    policy: 'owner-wins',
    decision: 'keep',
    reemit: 'none',
    resolution: null,
    resolvedBy: null,
    resolvedAt: null,
    before: '{"name":"a"}',
    after: '{"name":"b"}',
    current: '{"name":"c\\u001b[2J"}',
    result: '{"name":"c"}',
    space: 'users',
    bucket: '7',
    originEpoch: 1,
    ownerEpoch: 2
  })
  t.match(page, /name +a +b +c\\u\{1b\}\[2J +c/, 'foreign text cannot move the cursor')
})

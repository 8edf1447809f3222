import t from 'tap'
import { exampleTopology, snapshotOf } from '../fixtures/example.ts'
import { diffSnapshots, diffTopologies, isEmptyDiff } from './diff.ts'
import { formatDiff } from './diff-format.ts'
import type { CellId, Epoch } from './ids.ts'

t.test('equal snapshots have no difference', async (t) => {
  const diff = diffSnapshots(snapshotOf(exampleTopology()), snapshotOf(exampleTopology()))
  t.ok(isEmptyDiff(diff))
  t.equal(formatDiff(diff), 'no change')
})

t.test('every kind of change has its line', async (t) => {
  const before = exampleTopology()
  const after = exampleTopology({
    'weight: 2': 'weight: 3',
    '  xian: ': '  yinchuan: ',
    'log: embedded': 'log: {kafka: {brokers: ["k:9092"]}}',
    '[bj, hb, sh, zj, gd]': '[bj, hb, sh, zj, gd, hi]',
    '"vip-42": shanghai': '"vip-42": beijing, "vip-43": beijing',
    'readYourWrites: 2s': 'readYourWrites: 3s',
    'path: /api/community/**': 'path: /api/posts/**',
    'space: users, column: user_id': 'space: users, column: uid'
  })
  const text = formatDiff(diffTopologies(before, after))
  for (const line of [
    '+ cell yinchuan',
    '- cell xian',
    '~ cell beijing weight: 2 -> 3',
    '~ center log: embedded -> {"kafka":{"brokers":["k:9092"]}}',
    '~ space areas values: ["bj","hb","sh","zj","gd"] -> ["bj","hb","sh","zj","gd","hi"]',
    '~ pin users/vip-42 shanghai -> beijing',
    '+ pin users/vip-43',
    '+ route /api/posts/**',
    '- route /api/community/**',
    '~ route /api/products/** readYourWritesMs: 2000 -> 3000',
    '~ data mysql shop.orders column: user_id -> uid'
  ]) {
    t.ok(text.split('\n').includes(line), `${line}\n in\n${text}`)
  }
})

t.test('an inserted route changes no other, a reordered one is told', async (t) => {
  const before = exampleTopology()
  const inserted = { ...before, routes: exampleTopology({ 'routes:\n': 'routes:\n  - {match: {path: /new}, class: local}\n' }).routes }
  t.match(diffTopologies(before, inserted), { routes: { added: ['/new'], removed: [], changed: [] }, routesReordered: false })
  const reordered = diffTopologies(before, { ...before, routes: before.routes.toReversed() })
  t.ok(reordered.routesReordered)
  t.match(formatDiff(reordered), /another order/)
})

t.test('moves of ownership', async (t) => {
  const topology = exampleTopology()
  const before = snapshotOf(topology)
  const after = snapshotOf(topology, (entry) => {
    if (entry.space === 'users' && Number(entry.bucket) < 10) return { ...entry, owner: 'shenzhen' as CellId, epoch: 2 as Epoch }
    return entry.bucket === 'all'
      ? { ...entry, epoch: 2 as Epoch, state: { kind: 'moving', from: entry.owner, to: 'shanghai' as CellId, shift: 's9' } }
      : entry
  })
  const diff = diffSnapshots(before, after)
  t.equal(diff.ledger.length, 11)
  t.equal(diff.moves.length, 10, 'a bucket that starts to move has not moved')
  t.same(diff.moves[0], { space: 'users', bucket: '0', from: 'beijing', to: 'shenzhen' })
  t.equal(
    formatDiff(diff),
    '~ ledger users 10 buckets (0 to 9): beijing epoch 1 -> shenzhen epoch 2\n~ ledger global bucket all: beijing epoch 1 -> beijing epoch 2, moving beijing to shanghai by s9'
  )
  t.equal(diffSnapshots(undefined, before).ledger.length, 1035, 'the first snapshot adds every row')
})

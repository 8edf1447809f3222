import type { BucketName, BucketState, CellId, Epoch, LedgerEntry, SpaceId } from '@cellway/topology'
import t from 'tap'
import { bucketRanges, renderBuckets } from './buckets.ts'

const OWNED: BucketState = { kind: 'owned' }

function row(space: string, bucket: string, owner: string, { epoch = 1, state = OWNED }: { epoch?: number; state?: BucketState } = {}): LedgerEntry {
  return { space: space as SpaceId, bucket: bucket as BucketName, owner: owner as CellId, epoch: epoch as Epoch, state }
}

t.test('neighbours become ranges exactly while everything agrees', async (t) => {
  const moving: BucketState = { kind: 'moving', from: 'a' as CellId, to: 'b' as CellId, shift: 's1' }
  const rows: [string, LedgerEntry[], string[]][] = [
    ['nothing', [], []],
    ['one', [row('u', '7', 'a')], ['7']],
    ['run', [row('u', '0', 'a'), row('u', '1', 'a'), row('u', '2', 'a')], ['0-2']],
    ['another owner', [row('u', '0', 'a'), row('u', '1', 'b'), row('u', '2', 'a')], ['0', '1', '2']],
    ['another epoch', [row('u', '0', 'a'), row('u', '1', 'a', { epoch: 2 })], ['0', '1']],
    ['another state', [row('u', '0', 'a'), row('u', '1', 'a', { state: moving })], ['0', '1']],
    ['a hole in a filtered list', [row('u', '3', 'a'), row('u', '5', 'a'), row('u', '6', 'a')], ['3', '5-6']],
    ['another space', [row('u', '0', 'a'), row('v', '1', 'a')], ['0', '1']],
    ['9 and 10 are neighbours', [row('u', '9', 'a'), row('u', '10', 'a')], ['9-10']],
    ['names', [row('l', 'bj', 'a'), row('l', 'tj', 'a'), row('l', 'sh', 'b')], ['bj, tj', 'sh']],
    ['pins do not join numbers', [row('u', '1023', 'a'), row('u', 'pin:vip', 'a')], ['1023', 'pin:vip']]
  ]
  for (const [name, entries, want] of rows) {
    t.same(
      bucketRanges(entries).map(({ buckets }) => buckets),
      want,
      name
    )
  }
})

t.test('ranges lose nothing', async (t) => {
  const entries = Array.from({ length: 1024 }, (_, at) => row('users', String(at), at % 7 < 4 ? 'a' : 'b'))
  t.equal(
    bucketRanges(entries).reduce((sum, range) => sum + range.count, 0),
    1024
  )
})

t.test('both tables', async (t) => {
  const entries = [
    row('users', '0', 'beijing'),
    row('users', '1', 'beijing'),
    row('users', '2', 'shanghai', { epoch: 3, state: { kind: 'frozen', reason: 'audit\u001b[2J' } })
  ]
  t.equal(
    renderBuckets(entries, { full: false }),
    [
      'SPACE  BUCKETS  COUNT  OWNER     EPOCH  STATE',
      'users  0-1          2  beijing       1  owned',
      'users  2            1  shanghai      3  frozen: audit\\u{1b}[2J',
      '3 buckets'
    ].join('\n')
  )
  t.equal(renderBuckets(entries, { full: true }).split('\n').length, 5)
  t.equal(renderBuckets([], { full: false }), 'no bucket matches')
})

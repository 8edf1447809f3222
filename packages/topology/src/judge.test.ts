import t from 'tap'
import { compiledOf, exampleTopology, requestOf } from '../fixtures/example.ts'
import { classify } from './classify.ts'
import { bucketView, findBucket } from './compile.ts'
import type { CellId } from './ids.ts'
import { type JudgeOptions, judge } from './judge.ts'
import type { BucketState } from './ledger.ts'

const BEIJING = 'beijing' as CellId
const SHANGHAI = 'shanghai' as CellId
const MOVING: BucketState = { kind: 'moving', from: BEIJING, to: SHANGHAI, shift: 's1' }
const FROZEN: BucketState = { kind: 'frozen', reason: 'drill' }

interface Case extends Partial<JudgeOptions> {
  readonly method: string
  readonly path?: string
  readonly state?: BucketState
}

/** What happens to a request of bucket `all` of `global`, which beijing owns. */
function verdictOf({ method, path = '/api/products/1', state = { kind: 'owned' }, ...options }: Case): string {
  const compiled = compiledOf(
    exampleTopology({
      'path: /api/products/**': 'path: /owner/**',
      'reads: local\n    readYourWrites: 2s':
        'reads: owner\n  - match: {path: /api/products/**}\n    space: global\n    reads: local\n  - match: {path: /local/**}\n    class: local'
    }),
    (entry) => (entry.bucket === 'all' ? { ...entry, state } : entry)
  )
  const placed = classify(compiled, requestOf({ method, path }), { selfCell: SHANGHAI })
  if (placed.kind === 'refused') return placed.error.code
  const verdict = judge(compiled, placed, { selfCell: SHANGHAI, hopped: false, ...options })
  if (verdict.kind === 'hop') return `hop ${verdict.cell} ${verdict.epoch}`
  if (verdict.kind === 'refuse') return `refuse ${verdict.error.code} ${verdict.error.statusCode}`
  return `${verdict.kind} ${verdict.epoch}`
}

const rows: readonly (readonly [string, Case, string])[] = [
  ['a write goes to the owner', { method: 'POST' }, 'hop beijing 1'],
  ['a write stays with the owner', { method: 'POST', selfCell: BEIJING }, 'local 1'],
  ['a local read stays', { method: 'GET' }, 'local 1'],
  ['a read after a write goes to the owner', { method: 'GET', readsFromOwner: true }, 'hop beijing 1'],
  ['a read of an owner route goes to the owner', { method: 'GET', path: '/owner/1' }, 'hop beijing 1'],
  ['a forwarded write stays with the owner', { method: 'POST', selfCell: BEIJING, hopped: true }, 'local 1'],
  ['a forwarded write goes no further', { method: 'POST', hopped: true }, 'refuse TOPO_NOT_OWNER 421'],
  ['a forwarded read goes no further, even if reads are local', { method: 'GET', hopped: true }, 'refuse TOPO_NOT_OWNER 421'],
  ['a moving bucket holds its writes', { method: 'POST', state: MOVING }, 'hold 1'],
  ['a moving bucket holds its writes at the owner too', { method: 'POST', selfCell: BEIJING, state: MOVING }, 'hold 1'],
  ['a moving bucket holds forwarded writes', { method: 'POST', selfCell: BEIJING, hopped: true, state: MOVING }, 'hold 1'],
  ['the new owner of a moving bucket takes nothing before the commit', { method: 'POST', hopped: true, state: MOVING }, 'refuse TOPO_NOT_OWNER 421'],
  ['a moving bucket is read at its owner', { method: 'GET', path: '/owner/1', state: MOVING }, 'hop beijing 1'],
  ['a moving bucket is read here if reads are local', { method: 'GET', state: MOVING }, 'local 1'],
  ['a frozen bucket refuses its writes', { method: 'POST', state: FROZEN }, 'refuse TOPO_FROZEN 503'],
  ['a frozen bucket is read', { method: 'GET', path: '/owner/1', state: FROZEN }, 'hop beijing 1'],
  ['a local route stays', { method: 'POST', path: '/local/1' }, 'local undefined'],
  ['a forwarded local request stays', { method: 'POST', path: '/local/1', hopped: true }, 'local undefined']
]
for (const [name, given, want] of rows) t.equal(verdictOf(given), want, name)

t.test('a request that belongs to a cell', async (t) => {
  const compiled = compiledOf(exampleTopology({ 'missing: reject\n    reads: owner': 'missing: primary', 'buckets: 1024': 'primary: beijing' }))
  const placed = classify(compiled, requestOf({ path: '/api/orders' }), { selfCell: SHANGHAI })
  if (placed.kind !== 'cell') throw new Error(placed.kind)
  t.match(judge(compiled, placed, { selfCell: SHANGHAI, hopped: false }), { kind: 'hop', cell: 'beijing', epoch: undefined })
  t.match(judge(compiled, placed, { selfCell: BEIJING, hopped: true }), { kind: 'local' })
  t.match(judge(compiled, placed, { selfCell: SHANGHAI, hopped: true }), { kind: 'refuse', error: { code: 'TOPO_NOT_OWNER' } })
})

t.test('buckets by their public names', async (t) => {
  const compiled = compiledOf(exampleTopology())
  for (const [space, bucket] of [
    ['users', '17'],
    ['users', 'pin:vip-42'],
    ['areas', 'gd'],
    ['global', 'all']
  ] as const) {
    const at = findBucket(compiled, space, bucket)
    t.match(at && bucketView(compiled, at.spaceIndex, at.bucketIndex), { space, bucket })
  }
  for (const [space, bucket] of [
    ['users', '1024'],
    ['users', '017'],
    ['users', 'vip-42'],
    ['nothing', '1'],
    ['__proto__', 'all']
  ] as const) {
    t.equal(findBucket(compiled, space, bucket), undefined, `${space} ${bucket}`)
  }
  t.throws(() => bucketView(compiled, 0, 99_999), { code: 'TOPO_INVALID' })
})

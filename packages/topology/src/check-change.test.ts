import t from 'tap'
import { exampleTopology, snapshotOf } from '../fixtures/example.ts'
import { checkTopologyChange } from './check-change.ts'
import type { CellId } from './ids.ts'
import type { LedgerEntry } from './ledger.ts'

const XIAN = 'xian' as CellId

function check(
  name: string,
  replace: Readonly<Record<string, string>>,
  want: Readonly<Record<string, RegExp>>,
  change?: (entry: LedgerEntry) => LedgerEntry
): void {
  t.test(name, async (t) => {
    const problems = checkTopologyChange(snapshotOf(exampleTopology(), change), exampleTopology(replace))
    t.same(problems.map(({ path }) => path).sort(), Object.keys(want).sort())
    for (const { path, problem, fix } of problems) t.match(`${problem} / ${fix}`, want[path] ?? /never/)
  })
}

check('no change', {}, {})
check(
  'more of everything',
  { '[bj, hb, sh, zj, gd]': '[bj, hb, sh, zj, gd, hi]', '{"vip-42": shanghai}': '{"vip-42": shanghai, "vip-43": beijing}', 'weight: 2': 'weight: 3' },
  {}
)
check('bucket count', { 'buckets: 1024': 'buckets: 512' }, { 'spaces.users.buckets': /from 1024 to 512.*Write buckets: 1024/ })
check('fold', { 'buckets: 1024': 'buckets: 1024, fold: lower' }, { 'spaces.users.fold': /from none to lower/ })
check(
  'kind',
  { 'business: {kind: list, values: [order, payment, community, post]}': 'business: {kind: hash}' },
  { 'spaces.business.kind': /from list to hash/ }
)
check('removed value', { 'community, post]': 'community]' }, { 'spaces.business.values': /value post is removed/ })
check('removed pin', { '{"vip-42": shanghai}': '{}' }, { 'pins.users.vip-42': /pin is removed/ })
check('renamed space', { business: 'bizness' }, { 'spaces.business': /space is removed/ })
check('removed cell that owns nothing', { '  xian: ': '  yinchuan: ' }, {})
check('removed cell that a shift leads to', { '  xian: ': '  yinchuan: ' }, { 'cells.xian': /1 buckets are in its hands/ }, (entry) =>
  entry.bucket === 'bj' ? { ...entry, state: { kind: 'moving', from: entry.owner, to: XIAN, shift: 's1' } } : entry
)
check('removed cell that owns', { xian: 'yinchuan' }, { 'cells.xian': /1035 buckets/ }, (entry) => ({ ...entry, owner: XIAN }))
check(
  'an owner becomes a standby',
  { 'shenzhen: {region: cn-south, ': 'shenzhen: {region: cn-south, role: standby, ' },
  { 'cells.shenzhen.role': /258 buckets/ }
)
check('a number that ids carry', { 'role: standby': 'role: standby, number: 9' }, { 'cells.xian.number': /from 3 to 9.*number: 3/ })
check(
  'a new pin while its key is moving',
  { '{"vip-42": shanghai}': '{"vip-42": shanghai, "vip-43": beijing}' },
  { 'pins.users.vip-43': /moving or frozen/ },
  (entry) => (entry.space === 'users' ? { ...entry, state: { kind: 'frozen', reason: 'test' } } : entry)
)

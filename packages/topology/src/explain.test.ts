import t from 'tap'
import { compiledOf, exampleTopology, requestOf } from '../fixtures/example.ts'
import { explain } from './explain.ts'
import { formatExplanation } from './explain-format.ts'
import type { CellId } from './ids.ts'

const SHANGHAI = 'shanghai' as CellId
const compiled = compiledOf(exampleTopology(), (entry) =>
  entry.bucket === 'all' ? { ...entry, state: { kind: 'moving', from: entry.owner, to: SHANGHAI, shift: 's7' } } : entry
)

function explained(given: Parameters<typeof requestOf>[0]): { text: string; data: ReturnType<typeof explain> } {
  const data = explain(compiled, requestOf(given), { selfCell: SHANGHAI })
  return { data, text: formatExplanation(data) }
}

t.test('a request that is forwarded', async (t) => {
  const { data, text } = explained({ method: 'POST', path: '/api/orders/1', headers: ['Cookie', 'uid=42'] })
  t.same(JSON.parse(JSON.stringify(data)), {
    version: 1,
    selfCell: 'shanghai',
    request: { method: 'POST', host: 'app.example', path: '/api/orders/1' },
    operation: 'write',
    route: { name: '#0', match: { path: '/api/orders/**' }, app: 'orders', space: 'users', missing: 'reject', reads: 'owner' },
    tried: [
      { source: 'header x-user-id', result: 'absent' },
      { source: 'cookie uid', result: 'found', key: '42' },
      ...['jwt sub', 'query user_id', 'path /api/orders/of/:id/**', 'id order_no'].map((source) => ({ source, result: 'not-asked' }))
    ],
    key: { source: 'cookie uid', canonical: '42', hash: 841265288 },
    bucket: { space: 'users', bucket: '136', owner: 'beijing', epoch: 1, state: { kind: 'owned' } },
    verdict: { kind: 'hop', cell: 'beijing', why: 'another cell owns the bucket' },
    upstreams: ['http://10.0.1.1:7100']
  })
  t.match(text, /^HOP: shanghai forwards this write to beijing\.\n/)
  t.match(text, /\nkey +"42" from cookie uid, CRC-32 841265288, modulo the bucket count = bucket 136\n/)
  t.match(text, /\nbucket +users 136, owner beijing, epoch 1\n/)
})

t.test('one that is served here, from all instances of its app', async (t) => {
  const { data, text } = explained({ path: '/api/orders/1', headers: ['x-user-id', 'vip-42'] })
  t.match(data, {
    verdict: { kind: 'local', cell: 'shanghai' },
    key: { hash: undefined },
    bucket: { bucket: 'pin:vip-42' },
    upstreams: ['http://10.0.2.3:8080']
  })
  t.match(text, /^LOCAL: shanghai serves this read itself/)
})

t.test('one that waits', async (t) => {
  const { data, text } = explained({ method: 'PUT', path: '/api/products/1' })
  t.match(data, { verdict: { kind: 'hold', cell: undefined }, upstreams: [] })
  t.match(text, /^HOLD: this write waits for bucket all of global, which is moving from beijing to shanghai\./)
  t.match(text, /moving beijing to shanghai by s7/)
})

t.test('ones that are refused, and why', async (t) => {
  t.match(explained({ path: '/x' }).text, /^REFUSE: 404 TOPO_NO_ROUTE\..*\n[\s\S]*route +none matches/)
  const twice = explained({ path: '/api/orders/1', headers: ['x-user-id', '1', 'x-user-id', '2', 'cookie', 'uid=1'] })
  t.match(twice.data.tried.slice(0, 2), [
    { source: 'header x-user-id', result: 'refused', code: 'TOPO_KEY_AMBIGUOUS', reason: /more than once/ },
    { source: 'cookie uid', result: 'not-asked' }
  ])
  t.match(twice.text, /^REFUSE: 400 TOPO_KEY_AMBIGUOUS/)
  const unknown = explained({ host: 'a.shop.example', path: '/api/shops/1', headers: ['x-area', 'mars'] })
  t.match(unknown.text, /header x-area: "mars" is no value of the space/)
  t.match(unknown.data, { verdict: { kind: 'refuse', error: { code: 'TOPO_VALUE_UNKNOWN', statusCode: 400 } }, upstreams: [] })
})

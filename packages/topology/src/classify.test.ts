import t from 'tap'
import { asHeaderBytes, compiledOf, exampleTopology, requestOf } from '../fixtures/example.ts'
import { encodeBucketId } from './bucket-id.ts'
import { classify, matchRoute } from './classify.ts'
import { bucketView, type CompiledSnapshot } from './compile.ts'
import type { CellId } from './ids.ts'
import type { GeoLookup, GeoRecord, RoutingRequest } from './request.ts'

const SHANGHAI = 'shanghai' as CellId
const example = compiledOf(exampleTopology())

const GEO: Readonly<Record<string, GeoRecord>> = {
  '192.0.2.10': { subdivision: 'BJ', country: 'CN', continent: 'AS', location: [39.9, 116.4] },
  '192.0.2.11': { subdivision: 'HI', country: 'US', continent: 'NA', location: [21.3, -157.8] },
  '192.0.2.12': { subdivision: 'GD', country: 'CN', location: [22.6, 114] },
  '192.0.2.13': { country: 'HK' },
  '192.0.2.14': {}
}
const geo: GeoLookup = { lookup: (ip) => GEO[ip] }

/** `space bucket key source`, `cell name`, or `code reason`. */
function summary(compiled: CompiledSnapshot, given: Partial<RoutingRequest>): string {
  const found = classify(compiled, requestOf(given), { selfCell: SHANGHAI, geo })
  if (found.kind === 'cell') return `cell ${found.cell}`
  if (found.kind === 'refused') return `${found.error.code} ${found.error.statusCode} ${String(found.error.details.reason ?? '')}`.trim()
  const { space, bucket } = bucketView(compiled, found.spaceIndex, found.bucketIndex)
  return `${space} ${bucket} "${found.key}" ${found.keySource}`
}

function check(name: string, given: Partial<RoutingRequest>, want: string | RegExp, compiled = example): void {
  const got = summary(compiled, given)
  if (typeof want === 'string') t.equal(got, want, name)
  else t.match(got, want, name)
}

const order = (given: Partial<RoutingRequest>): Partial<RoutingRequest> => ({ path: '/api/orders/new', ...given })
const shop = (given: Partial<RoutingRequest>): Partial<RoutingRequest> => ({ host: 'a.shop.example', path: '/api/shops/1', ...given })
const bearer = (payload: string): Partial<RoutingRequest> =>
  order({ headers: ['Authorization', `Bearer e30.${Buffer.from(payload).toString('base64url')}.sig`] })

check('no route', { path: '/nowhere' }, 'TOPO_NO_ROUTE 404')
check('a host that is not a shop', { path: '/api/shops/1' }, 'TOPO_NO_ROUTE 404')

check('header', order({ headers: ['Accept', '*/*', 'X-User-Id', '42'] }), 'users 136 "42" header x-user-id')
check('header with underscores', order({ headers: ['x_user_id', '42'] }), 'users 136 "42" header x-user-id')
check('header in UTF-8', order({ headers: ['x-user-id', asHeaderBytes('用户')] }), /^users \d+ "用户"/)
check('header in Latin-1', order({ headers: ['x-user-id', 'caf\u00e9'] }), 'TOPO_KEY_INVALID 400 it is not valid UTF-8')
check('header twice', order({ headers: ['x-user-id', '42', 'X-USER-ID', '43'] }), /^TOPO_KEY_AMBIGUOUS 400/)
check('header twice with one value', order({ headers: ['x-user-id', '42', 'x-user-id', '42'] }), /^TOPO_KEY_AMBIGUOUS 400/)
check('header and its alias', order({ headers: ['x-user-id', '42', 'X_User-Id', '42'] }), /^TOPO_KEY_AMBIGUOUS 400/)
check('empty header', order({ headers: ['x-user-id', ''] }), 'TOPO_KEY_INVALID 400 it is empty')
check('leading zeros', order({ headers: ['x-user-id', '042'] }), /^TOPO_KEY_INVALID 400/)
check('pinned key', order({ headers: ['x-user-id', 'vip-42'] }), 'users pin:vip-42 "vip-42" header x-user-id')
check('the first extractor wins', order({ headers: ['x-user-id', '42', 'cookie', 'uid=43'] }), 'users 136 "42" header x-user-id')
check('a doubtful first extractor is not passed over', order({ headers: ['x-user-id', '+42', 'cookie', 'uid=43'] }), /^TOPO_KEY_INVALID/)

check('cookie', order({ headers: ['Cookie', 'a=1; uid=42; b=2'] }), 'users 136 "42" cookie uid')
check('cookie in a second header', order({ headers: ['Cookie', 'a=1', 'cookie', 'uid=42'] }), 'users 136 "42" cookie uid')
check('cookie twice', order({ headers: ['Cookie', 'uid=42; uid=43'] }), /^TOPO_KEY_AMBIGUOUS/)
check('cookie twice over two headers', order({ headers: ['Cookie', 'uid=42', 'Cookie', 'uid=42'] }), /^TOPO_KEY_AMBIGUOUS/)
check('cookie with a longer name', order({ headers: ['Cookie', 'xuid=1; uidx=2'] }), /^TOPO_KEY_MISSING/)
check('cookie in quotes', order({ headers: ['Cookie', 'uid="42"'] }), /^TOPO_KEY_INVALID 400 it is in quotes/)
check('cookie in escapes', order({ headers: ['Cookie', 'uid=%E7%94%A8'] }), /^users \d+ "用" cookie uid/)
check('cookie in spaces', order({ headers: ['Cookie', ' uid = 42 ;'] }), 'users 136 "42" cookie uid')

check('JWT with a text', bearer('{"sub":"42"}'), 'users 136 "42" jwt sub')
check('JWT with an integer beyond 2^53', bearer('{"sub":9007199254740993}'), /"9007199254740993" jwt sub/)
check('JWT with the claim twice', bearer('{"sub":"42","sub":"43"}'), /^TOPO_KEY_AMBIGUOUS/)
check('JWT without the claim', bearer('{"iss":"42"}'), /^TOPO_KEY_MISSING/)
check('opaque token', order({ headers: ['Authorization', 'Bearer abc'] }), /^TOPO_KEY_MISSING/)

check('query', order({ query: 'page=1&user_id=42' }), 'users 136 "42" query user_id')
check('query twice', order({ query: 'user_id=42&user_id=43' }), /^TOPO_KEY_AMBIGUOUS/)
check('query twice, once escaped', order({ query: 'user_id=42&user%5Fid=43' }), /^TOPO_KEY_AMBIGUOUS/)
check('query with an escaped name', order({ query: '%75ser_id=4%32' }), 'users 136 "42" query user_id')
check('query decoded once only', order({ query: 'user_id=%2534' }), /"%34" query user_id/)
check('query with invalid UTF-8', order({ query: 'user_id=%FF' }), 'TOPO_KEY_INVALID 400 it is not valid UTF-8')
check('query with a broken escape', order({ query: 'user_id=4%2' }), 'TOPO_KEY_INVALID 400 it has a broken percent escape')
check('query with a name that is not UTF-8', order({ query: 'user%FFid_=1&user_id=42' }), /^TOPO_KEY_INVALID/)
check('query without a value', order({ query: 'user_id' }), 'TOPO_KEY_INVALID 400 it is empty')
check('plus is a space', order({ query: 'user_id=a+b' }), /"a b" query user_id/)
check('empty parts', order({ query: '&&user_id=42&' }), 'users 136 "42" query user_id')

check('path', { path: '/api/orders/of/42/items' }, 'users 136 "42" path /api/orders/of/:id/**')
check('path in escapes', { path: '/api/orders/of/%E7%94%A8' }, /"用" path/)
check('path with invalid UTF-8', { path: '/api/orders/of/%FF' }, /^TOPO_KEY_INVALID/)

const id = encodeBucketId({ timeMs: Date.UTC(2025, 0, 1), bucket: 700, cellNumber: 1, sequence: 3 })
check('id', order({ query: `order_no=${id}` }), 'users 700 "" id order_no')
check('id that is none', order({ query: 'order_no=abc' }), /^TOPO_KEY_INVALID/)
check('id beyond 63 bits', order({ query: 'order_no=18446744073709551615' }), 'TOPO_KEY_INVALID 400 it is not a bucket-carrying id')
check(
  'id of a bucket that the space has not',
  order({ query: `order_no=${id}` }),
  /bucket that its space has not/,
  compiledOf(exampleTopology({ 'buckets: 1024': 'buckets: 512' }))
)
const withPathId = compiledOf(exampleTopology({ '/api/orders/**': '/api/orders/:order_no/**', '{id: order_no}': '{id: ":order_no"}' }))
check('id in the path', { path: `/api/orders/${id}/items` }, 'users 700 "" id order_no', withPathId)
check('nothing', order({}), 'TOPO_KEY_MISSING 400')

check('area', shop({ headers: ['x-area', 'sh'] }), 'areas sh "sh" header x-area')
check('unknown area', shop({ headers: ['x-area', 'mars'] }), 'TOPO_VALUE_UNKNOWN 400')
check('an unknown area is not asked of the next extractor', shop({ headers: ['x-area', 'mars'], clientIp: '192.0.2.10' }), 'TOPO_VALUE_UNKNOWN 400')
check('geoip', shop({ clientIp: '192.0.2.10' }), 'areas bj "bj" geoip subdivision')
check('geoip of an area that the space has not', shop({ clientIp: '192.0.2.11' }), 'TOPO_VALUE_UNKNOWN 400')
check('geoip without an area', shop({ clientIp: '192.0.2.14' }), 'TOPO_KEY_MISSING 400')
check('coordinates', shop({ headers: ['x-lat', '22.54', 'x-lon', '114.06'] }), 'areas gd "gd" coordinates x-lat x-lon')
check('half of the coordinates', shop({ headers: ['x-lat', '22.54'] }), /^TOPO_KEY_INVALID 400 one of the two/)
check('coordinates off the earth', shop({ headers: ['x-lat', '91', 'x-lon', '0'] }), /^TOPO_KEY_INVALID 400 a coordinate/)
check('coordinates in exponents', shop({ headers: ['x-lat', '2e1', 'x-lon', '0'] }), /^TOPO_KEY_INVALID 400 a coordinate/)
check('coordinates twice', shop({ headers: ['x-lat', '1', 'x-lat', '2', 'x-lon', '0'] }), /^TOPO_KEY_AMBIGUOUS/)

const hawaii = compiledOf(
  exampleTopology({ '[bj, hb, sh, zj, gd], assign: nearest': '[hi, us-hi, as, hk], locations: {us-hi: [21, -158], as: [30, 100]}' })
)
check('a code without a country is not another country’s', shop({ clientIp: '192.0.2.11' }), 'areas us-hi "us-hi" geoip subdivision', hawaii)
check('a country that is a subdivision of China too', shop({ clientIp: '192.0.2.13' }), 'areas hk "hk" geoip subdivision', hawaii)

check('const', { path: '/api/community/posts' }, 'business community "community" const')
check('single', { path: '/api/products/1' }, 'global all "" single space')

const missing = (policy: string): CompiledSnapshot =>
  compiledOf(
    exampleTopology({
      'missing: reject': `missing: ${policy}`,
      '{kind: hash, buckets: 1024}': '{kind: hash, primary: beijing}',
      'assign: nearest': 'assign: nearest, primary: shenzhen'
    })
  )
check('primary', order({ method: 'POST' }), 'cell beijing', missing('primary'))
check('primary of an unknown area', shop({ headers: ['x-area', 'mars'] }), 'cell shenzhen', missing('primary'))
check('a doubtful key is refused under any policy', order({ headers: ['x-user-id', '042'] }), /^TOPO_KEY_INVALID/, missing('primary'))
check('nearest-read reads here', order({ method: 'GET' }), 'cell shanghai', missing('nearest-read'))
check('nearest-read refuses writes', order({ method: 'POST' }), 'TOPO_KEY_MISSING 400', missing('nearest-read'))
check('by-ip goes to the nearest active cell', order({ clientIp: '192.0.2.12' }), 'cell shenzhen', missing('by-ip'))
check('by-ip without a location', order({ clientIp: '192.0.2.13' }), 'TOPO_KEY_MISSING 400', missing('by-ip'))
check(
  'by-ip finds the area',
  shop({ headers: ['x-area', 'mars'], clientIp: '192.0.2.12' }),
  'areas gd "gd" geoip of the client address',
  missing('by-ip')
)
check('by-ip without an area', shop({ headers: ['x-area', 'mars'], clientIp: '192.0.2.11' }), 'TOPO_VALUE_UNKNOWN 400', missing('by-ip'))

const local = compiledOf(exampleTopology({ 'space: business\n    key: [{const: community}]': 'class: local' }))
check('local', { path: '/api/community/x' }, 'cell shanghai', local)

t.test('reads and writes', async (t) => {
  const operation = (method: string, compiled = example): string => {
    const found = classify(compiled, requestOf({ method, path: '/api/products/1' }), { selfCell: SHANGHAI })
    return found.kind === 'refused' ? 'refused' : found.operation
  }
  for (const method of ['GET', 'HEAD', 'OPTIONS']) t.equal(operation(method), 'read', method)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPPATCH', 'get']) t.equal(operation(method), 'write', method)
  const listed = compiledOf(exampleTopology({ 'reads: local': 'reads: local\n    writes: [PUT, GET]' }))
  for (const [method, want] of Object.entries({ GET: 'write', PUT: 'write', POST: 'read' }))
    t.equal(operation(method, listed), want, `${method} when listed`)
})

t.test('matchRoute gives the route alone', async (t) => {
  t.equal(matchRoute(example, requestOf({ path: '/api/products/1' }))?.name, '#3')
  t.equal(matchRoute(example, requestOf({ path: '/x' })), undefined)
})

t.test('a refusal says where the key came from', async (t) => {
  const found = classify(example, requestOf(order({ headers: ['Cookie', 'uid=042'] })), { selfCell: SHANGHAI })
  t.match(found, { kind: 'refused', error: { code: 'TOPO_KEY_INVALID', details: { source: 'cookie uid', reason: /leading zeros/ } } })
})

import t from 'tap'
import { EXAMPLE_YAML, exampleTopology } from '../fixtures/example.ts'
import { checkTopology, parseTopology } from './check-topology.ts'
import type { Problem } from './config.ts'

/** The example with one text replaced by another must give exactly the problems at these paths; each text must match. */
function check(name: string, replace: Readonly<Record<string, string>>, want: Readonly<Record<string, RegExp>>): void {
  let text = EXAMPLE_YAML
  for (const [from, to] of Object.entries(replace)) {
    if (!text.includes(from)) throw new Error(`the example has no "${from}"`)
    text = text.replace(from, () => to)
  }
  t.test(name, async (t) => {
    const checked = parseTopology(text)
    const problems = checked.ok ? [] : checked.problems
    t.same([...new Set(problems.map(({ path }) => path))].sort(), Object.keys(want).sort(), JSON.stringify(problems))
    for (const { path, problem, fix } of problems) {
      t.match(`${problem} / ${fix}`, want[path] ?? /never/)
      t.not(fix, '')
    }
  })
}

const USERS_KEY = '[{header: x-user-id}, {cookie: uid}, {jwt: sub}, {query: user_id}, {path: /api/orders/of/:id/**}, {id: order_no}]'
const AREAS_KEY = '[{header: x-area}, {geoip: subdivision}, {coordinates: [x-lat, x-lon]}]'
const SHANGHAI_STORE = 'shanghai: {region: cn-east, '

check(
  'unknown fields, with what was meant',
  { 'buckets: 1024': 'bucket: 1024', 'weight: 2': 'wieght: 2', 'reads: owner': 'reeds: owner' },
  {
    'spaces.users.bucket': /Did you mean "buckets"/,
    'cells.beijing.wieght': /Did you mean "weight"/,
    'routes[0].reeds': /Did you mean "reads"/
  }
)
check('unknown top-level field', { 'center:': 'centre:' }, { centre: /Did you mean "center"/ })
check(
  'unknown cells and spaces',
  {
    'primary: beijing': 'primary: bejing',
    'host: beijing': 'host: paris',
    'space: business': 'space: busines',
    '"vip-42": shanghai': '"vip-42": shangai'
  },
  {
    'spaces.global.primary': /no cell "bejing".*Did you mean "beijing"/,
    'center.host': /no cell "paris"/,
    'routes[2].space': /no space "busines".*Did you mean "business"/,
    'pins.users.vip-42': /no cell "shangai"/
  }
)
check('a pinned space that does not exist', { 'pins:\n  users:': 'pins:\n  user:' }, { 'pins.user': /no space "user".*Did you mean "users"/ })
check('overlapping values', { '[bj, hb, sh, zj, gd]': '[bj, hb, sh, bj]' }, { 'spaces.areas.values[3]': /same value as spaces.areas.values\[0\]/ })
check('overlapping values after folding', { '[bj, hb, sh, zj, gd]': '[bj, hb, sh, BJ], fold: lower' }, { 'spaces.areas.values[3]': /same value/ })
check(
  'values that YAML would change',
  { '[order, payment, community, post]': '[community, 007, 1.10, true, null]' },
  {
    'spaces.business.values[1]': /leading zeros/,
    'spaces.business.values[2]': /not a text/,
    'spaces.business.values[3]': /not a text.*quotes/,
    'spaces.business.values[4]': /not a text/
  }
)
check(
  'a value that is no canonical key',
  { '[order, payment, community, post]': '[community, " post"]' },
  { 'spaces.business.values[1]': /white space/ }
)
check(
  'pins that are equal after folding',
  { 'buckets: 1024': 'buckets: 1024, fold: lower', '{"vip-42": shanghai}': '{"vip-42": shanghai, VIP-42: beijing}' },
  {
    'pins.users.VIP-42': /pinned twice/
  }
)
check('a pin with a second spelling', { '"vip-42"': '042' }, { 'pins.users["042"]': /leading zeros/ })
check('pins of a list space', { 'pins:\n  users:': 'pins:\n  areas:' }, { 'pins.areas': /only keys of hash spaces/ })
check('a pin on a standby', { '"vip-42": shanghai': '"vip-42": xian' }, { 'pins.users.vip-42': /standby/ })
check('the bucket count', { 'buckets: 1024': 'buckets: 0' }, { 'spaces.users.buckets': /from 1 to 65536/ })
check('ids with more buckets than they carry', { 'buckets: 1024': 'buckets: 2048' }, { 'routes[0].key': /up to 1023/ })
check('a space of no kind', { 'kind: hash, ': '' }, { 'spaces.users.kind': /missing.*hash, list, single/ })
check('missing has no default', { '    missing: reject\n    reads: owner\n': '' }, { 'routes[0].missing': /no default/ })
check('primary without a primary', { 'missing: reject\n    reads: owner': 'missing: primary' }, { 'routes[0].missing': /no primary/ })
check(
  'by-ip without locations',
  { 'missing: reject\n    reads: owner': 'missing: by-ip', 'location: [31.2, 121.5], ': '' },
  {
    'routes[0].missing': /shanghai has none/,
    'spaces.areas.assign': /shanghai has none/
  }
)
check(
  'nearest with a value that is nowhere',
  { '[bj, hb, sh, zj, gd]': '[bj, mars]', [AREAS_KEY]: '[{header: x-area}]' },
  { 'spaces.areas.locations': /no location for mars/ }
)
check(
  'coordinates with a value that is nowhere',
  { '[bj, hb, sh, zj, gd], assign: nearest': '[bj, mars]' },
  { 'routes[1].key[2].coordinates': /no location for mars/ }
)
check(
  'an assignment that leaves values out',
  { 'assign: nearest': 'assign: {bj: beijing, xx: beijing}' },
  {
    'spaces.areas.assign.xx': /no value of this space/,
    'spaces.areas.assign': /no cell is named for hb, sh, zj, gd/
  }
)
check('geoip on a hash space', { '{id: order_no}': '{geoip: country}' }, { 'routes[0].key[5].geoip': /list space/ })
check('id on a list space', { '{const: community}': '{id: post_no}' }, { 'routes[2].key[0].id': /hash space/, 'routes[2].missing': /no default/ })
check(
  'a constant that is no value',
  { '{const: community}': '{const: communty}' },
  { 'routes[2].key[0].const': /no value of the space/, 'routes[2].missing': /no default/ }
)
check(
  'extractors that are none',
  { [USERS_KEY]: '[{headr: x}, {header: a, query: b}, header, {}]' },
  {
    'routes[0].key[0].headr': /Did you mean "header"/,
    'routes[0].key[0]': /names no extractor/,
    'routes[0].key[1]': /2 extractors/,
    'routes[0].key[2]': /not a mapping/,
    'routes[0].key[3]': /names no extractor/
  }
)
check(
  'keys from our own headers and odd names',
  { [USERS_KEY]: '[{header: X_Cellway_Key}, {header: "a b"}, {cookie: "a=b"}, {path: /a/**}, {path: /:a/:b}, {id: ":no"}]' },
  {
    'routes[0].key[0].header': /set by Cellway/,
    'routes[0].key[1].header': /not a header name/,
    'routes[0].key[2].cookie': /not a cookie name/,
    'routes[0].key[3].path': /0 :name segments/,
    'routes[0].key[4].path': /2 :name segments/,
    'routes[0].key[5].id': /no segment :no/
  }
)
check(
  'paths that are none',
  {
    'path: /api/orders/**': 'path: /api/**/orders',
    'path: /api/shops/**': 'path: api',
    'path: /api/community/**': 'path: /a%2Fb',
    'path: /api/products/**': 'path: /a*/b'
  },
  {
    'routes[0].match.path': /middle/,
    'routes[1].match.path': /start with/,
    'routes[2].match.path': /percent escape/,
    'routes[3].match.path': /inside a segment/
  }
)
check('hosts that are none', { '"*.shop.example"': '"shop.*.example:80"' }, { 'routes[1].match.host': /not a host/ })
check('readYourWrites without local reads', { 'reads: local\n    ': '' }, { 'routes[3].readYourWrites': /no meaning/ })
check(
  'durations and sizes need units',
  { 'readYourWrites: 2s': 'readYourWrites: 2, timeout: soon, bodyMaxBytes: 16MB'.replaceAll(', ', '\n    ') },
  {
    'routes[3].readYourWrites': /not a duration.*unit/,
    'routes[3].timeout': /not a duration/,
    'routes[3].bodyMaxBytes': /not a size/
  }
)
check('an app that a cell does not have', { 'app: orders': 'app: ordres' }, { 'routes[0].app': /no instances in beijing, shanghai, shenzhen, xian/ })
check(
  'the same route name twice',
  { 'app: orders': 'app: orders\n    name: one', 'space: business': 'space: business\n    name: one' },
  { 'routes[2].name': /routes\[0\] has the name/ }
)
check(
  'gateways and apps that are no origins',
  { 'gateway: "http://10.0.1.1:7100"': 'gateway: "ftp://10.0.1.1"', 'default: ["http://10.0.1.2:8080"]': 'default: ["http://10.0.1.2:8080/api"]' },
  {
    'cells.beijing.gateway': /not an http/,
    'cells.beijing.apps.default[0]': /more than host and port/
  }
)
check(
  'no active cell',
  { 'weight: 2': 'role: standby', [SHANGHAI_STORE]: `${SHANGHAI_STORE}role: standby, `, 'region: cn-south': 'role: standby, region: cn-south' },
  {
    cells: /no cell is active/,
    'spaces.global.primary': /standby/,
    'pins.users.vip-42': /standby/
  }
)
check('two cells with one number', { 'weight: 2': 'number: 1' }, { 'cells.shanghai.number': /beijing has the number 1 too/ })
check(
  'names that are none',
  { '  xian: ': '  Xi_An: ', '  business:': '  2business:', 'space: business': 'space: 2business' },
  {
    'cells.Xi_An': /cannot name a cell/,
    'spaces["2business"]': /cannot name a space/
  }
)
check(
  'literal secrets in stores',
  { 'password: env:MYSQL_PASSWORD': 'password: hunter2, apiKey: 42, options: {ssl: {key: abc}}' },
  {
    'cells.beijing.stores.mysql.password': /secret.*env:NAME/,
    'cells.beijing.stores.mysql.apiKey': /secret/,
    'cells.beijing.stores.mysql.options.ssl.key': /secret/
  }
)
check(
  'addresses with passwords',
  {
    'redis: "redis://10.0.1.6:6379"':
      'redis: "redis://:hunter2@10.0.1.6:6379", other: "app:hunter2@tcp(10.0.1.5)/shop", third: "mysql://h/db?password=x"'
  },
  {
    'cells.beijing.stores.redis': /password in it/,
    'cells.beijing.stores.other': /password in it/,
    'cells.beijing.stores.third': /secret in its query/
  }
)
check('secrets where no field belongs', { 'region: cn-west': 'region: cn-west, token: abc' }, { 'cells.xian.token': /secret|no field/ })
check(
  'tables and keys in two classes',
  { '{table: shop.products, space: global}': '{table: shop.orders, class: local}', '"cache:*"': '"user:*"' },
  {
    'data.mysql[1].table': /data.mysql\[0\] declares/,
    'data.redis[2].key': /match both "user:\*" and "user:\{key\}:\*"/
  }
)
check(
  'data without what it needs',
  {
    'space: users, column: user_id': 'space: users',
    'shop.products': 'products',
    '"user:{key}:*"': '"user:*"',
    'key: "stock:*", space: global': 'key: "stock:{key}", space: global, class: local'
  },
  {
    'data.mysql[0].column': /missing/,
    'data.mysql[1].table': /schema.table/,
    'data.redis[0].key': /0 times \{key\}/,
    'data.redis[1]': /a space and a class/
  }
)
check('version', { 'cellway/v1': 'cellway/v2' }, { apiVersion: /not known/ })

t.test('the example is read, with its defaults filled in', async (t) => {
  const topology = exampleTopology()
  t.match(topology.cells, { beijing: { number: 0, role: 'active', weight: 2 }, xian: { number: 3, role: 'standby', weight: 1 } })
  t.match(topology.spaces, {
    users: { kind: 'hash', buckets: 1024, fold: 'none', keyType: 'auto' },
    areas: { assign: 'nearest', locations: { gd: [23.13, 113.26] } }
  })
  t.match(topology.routes[0], {
    name: '#0',
    app: 'orders',
    writes: 'unsafe',
    bodyBytesMax: 16_777_216,
    timeoutMs: 30_000,
    priority: 'normal',
    websocket: false
  })
  t.match(topology.routes[2], { missing: 'reject' })
  t.match(topology.routes[3], { key: [], readYourWritesMs: 2000, reads: 'local' })
  t.same(checkTopology(JSON.parse(JSON.stringify({ apiVersion: 'cellway/v1' }))).ok, false)
})

t.test('every option of a route', async (t) => {
  const topology = exampleTopology({
    'app: orders':
      'app: orders\n    name: orders\n    writes: [POST, PUT]\n    bodyMaxBytes: 1MiB\n    timeout: 1m\n    rateLimit: {perSecond: 100}\n    priority: low\n    websocket: true',
    'space: business\n    key: [{const: community}]': 'class: local'
  })
  t.match(topology.routes[0], {
    name: 'orders',
    writes: ['POST', 'PUT'],
    bodyBytesMax: 1_048_576,
    timeoutMs: 60_000,
    rateLimit: { perSecond: 100, burst: 100 },
    priority: 'low',
    websocket: true
  })
  t.match(topology.routes[2], { kind: 'local', app: 'default' })
})

t.test('warnings do not stop a topology', async (t) => {
  const warningsOf = (text: string): readonly Problem[] => {
    const checked = parseTopology(text)
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
    return checked.warnings
  }
  t.same(warningsOf(EXAMPLE_YAML), [], 'the key of a pinned one comes before the id')
  t.match(warningsOf(EXAMPLE_YAML.replace(USERS_KEY, '[{id: order_no}, {header: x-user-id}]')), [
    { path: 'routes[0].key', problem: /ids of pinned keys/ }
  ])
  t.match(warningsOf(EXAMPLE_YAML.replace('path: /api/products/**', 'path: /api/orders/new')).slice(0, 1), [
    { path: 'routes[3]', problem: /routes\[0\] matches all of them first/ }
  ])
  t.match(warningsOf(EXAMPLE_YAML.replace('[{const: community}]', '[{const: community}, {header: x}]')).slice(0, 1), [
    { path: 'routes[2].key[1]', problem: /never asked/ }
  ])
  t.match(warningsOf(EXAMPLE_YAML.replace('reads: local', 'missing: reject\n    reads: local')).slice(0, 1), [
    { path: 'routes[3].missing', problem: /no effect/ }
  ])
})

t.test('a secret is never repeated in the report', async (t) => {
  const checked = parseTopology(
    EXAMPLE_YAML.replace('env:MYSQL_PASSWORD', 'hunter2')
      .replace('redis://10.0.1.6', 'redis://u:hunter2@10.0.1.6')
      .replace('http://10.0.1.1', 'http://u:hunter2@10.0.1.1')
  )
  t.notOk(checked.ok)
  t.notMatch(JSON.stringify(checked), /hunter2/)
})

t.test('a parsed document is checked as strictly', async (t) => {
  for (const document of [null, 42, 'text', [], true]) t.match(checkTopology(document), { ok: false, problems: [{ path: '' }] }, String(document))
  t.match(checkTopology(JSON.parse('{"apiVersion":"cellway/v1","cells":{"__proto__":{"region":"x"}}}')), {
    ok: false,
    problems: [{ path: 'cells.__proto__', problem: /cannot be a name/ }]
  })
  let deep: unknown = {}
  for (let depth = 0; depth < 5000; depth++) deep = [deep]
  t.match(checkTopology({ cells: deep }), { ok: false, problems: [{ problem: /nested deeper/ }] })
  const wrong = checkTopology({ apiVersion: 1, cells: [], spaces: 'x', pins: 7, routes: {}, data: [], center: [] })
  t.match(wrong.ok ? [] : wrong.problems.map(({ path }) => path).sort(), ['apiVersion', 'cells', 'center', 'data', 'pins', 'routes', 'spaces'])
})

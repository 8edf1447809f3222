import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { contextAt, gatewayConfig, headerValues, startWorld } from './fixture.ts'
import { runMain } from './gateway-process.ts'
import type { Answer } from './http-client.ts'
import { MmdbDouble, type MmdbValue, writeMmdb } from './mmdb-writer.ts'
import { until } from './until.ts'

const place = (country: string, subdivision?: string, location?: readonly [number, number]): MmdbValue => ({
  continent: { code: 'AS' },
  country: { iso_code: country },
  ...(subdivision === undefined ? {} : { subdivisions: [{ iso_code: subdivision }] }),
  ...(location === undefined ? {} : { location: { latitude: new MmdbDouble(location[0]), longitude: new MmdbDouble(location[1]) } })
})

const folder = await mkdtemp(join(tmpdir(), 'cellway-geo-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const geoipFile = join(folder, 'city.mmdb')
await writeFile(
  geoipFile,
  writeMmdb({
    '1.0.1.0/24': place('CN', 'BJ', [39.9, 116.4]),
    '1.0.2.0/24': place('CN', 'SH', [31.2, 121.5]),
    '1.0.3.0/24': place('US', 'HI', [21.3, -157.9]),
    '1.0.4.0/24': place('CN', 'XJ', [43.8, 87.6]),
    '1.0.5.0/24': place('HK'),
    '2001:db8:1::/48': place('CN', 'SH', [31.2, 121.5])
  })
)

const geoip = { space: 'areas', key: [{ geoip: 'subdivision' }], missing: 'reject' }
const world = await startWorld({
  cells: ['beijing', 'shanghai'],
  spaces: {
    areas: {
      kind: 'list',
      values: ['bj', 'sh', 'hk', 'us-hi'],
      locations: { 'us-hi': [21.3, -157.9] },
      assign: { bj: 'beijing', sh: 'shanghai', hk: 'shanghai', 'us-hi': 'beijing' }
    }
  },
  routes: [
    { name: 'geoip', match: { path: '/geoip/**' }, ...geoip },
    { name: 'near', match: { path: '/near/**' }, space: 'areas', key: [{ coordinates: ['x-lat', 'x-lon'] }], missing: 'reject' },
    { name: 'area-by-ip', match: { path: '/area-by-ip/**' }, space: 'areas', key: [{ header: 'x-area' }], missing: 'by-ip' },
    { name: 'user-by-ip', match: { path: '/user-by-ip/**' }, space: 'users', key: [{ header: 'x-user-id' }], missing: 'by-ip' }
  ],
  config: { geoipFile },
  // Every client of these tests comes from 127.0.0.1: for beijing that is a load balancer, for shanghai somebody unknown.
  cellConfig: { beijing: { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] } }
})
t.teardown(() => world[Symbol.asyncDispose]())

const beijing = world.cell('beijing')
const shanghai = world.cell('shanghai')
const from = (ip: string, path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  beijing.send(path, { headers: { 'x-forwarded-for': ip, ...headers } })

t.test('the subdivision of the client address decides, for IPv4 and IPv6, across a hop as well', async (t) => {
  for (const [ip, cell, bucket] of [
    ['1.0.1.9', 'beijing', 'bj'],
    ['1.0.2.9', 'shanghai', 'sh'],
    ['1.0.3.9', 'beijing', 'us-hi'],
    ['1.0.5.9', 'shanghai', 'hk'],
    ['2001:db8:1::7', 'shanghai', 'sh'],
    ['::ffff:1.0.2.9', 'shanghai', 'sh']
  ] as const) {
    const answer = await from(ip, '/geoip/shops')
    t.equal(answer.json?.cell, cell, ip)
    const [seen] = world.take()[cell] ?? []
    t.equal(contextAt(seen, world.signingKey).bucket, bucket)
    t.same(headerValues(seen, 'x-forwarded-for'), [ip.replace('::ffff:', '')], 'the app learns the address of the client, and only that')
  }
})

t.test('an address without an entry has no key; an area that the space has not is no bucket', async (t) => {
  const nowhere = await from('192.0.2.1', '/geoip/shops')
  t.same([nowhere.status, nowhere.code], [400, 'TOPO_KEY_MISSING'])
  const elsewhere = await from('1.0.4.9', '/geoip/shops')
  t.same([elsewhere.status, elsewhere.code], [400, 'TOPO_VALUE_UNKNOWN'])
})

t.test('X-Forwarded-For counts from the right, past trusted proxies only', async (t) => {
  t.equal((await from('1.0.1.9, 1.0.2.9', '/geoip/x')).json?.cell, 'shanghai', 'left of an untrusted address proves nothing')
  t.equal((await from('1.0.2.9, 10.1.2.3', '/geoip/x')).json?.cell, 'shanghai', '10/8 is ours')
  t.equal((await from('1.0.2.9, nonsense, 10.1.2.3', '/geoip/x')).code, 'TOPO_KEY_MISSING', 'what is no address ends the search')
  const untrusted = await shanghai.send('/geoip/x', { headers: { 'x-forwarded-for': '1.0.1.9' } })
  t.equal(untrusted.code, 'TOPO_KEY_MISSING', 'a peer that is no trusted proxy speaks for itself')
  const spelled = await shanghai.send('/geoip/x', { headers: { 'x-real-ip': '1.0.1.9', forwarded: 'for=1.0.1.9' } })
  t.equal(spelled.code, 'TOPO_KEY_MISSING', 'by no other header either')
  world.take()
  await shanghai.send('/local/x', { headers: { 'x-forwarded-for': '1.0.1.9', 'x-real-ip': '1.0.1.9' } })
  const [seen] = world.take().shanghai ?? []
  t.same([headerValues(seen, 'x-forwarded-for'), headerValues(seen, 'x-real-ip')], [['127.0.0.1'], []])
})

t.test('coordinates lead to the nearest value', async (t) => {
  const at = (lat: string, lon: string): Promise<Answer> => beijing.send('/near/shops', { headers: { 'x-lat': lat, 'x-lon': lon } })
  t.equal((await at('30.3', '120.2')).json?.cell, 'shanghai', 'Hangzhou is near Shanghai')
  t.equal((await at('39.1', '117.2')).json?.cell, 'beijing', 'Tianjin is near Beijing')
  t.equal((await at('20.9', '-156.5')).json?.cell, 'beijing', 'Maui is near Honolulu')
  t.equal((await at('91', '0')).code, 'TOPO_KEY_INVALID')
  t.equal((await at('4e1', '0')).code, 'TOPO_KEY_INVALID')
  t.equal((await beijing.send('/near/shops', { headers: { 'x-lat': '30' } })).code, 'TOPO_KEY_INVALID', 'one coordinate is none')
  t.equal((await beijing.send('/near/shops')).code, 'TOPO_KEY_MISSING')
  world.take()
})

t.test('missing: by-ip finds the area of a list, and the nearest cell of a hash space', async (t) => {
  t.equal((await from('1.0.2.9', '/area-by-ip/x')).json?.cell, 'shanghai')
  t.equal((await from('1.0.2.9', '/area-by-ip/x', { 'x-area': 'bj' })).json?.cell, 'beijing', 'a key comes first')
  t.equal((await from('192.0.2.1', '/area-by-ip/x')).code, 'TOPO_KEY_MISSING')
  world.take()
  t.equal((await from('1.0.2.9', '/user-by-ip/x')).json?.cell, 'shanghai')
  t.equal(contextAt(world.take().shanghai?.[0], world.signingKey).bucket, undefined, 'a cell, but no bucket')
  t.equal((await from('1.0.1.9', '/user-by-ip/x')).json?.cell, 'beijing')
  world.take()
})

t.test('explain knows the database, too', async (t) => {
  const { json } = await beijing.gateway.admin('/v1/route/explain', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: '/geoip/shops', clientIp: '1.0.2.9' })
  })
  t.match(json, { key: { source: 'geoip subdivision', canonical: 'sh' }, bucket: { owner: 'shanghai' }, verdict: { kind: 'hop', cell: 'shanghai' } })
})

t.test('a file that is no GeoIP database stops the start', async (t) => {
  const wrong = join(folder, 'wrong.mmdb')
  await writeFile(wrong, 'not a database')
  const configFile = join(folder, 'gateway.json')
  const plan = { name: 'beijing', port: 0, adminPort: 0, snapshotFile: join(folder, 'none.json') }
  await writeFile(join(folder, 'signing.key'), 'ab'.repeat(32))
  await writeFile(configFile, JSON.stringify(gatewayConfig(plan, folder, { config: { geoipFile: wrong } })))
  const run = runMain(['--config', configFile])
  t.teardown(() => run.child.kill('SIGKILL'))
  await until('the process has ended', () => run.exit() !== undefined, 20_000)
  t.equal(run.exit(), 1)
})

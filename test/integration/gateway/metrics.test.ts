import t from 'tap'
import { startWorld, userAt } from './fixture.ts'
import { metricValue } from './gateway-process.ts'
import { readBody } from './recording-app.ts'
import { until } from './until.ts'

const world = await startWorld({
  cells: ['beijing', 'shanghai'],
  routes: [{ name: 'tight', match: { path: '/tight/**' }, class: 'local', bodyMaxBytes: 10 }],
  cellConfig: { beijing: { workers: 2 } }
})
t.teardown(() => world[Symbol.asyncDispose]())

const beijing = world.cell('beijing')

t.test('after a known set of requests the counters of two workers add up to it', async (t) => {
  const repeat = (count: number, send: () => Promise<unknown>): Promise<unknown[]> => Promise.all(Array.from({ length: count }, send))
  await repeat(20, () => beijing.send('/users/me', { headers: userAt('beijing') }))
  await repeat(10, () => beijing.send('/users/me', { method: 'POST', headers: userAt('shanghai'), body: 'x' }))
  await repeat(5, () => beijing.send('/users/me'))
  await repeat(3, () => beijing.send('/nowhere'))
  await repeat(4, () => beijing.send('/tight/x', { method: 'POST', body: 'more than ten bytes' }))
  beijing.app.handler = (_request, response) => response.writeHead(500).end()
  await repeat(6, () => beijing.send('/local/x'))
  beijing.app.handler = undefined

  const rows: readonly (readonly [number, string, Record<string, string>])[] = [
    [20, 'cellway_gateway_requests_total', { route: 'users', verdict: 'local', status: '2xx' }],
    [10, 'cellway_gateway_requests_total', { route: 'users', verdict: 'hop', status: '2xx' }],
    [6, 'cellway_gateway_requests_total', { route: 'local', verdict: 'local', status: '5xx' }],
    [12, 'cellway_gateway_requests_total', { verdict: 'refuse', status: '4xx' }],
    [48, 'cellway_gateway_requests_total', {}],
    [30, 'cellway_gateway_request_seconds_count', { route: 'users' }],
    [5, 'cellway_gateway_refusals_total', { code: 'TOPO_KEY_MISSING' }],
    [3, 'cellway_gateway_refusals_total', { code: 'TOPO_NO_ROUTE' }],
    [4, 'cellway_gateway_refusals_total', { code: 'GW_BODY_TOO_LARGE' }],
    [12, 'cellway_gateway_refusals_total', {}],
    [0, 'cellway_gateway_in_flight_requests', {}],
    [0, 'cellway_gateway_held_requests', {}],
    [1, 'cellway_gateway_snapshot_version', {}],
    [1, 'cellway_gateway_upstream_up', { cell: 'beijing' }],
    [1, 'cellway_gateway_upstream_up', { cell: 'shanghai', app: '@gateway' }],
    [2, 'cellway_gateway_snapshot_adoption_seconds_count', {}]
  ]
  let text = ''
  // The last answers may be read before their requests are counted.
  await until('everything is counted', async () => {
    text = (await beijing.gateway.admin('/metrics')).text
    return metricValue(text, 'cellway_gateway_requests_total', {}) >= 48 && metricValue(text, 'cellway_gateway_in_flight_requests', {}) === 0
  })
  for (const [want, name, labels] of rows) t.equal(metricValue(text, name, labels), want, `${name} ${JSON.stringify(labels)}`)
  t.equal(await world.cell('shanghai').gateway.metric('cellway_gateway_requests_total', { route: 'users', verdict: 'local', status: '2xx' }), 10)
  const { workers } = (await beijing.gateway.admin('/v1/upstreams')).json
  t.equal(workers.length, 2)
})

t.test('both workers take connections, and each has every snapshot', async (t) => {
  const served = new Set<number>()
  beijing.app.handler = (request, response, seen) => {
    // The request id carries the worker's pid.
    served.add(Number.parseInt(String(request.headers['x-request-id']).split('-').at(-2) ?? '', 36))
    readBody(request, seen).then(
      () => response.end(),
      () => undefined
    )
  }
  await until('both have served', async () => {
    await beijing.send('/local/x')
    return served.size === 2
  })
  const { workers } = (await beijing.gateway.admin('/v1/upstreams')).json
  t.same([...served].sort(), workers.map((worker: { pid: number }) => worker.pid).sort())
  await world.setBucket('users', 'pin:at-beijing', { state: { kind: 'frozen', reason: 'audit' } })
  const refused = await Promise.all(
    Array.from({ length: 20 }, () => beijing.send('/users/me', { method: 'POST', headers: userAt('beijing'), body: 'x' }))
  )
  t.same(new Set(refused.map((answer) => answer.code)), new Set(['TOPO_FROZEN']))
  await world.setBucket('users', 'pin:at-beijing', { state: { kind: 'owned' } })
})

t.test('writes in flight are counted by space, and only while they are in flight', async (t) => {
  const release = Promise.withResolvers<void>()
  beijing.app.handler = (_request, response) => {
    release.promise.then(
      () => response.end('done'),
      () => undefined
    )
  }
  const writes = [1, 2, 3].map(() => beijing.send('/users/me', { method: 'POST', headers: userAt('beijing'), body: 'x' }))
  const read = beijing.send('/users/me', { headers: userAt('beijing') })
  const inFlight = (): Promise<number> => beijing.gateway.metric('cellway_gateway_in_flight_writes', { space: 'users' })
  await until('three writes are in flight', async () => (await inFlight()) === 3)
  t.equal(await beijing.gateway.metric('cellway_gateway_in_flight_requests'), 4)
  t.equal(await beijing.gateway.metric('cellway_gateway_connections'), 4)
  release.resolve()
  await Promise.all([...writes, read])
  await until('none is left', async () => Number.isNaN(await inFlight()))
})

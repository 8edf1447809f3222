import { Agent } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { METRIC_TABLE } from '@cellway/telemetry'
import { buildSnapshot, encodeSnapshot } from '@cellway/topology'
import t from 'tap'
import { bucketAt, startWorld, untilAdopted, userAt } from './fixture.ts'
import { metricValue } from './gateway-process.ts'
import { send } from './http-client.ts'
import { until } from './until.ts'

const world = await startWorld({ cells: ['beijing'], withoutSnapshot: true })
t.teardown(() => world[Symbol.asyncDispose]())

const { first: cell } = world
const version = async (): Promise<number> => (await cell.gateway.admin('/v1/snapshot')).json.adopted.version
const explain = (body: unknown): ReturnType<typeof cell.gateway.admin> =>
  cell.gateway.admin('/v1/route/explain', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
const unusableLines = (): number => cell.gateway.output().split('snapshot file is not usable').length - 1

async function untilRefused(what: string, text: string): Promise<void> {
  const before = unusableLines()
  await world.writeSnapshot(text)
  await until(`${what} is refused`, () => unusableLines() > before)
}

t.test('without a snapshot: alive, not ready, and every request is refused with a reason', async (t) => {
  t.equal((await cell.gateway.admin('/health/live')).status, 200)
  const ready = await cell.gateway.admin('/health/ready')
  t.same([ready.status, ready.json.reason], [503, 'waiting for the first topology'])
  const answer = await cell.send('/users/me', { headers: userAt('beijing') })
  t.same([answer.status, answer.code, answer.headers['retry-after']], [503, 'GW_NO_SNAPSHOT', '1'])
  t.equal((await explain({ url: '/users/me' })).status, 503)
  t.equal(await version(), 0)
})

t.test('a damaged file is no topology', async (t) => {
  await untilRefused('half a file', encodeSnapshot(world.snapshot()).slice(0, 400))
  t.equal((await cell.gateway.admin('/health/ready')).status, 503)
})

t.test('a whole file is adopted as soon as it is there', async (t) => {
  await world.writeSnapshot(encodeSnapshot(world.snapshot()))
  await until('ready', async () => (await cell.gateway.admin('/health/ready')).status === 200)
  t.equal((await cell.send('/users/me', { headers: userAt('beijing') })).json.cell, 'beijing')
})

t.test('with a snapshot in force, damaged files are refused and traffic does not notice', async (t) => {
  await world.setBucket('users', bucketAt('beijing'), { state: { kind: 'owned' } })
  const good = encodeSnapshot(world.snapshot())
  const damaged: Readonly<Record<string, string>> = {
    'an empty file': '',
    'no JSON': 'not JSON',
    'a cut file': good.slice(0, -20),
    'a changed owner': good.replace('"beijing"', '"shanghai"'),
    'a higher version under the old checksum': good.replace('"version":2', '"version":99'),
    'another shape': JSON.stringify({ formatVersion: 1, version: 99 })
  }
  for (const [what, text] of Object.entries(damaged)) {
    await untilRefused(what, text)
    t.equal(await version(), 2, what)
    t.equal((await cell.send('/users/me', { headers: userAt('beijing') })).status, 200)
  }
})

t.test('an older version, or another one of the same version, changes nothing', async (t) => {
  const current = world.snapshot()
  const frozen = current.ledger.map((entry) => ({ ...entry, state: { kind: 'frozen' as const, reason: 'must not be seen' } }))
  for (const old of [current.version - 1, current.version]) {
    await world.writeSnapshot(encodeSnapshot(buildSnapshot({ version: old, topology: current.topology, ledger: frozen })))
    // Two looks at the file; there is nothing to see when it rightly does nothing.
    await delay(1_100)
    const write = await cell.send('/users/me', { method: 'POST', headers: userAt('beijing'), body: 'x' })
    t.equal(write.status, 200, `version ${old}`)
  }
  const { json } = await cell.gateway.admin('/v1/snapshot')
  t.same([json.version, json.checksum], [current.version, current.checksum])
})

t.test('a restart serves at once from the file, with nobody to ask', async (t) => {
  await world.writeSnapshot(encodeSnapshot(world.snapshot()))
  await world.restart('beijing')
  t.equal(await version(), world.snapshot().version)
  t.equal((await cell.send('/users/me', { headers: userAt('beijing') })).status, 200)
})

t.test('a worker that is killed is replaced, with the same snapshot', async (t) => {
  const workerPid = async (): Promise<number | undefined> => (await cell.gateway.admin('/v1/upstreams')).json.workers[0]?.pid
  const killed = (await workerPid()) ?? 0
  process.kill(killed, 'SIGKILL')
  await until('another worker', async () => {
    const pid = await workerPid()
    return pid !== undefined && pid !== killed && (await cell.gateway.admin('/health/ready')).status === 200
  })
  await untilAdopted(cell.gateway, world.snapshot().version)
  t.equal((await cell.send('/users/me', { headers: userAt('beijing') })).status, 200)
})

t.test('/metrics is Prometheus text with every metric of the table', async (t) => {
  const { text, headers } = await cell.gateway.admin('/metrics')
  t.match(headers['content-type'], /^text\/plain/)
  const row =
    /^(?:# (?:HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .+|[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*",?)*\})? (?:[-+]?[0-9.e+-]+|NaN|\+Inf))$/
  t.same(
    text.split('\n').filter((line) => line !== '' && !row.test(line)),
    [],
    'every line parses'
  )
  for (const { name, type } of METRIC_TABLE) {
    if (name.startsWith('cellway_gateway_')) t.ok(text.includes(`# TYPE ${name} ${type}`), name)
  }
  t.equal(metricValue(text, 'cellway_gateway_snapshot_version', {}), world.snapshot().version)
  t.equal(metricValue(text, 'cellway_gateway_upstream_up', { cell: 'beijing' }), 1)
  t.ok(metricValue(text, 'cellway_gateway_snapshot_age_seconds', {}) < 60)
})

t.test('/v1/snapshot, /v1/upstreams and explain say what is in force', async (t) => {
  const { checksum } = world.snapshot()
  const snapshot = await cell.gateway.admin('/v1/snapshot')
  t.match(snapshot.json, { cell: 'beijing', member: 'beijing-gw-1', checksum, adopted: { checksum }, controlConnected: false })
  t.type(snapshot.json.ageMs, 'number')
  await until('a probe', async () => (await cell.gateway.admin('/v1/upstreams')).json.workers[0].instances[0].probe === 'up')
  const upstreams = await cell.gateway.admin('/v1/upstreams')
  const instance = { origin: cell.app.origin, cell: 'beijing', app: 'default', probe: 'up', breaker: 'closed', takesRequests: true }
  t.match(upstreams.json.workers, [{ version: world.snapshot().version, inFlight: 0, held: 0, instances: [instance] }])
  const explained = await explain({ method: 'POST', url: 'https://shop.example/users/me?a=1', headers: [['X-User-Id', 'at-beijing']] })
  t.match(explained.json, {
    route: { name: 'users' },
    operation: 'write',
    key: { source: 'header x-user-id', canonical: 'at-beijing' },
    bucket: { bucket: bucketAt('beijing'), owner: 'beijing' },
    verdict: { kind: 'local', cell: 'beijing' },
    upstreams: [cell.app.origin]
  })
  t.match(explained.json.text, /at-beijing/)
  const refused = await explain({ url: '/users/me' })
  t.match(refused.json.verdict, { kind: 'refuse', error: { code: 'TOPO_KEY_MISSING', statusCode: 400 } })
})

t.test('the admin listener refuses what it does not know, without a stack', async (t) => {
  t.equal((await cell.gateway.admin('/nowhere')).status, 404)
  const wrong = await explain({ url: 7, method: { a: 1 } })
  t.equal(wrong.status, 400)
  t.type(wrong.json.error.code, 'string')
  t.notMatch(wrong.text, /at .*\.ts/)
  t.equal((await cell.gateway.admin('/v1/drain')).status, 404, 'only POST drains')
  t.equal((await cell.send('/health/live')).status, 404, 'the data port has none of it')
})

t.test('drain by the admin listener: not ready, idle connections end, the process ends with 0', async (t) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.equal((await send(cell.origin, '/local/x', { agent })).headers.connection, 'keep-alive')
  const startedMs = performance.now()
  const drained = await cell.gateway.admin('/v1/drain', { method: 'POST' })
  t.same([drained.status, drained.json], [202, { status: 'draining' }])
  const late = await cell.gateway.admin('/health/ready').catch(() => undefined)
  if (late !== undefined) t.same([late.status, late.json.reason], [503, 'draining'])
  await until('the process has ended', () => cell.gateway.exit() !== undefined)
  t.equal(cell.gateway.exit(), 0)
  t.ok(performance.now() - startedMs < 4_500, 'an idle connection does not hold it until the deadline of 5 s')
  await t.rejects(send(cell.origin, '/local/x'), { code: 'ECONNREFUSED' })
  agent.destroy()
})

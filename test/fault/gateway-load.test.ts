/**
 * A real gateway under load, with real faults: idle and slow clients, a killed app instance, a killed worker, restarts.
 * A run in which the fault did not land, or with too little traffic to show anything, fails.
 */
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { hasEnded, isAnswering, rssBytes, startProcess, takePorts, waitUntil } from '../bench/gateway/processes.ts'
import { median } from '../bench/gateway/statistics.ts'
import { Connection } from './gateway-load/connection.ts'
import { describe, percentile, requestText, startLoad, type Tally } from './gateway-load/load.ts'
import { type App, DRAIN_DEADLINE_MS, type Gateway, type GatewayPlace, seenIds, startApp, startGateway } from './gateway-load/processes.ts'
import type { SlowOutcome } from './gateway-load/slow-clients-main.ts'

const PORTS_FROM = 25_500
const SLOW_MAIN = fileURLToPath(new URL('gateway-load/slow-clients-main.ts', import.meta.url))

t.setTimeout(240_000)

interface World extends AsyncDisposable {
  readonly gateway: Gateway
  readonly apps: readonly App[]
  readonly appPorts: readonly number[]
  readonly logFiles: readonly string[]
  /** Starts one more process on the same data port. */
  startAnother(name: string): Promise<Gateway>
  restartApp(index: number): Promise<App>
}

async function startWorld(config: Readonly<Record<string, unknown>> = {}, instances = 2): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'cellway-gateway-load-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const [port = 0, adminPort = 0, otherAdminPort = 0, ...appPorts] = await takePorts(3 + instances, PORTS_FROM)
  const places = appPorts.map((appPort) => ({ port: appPort, logFile: join(folder, `app-${appPort}.log`) }))
  const apps = await Promise.all(places.map(async (place) => stack.use(await startApp(place))))
  const place: GatewayPlace = { folder, name: 'gw-old', port, adminPort, apps: appPorts.map((appPort) => `http://127.0.0.1:${appPort}`), config }
  const gateway = stack.use(await startGateway(place))
  const resources = stack.move()
  return {
    gateway,
    apps,
    appPorts,
    logFiles: places.map(({ logFile }) => logFile),
    startAnother: async (name) => resources.use(await startGateway({ ...place, name, adminPort: otherAdminPort })),
    restartApp: async (index) => {
      const again = places[index]
      if (again === undefined) throw new Error(`there is no app ${index}`)
      return resources.use(await startApp(again))
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync()
  }
}

/** The hard limit: node raises the soft one to it by itself. */
async function openFilesMax(): Promise<number> {
  const [, hard = '0'] = /Max open files\s+\S+\s+(\S+)/.exec(await readFile('/proc/self/limits', 'utf8')) ?? []
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
}

/** Lets the load run until so many answers have come since now: progress, not time, decides how long a phase lasts. */
async function untilAnswered(tally: Tally, more: number): Promise<void> {
  const from = tally.answered
  await waitUntil(`${more} answers`, 20_000, () => tally.answered >= from + more)
}

t.test('10,000 idle connections cost a worker at most 400 MB, and still work', async (t) => {
  const COUNT = 10_000
  const PER_ADDRESS = 1_000
  const limit = await openFilesMax()
  if (limit < COUNT + 500) {
    t.comment(`SKIPPED: this needs ${COUNT + 500} open files, the hard limit is ${limit} (ulimit -Hn)`)
    t.pass('not enough open files allowed', { skip: `hard limit of ${limit} open files` })
    return
  }
  await using world = await startWorld(
    { limits: { keepAliveTimeoutMs: 120_000, connectionsMax: COUNT + 100, connectionsPerClientMax: PER_ADDRESS } },
    1
  )
  const { gateway } = world
  const connections: Connection[] = []
  const ask = async (connection: Connection): Promise<boolean> => {
    const exchange = await connection.request(requestText('GET', gateway.port))
    return exchange.kind === 'answered' && exchange.answer.statusCode === 200
  }
  let failed = 0
  // Each source address has its own ports, as real clients do.
  for (let address = 2; connections.length < COUNT; address++) {
    const group = Array.from({ length: PER_ADDRESS }, () => new Connection(gateway.port, `127.0.0.${address}`))
    connections.push(...group)
    for (let at = 0; at < group.length; at += 100) {
      const answers = await Promise.all(group.slice(at, at + 100).map(ask))
      failed += answers.filter((answered) => !answered).length
    }
  }
  t.equal(failed, 0, 'each connection has served a request')
  t.equal(await gateway.counter('cellway_gateway_connections'), COUNT, 'all of them are open')
  const rssMiB = rssBytes(gateway.workerPid()) / 1024 / 1024
  t.comment(`worker RSS with ${COUNT} idle connections: ${Math.round(rssMiB)} MiB`)
  t.ok(rssMiB > 50 && rssMiB * 1024 * 1024 <= 400e6, `RSS ${Math.round(rssMiB)} MiB is a worker's, and within the limit`)
  const sample = connections.filter((_, index) => index % 50 === 0)
  t.notOk((await Promise.all(sample.map(ask))).includes(false), `${sample.length} of the idle connections serve another request`)
  for (const connection of connections) connection.close()
})

t.test('slow clients are cut off and hurt nobody', async (t) => {
  const EACH = 200
  const ROUNDS = 3
  await using world = await startWorld({
    limits: { headersTimeoutMs: 1_500, requestTimeoutMs: 2_000, connectionsPerClientMax: 2_000, keepAliveTimeoutMs: 5_000 }
  })
  const { port } = world.gateway
  const without: number[] = []
  const beside: number[] = []
  const outcomes: SlowOutcome[] = []
  const warmUp = startLoad({ port, connections: 4, method: 'GET' })
  await untilAnswered(warmUp.tally, 2_000)
  await warmUp.stop()
  const measure = async (during: () => Promise<void>): Promise<number> => {
    const load = startLoad({ port, connections: 4, method: 'GET' })
    await during()
    const tally = await load.stop()
    t.ok(tally.latenciesMs.length >= 200, `enough traffic: ${describe(tally)}`)
    t.same([[...tally.byStatus.keys()], tally.lost], [[200], []], 'nobody else is refused')
    return percentile(tally.latenciesMs, 0.99)
  }
  for (let number = 0; number < ROUNDS; number++) {
    without.push(await measure(() => delay(1_500)))
    await using slow = await startProcess({ command: process.execPath, args: [SLOW_MAIN, String(port), String(EACH), '15000'], stdout: 'pipe' })
    const lines = createInterface({ input: slow.process.stdout ?? process.stdin })[Symbol.asyncIterator]()
    t.equal((await lines.next()).value, 'slow', 'the slow clients are there')
    beside.push(
      await measure(async () => {
        outcomes.push(...parseOutcomes(await lines.next()))
      })
    )
    if (!hasEnded(slow.process)) await once(slow.process, 'exit')
  }
  t.equal(outcomes.length, ROUNDS * EACH * 2)
  t.same(
    outcomes.filter(({ open }) => open),
    [],
    'all of them are cut off'
  )
  t.ok(
    outcomes.every(({ statusCode }) => statusCode === 408 || statusCode === 0),
    'with 408, or closed'
  )
  t.ok(outcomes.filter(({ statusCode }) => statusCode === 408).length > outcomes.length / 2, 'most are told why')
  t.ok(
    outcomes.every(({ afterMs }) => afterMs > 1_500),
    'but not before their time'
  )
  t.same((await seenIds('POST', world.logFiles)).length, 0, 'no instance has seen any of the slow bodies')
  const figures = `p99 ms without: ${without.map((value) => value.toFixed(1))}, beside slow clients: ${beside.map((value) => value.toFixed(1))}`
  t.comment(figures)
  // A gateway that suffers from slow clients suffers in each window, a machine that others use suffers in some: so the best window beside
  // them stands against the usual window without. The floor keeps two tiny numbers from making a large ratio.
  t.ok(Math.min(...beside) <= Math.max(2 * median(without), 5), `others' p99 stays within 2 x: ${figures}`)
})

function parseOutcomes(line: IteratorResult<string, unknown>): readonly SlowOutcome[] {
  if (line.done === true) throw new Error('the slow clients ended without a result')
  return JSON.parse(line.value) as SlowOutcome[]
}

t.test('an app instance killed under load fails no safe request, and no other is sent twice', async (t) => {
  await using world = await startWorld()
  const { gateway, apps } = world
  const [victim, survivor] = apps
  if (victim === undefined || survivor === undefined) throw new Error('two instances are needed')
  const reads = startLoad({ port: gateway.port, connections: 32, method: 'GET' })
  const writes = startLoad({ port: gateway.port, connections: 16, method: 'POST' })
  await untilAnswered(reads.tally, 1_000)
  await untilAnswered(writes.tally, 100)
  t.ok((reads.tally.servedBy.get(victim.pid) ?? 0) > 100 && (reads.tally.servedBy.get(survivor.pid) ?? 0) > 100, 'both instances take part')
  await victim.kill()
  await untilAnswered(reads.tally, 2_000)
  await untilAnswered(writes.tally, 100)
  const back = await world.restartApp(0)
  await waitUntil('requests on the instance that is back', 20_000, () => (reads.tally.servedBy.get(back.pid) ?? 0) > 100)
  const [read, written] = [await reads.stop(), await writes.stop()]
  t.comment(`reads: ${describe(read)}; writes: ${describe(written)}`)
  t.same([...read.byStatus.keys()], [200], 'every safe request was answered with 200')
  t.same([read.lost, written.lost], [[], []], 'every request was answered')
  t.same(
    [...written.byStatus.keys()].filter((status) => status !== 200 && status !== 502),
    [],
    'writes succeed, or fail with 502'
  )
  t.ok((written.byStatus.get(502) ?? 0) > 0, 'the fault landed: writes were in flight on the instance')
  t.ok((written.byStatus.get(502) ?? 0) <= 16, 'only what was in flight fails')
  t.ok((await gateway.counter('cellway_gateway_retries_total')) > 0, 'reads were in flight, too, and were sent again')
  const ids = await seenIds('POST', world.logFiles)
  t.ok(ids.length >= (written.byStatus.get(200) ?? 0), 'the instances have logged what they got')
  t.equal(new Set(ids).size, ids.length, `none of ${ids.length} writes was seen twice`)
})

t.test('a new gateway beside the old one, which then drains: no answer is lost', async (t) => {
  await using world = await startWorld()
  const load = startLoad({ port: world.gateway.port, connections: 32, method: 'GET' })
  await untilAnswered(load.tally, 1_000)
  await world.startAnother('gw-new')
  await untilAnswered(load.tally, 500)
  await checkDrain(t, world.gateway)
  const drained = load.tally.gateways.get('gw-old') ?? 0
  await untilAnswered(load.tally, 1_000)
  checkRestart(t, await load.stop())
  t.equal(load.tally.gateways.get('gw-old'), drained, 'the old one answers nothing after its end')
})

t.test('a gateway that stops and then starts again: clients wait, no answer is lost', async (t) => {
  await using world = await startWorld()
  const load = startLoad({ port: world.gateway.port, connections: 32, method: 'GET' })
  await untilAnswered(load.tally, 1_000)
  await checkDrain(t, world.gateway)
  await waitUntil('clients that cannot connect', 5_000, () => load.tally.reconnects > 0)
  await world.startAnother('gw-new')
  await untilAnswered(load.tally, 1_000)
  checkRestart(t, await load.stop())
})

async function checkDrain(t: Test, gateway: Gateway): Promise<void> {
  const startMs = performance.now()
  t.equal(await gateway.drain(), 0, 'the old one ended by itself')
  const tookMs = performance.now() - startMs
  t.ok(tookMs < DRAIN_DEADLINE_MS, `after ${Math.round(tookMs)} ms: no connection had to be cut at the deadline`)
}

function checkRestart(t: Test, tally: Tally): void {
  t.comment(describe(tally))
  t.same([...tally.byStatus.keys()], [200], 'every answer is 200')
  t.same(tally.lost, [], 'no answer was lost')
  for (const name of ['gw-old', 'gw-new']) t.ok((tally.gateways.get(name) ?? 0) >= 500, `${name} served ${tally.gateways.get(name)} requests`)
}

t.test('a worker killed under load is replaced, and traffic resumes', async (t) => {
  await using world = await startWorld()
  const { gateway } = world
  const load = startLoad({ port: gateway.port, connections: 32, method: 'GET' })
  await untilAnswered(load.tally, 1_000)
  const before = gateway.workerPid()
  t.ok(before > 0 && before !== gateway.started.pid, 'the worker is a process of its own')
  process.kill(before, 'SIGKILL')
  await waitUntil('another worker', 20_000, () => gateway.workerPid() !== before && gateway.workerPid() > 0)
  await waitUntil('readiness', 20_000, () => isAnswering(`${gateway.adminUrl}/health/ready`))
  const lostByCrash = load.tally.lost.length
  await untilAnswered(load.tally, 2_000)
  const tally = await load.stop()
  t.comment(describe(tally))
  t.ok(lostByCrash > 0 && lostByCrash <= 32, `the fault landed: ${lostByCrash} requests were in flight`)
  t.equal(tally.lost.length, lostByCrash, 'nothing is lost after that')
  t.same([...tally.byStatus.keys()], [200], 'every answer is 200')
  t.notOk(hasEnded(gateway.started.process), 'the supervisor is the same')
})

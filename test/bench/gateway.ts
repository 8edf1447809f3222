import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { type LatencyRounds, measureLatency } from './gateway/latency.ts'
import { cpuUs, requireTools, takePorts } from './gateway/processes.ts'
import {
  CONNECTIONS,
  type Contender,
  type ProxyName,
  startCellway,
  startHaproxy,
  startHttpProxy,
  startNginx,
  startUpstream
} from './gateway/proxies.ts'
import { BUCKETS, bucketOfUser, ROUTES, routedPath } from './gateway/routed-cell.ts'
import { median, round } from './gateway/statistics.ts'
import { runWrk, USERS, userOf, writeWrkScript } from './gateway/wrk.ts'

export const needs = ['nginx', 'haproxy', 'wrk']
export const summary = 'CPU per request and added latency of a gateway, beside nginx, HAProxy and @fastify/http-proxy'

/** Requests before the first round: until then V8 still compiles, and a JavaScript proxy is several times slower than it will be. */
const WARM_UP_REQUESTS = 60_000
const WARM_UP_SECONDS_MAX = 40
/** Fewer requests in a round mean that something else had the machine; a figure made of them would be noise. */
const REQUESTS_PER_ROUND_MIN = 1_000
/** Under this load a JavaScript proxy takes its whole core; when it got less, others took it, and its caches with it. */
const CORE_SHARE_MIN = 0.85
/** Answers per round whose bucket is compared with our own calculation. */
const SAMPLE = 50

export interface ProxyFigures {
  /** Of the process that carries the requests. */
  readonly cpuUsPerRequest: number
  readonly requestsPerSecond: number
  readonly addedMsP50: number
  readonly addedMsP99: number
  /** Rate at which the added latency was measured. */
  readonly latencyRequestsPerSecond: number
}

export interface GatewayBench {
  readonly name: 'gateway'
  readonly ours: ProxyFigures & { readonly supervisorCpuUsPerRequest: number; readonly bucketsChecked: number; readonly coreShare: number }
  readonly peer: { readonly nginx: ProxyFigures; readonly haproxy: ProxyFigures; readonly httpProxy: ProxyFigures }
  /** CPU per request, median of ours / median of the peer's. */
  readonly ratio: { readonly nginx: number; readonly haproxy: number; readonly httpProxy: number }
  readonly rounds: number
  readonly setup: Readonly<Record<string, string>>
  readonly machine: string
}

interface CpuRound {
  readonly cpuUsPerRequest: number
  readonly otherCpuUsPerRequest: number
  readonly requestsPerSecond: number
  /** CPU time of all its processes per second on the clock. */
  readonly coreShare: number
}

type ByProxy<Value> = Readonly<Record<ProxyName, Value>>

/**
 * CPU per request and added latency, side by side with nginx, HAProxy and `@fastify/http-proxy`.
 * Arguments: `--rounds 5`, `--seconds 4`, `--base-port 25000`.
 */
export async function run({ json, args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<GatewayBench> {
  const options = parseOptions(args)
  await requireTools({ nginx: 'nginx-light', haproxy: 'haproxy', wrk: 'wrk', taskset: 'util-linux' })
  if (cpus().length < 2) throw new Error('this needs two cores: one for the proxy, one for the load')
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'cellway-bench-gateway-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const [upstreamPort = 0, cellwayPort = 0, adminPort = 0, nginxPort = 0, haproxyPort = 0, httpProxyPort = 0] = await takePorts(6, options.basePort)
  const place = (port: number): Parameters<typeof startNginx>[0] => ({ folder, port, upstreamPort })
  stack.use(await startUpstream(place(upstreamPort)))
  const cellway = stack.use(await startCellway(place(cellwayPort), adminPort))
  const nginx = stack.use(await startNginx(place(nginxPort)))
  const haproxy = stack.use(await startHaproxy(place(haproxyPort)))
  const httpProxy = stack.use(await startHttpProxy(place(httpProxyPort)))
  const proxies = [cellway, nginx, haproxy, httpProxy]
  const script = await writeWrkScript(folder)

  const tell = (text: string): void => {
    if (!json) process.stdout.write(`${text}\n`)
  }
  for (const proxy of proxies) await warmUp(proxy, script)
  const rounds: Record<ProxyName, CpuRound[]> = { cellway: [], nginx: [], haproxy: [], httpProxy: [] }
  let bucketsChecked = 0
  for (let number = 1; number <= options.rounds; number++) {
    for (const proxy of proxies) rounds[proxy.name].push(await cpuRound(proxy, script, options.seconds))
    bucketsChecked += await checkBuckets(cellway, number)
    const line = proxies.map(({ name }) => `${name} ${round(rounds[name].at(-1)?.cpuUsPerRequest ?? Number.NaN, 1)}`).join(', ')
    tell(`round ${number} of ${options.rounds}, CPU us per request: ${line}`)
  }
  const throughput = (name: ProxyName): number => median(rounds[name].map((each) => each.requestsPerSecond))
  const latency = await measureLatency({
    direct: upstreamPort,
    proxies,
    rounds: options.rounds,
    seconds: options.seconds,
    // Half of what ours can do; half of its own for a peer that cannot do as much.
    perSecondOf: (name) => Math.round(Math.min(throughput('cellway'), throughput(name)) / 2),
    tell
  })
  const result = summarise(rounds, latency, { bucketsChecked, machine: await machine() })
  if (!json) print(result)
  return result
}

function parseOptions(args: readonly string[]): { readonly rounds: number; readonly seconds: number; readonly basePort: number } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      'base-port': { type: 'string', default: '25000' }
    }
  })
  const [rounds = 0, seconds = 0, basePort = 0] = [values.rounds, values.seconds, values['base-port']].map(Number)
  if (![rounds, seconds, basePort].every((value) => Number.isInteger(value) && value > 0))
    throw new Error('--rounds, --seconds, --base-port: whole numbers')
  return { rounds, seconds, basePort }
}

async function warmUp({ port }: Contender, script: string): Promise<void> {
  let requests = 0
  for (let seconds = 0; requests < WARM_UP_REQUESTS && seconds < WARM_UP_SECONDS_MAX; seconds += 2)
    requests += (await runWrk(script, port, 2)).requests
}

async function cpuRound(proxy: Contender, script: string, seconds: number): Promise<CpuRound> {
  const beforeUs = cpuUs(proxy.dataPids)
  const otherBeforeUs = cpuUs(proxy.otherPids)
  // Metrics are not only on, somebody reads them, as often as a monitoring system would.
  const [load] = await Promise.all([runWrk(script, proxy.port, seconds), scrape(proxy)])
  if (load.requests < REQUESTS_PER_ROUND_MIN)
    throw new Error(`only ${load.requests} requests in ${seconds} s through ${proxy.name}: the machine is too busy to measure`)
  const dataUs = cpuUs(proxy.dataPids) - beforeUs
  const otherUs = cpuUs(proxy.otherPids) - otherBeforeUs
  return {
    cpuUsPerRequest: dataUs / load.requests,
    otherCpuUsPerRequest: otherUs / load.requests,
    requestsPerSecond: load.requests / load.seconds,
    coreShare: (dataUs + otherUs) / 1_000_000 / load.seconds
  }
}

async function scrape({ metricsUrl }: Contender): Promise<void> {
  if (metricsUrl === undefined) return
  const answer = await fetch(metricsUrl)
  const text = await answer.text()
  if (!text.includes('cellway_gateway_requests_total{')) throw new Error('the metrics do not count requests')
}

/** What the upstream saw must be what we calculate: a fast gateway that routes wrongly is worth nothing. */
async function checkBuckets(proxy: Contender, number: number): Promise<number> {
  for (let step = 0; step < SAMPLE; step++) {
    const index = (number * SAMPLE + step) * 37
    const user = userOf(index)
    const answer = await fetch(`http://127.0.0.1:${proxy.port}${routedPath(index)}`, { headers: { 'x-user-id': user } })
    const seen = (await answer.json()) as { readonly user: string; readonly bucket: string }
    if (answer.status !== 200 || seen.user !== user || seen.bucket !== bucketOfUser(user))
      throw new Error(`user ${user} belongs to bucket ${bucketOfUser(user)}, the upstream saw ${JSON.stringify(seen)}`)
  }
  return SAMPLE
}

interface Facts {
  readonly bucketsChecked: number
  readonly machine: string
}

function summarise(rounds: ByProxy<readonly CpuRound[]>, latency: ByProxy<LatencyRounds>, { bucketsChecked, machine }: Facts): GatewayBench {
  const cpuOf = (name: ProxyName): number => median(rounds[name].map((each) => each.cpuUsPerRequest))
  const figures = (name: ProxyName): ProxyFigures => ({
    cpuUsPerRequest: round(cpuOf(name), 2),
    requestsPerSecond: Math.round(median(rounds[name].map((each) => each.requestsPerSecond))),
    addedMsP50: round(median(latency[name].addedMsP50), 3),
    addedMsP99: round(median(latency[name].addedMsP99), 3),
    latencyRequestsPerSecond: latency[name].perSecond
  })
  const supervisorCpuUsPerRequest = round(median(rounds.cellway.map((each) => each.otherCpuUsPerRequest)), 2)
  const coreShare = round(median(rounds.cellway.map((each) => each.coreShare)), 2)
  const ratioTo = (name: ProxyName): number => round(cpuOf('cellway') / cpuOf(name), 2)
  return {
    name: 'gateway',
    ours: { ...figures('cellway'), supervisorCpuUsPerRequest, bucketsChecked, coreShare },
    peer: { nginx: figures('nginx'), haproxy: figures('haproxy'), httpProxy: figures('httpProxy') },
    ratio: { nginx: ratioTo('nginx'), haproxy: ratioTo('haproxy'), httpProxy: ratioTo('httpProxy') },
    rounds: rounds.cellway.length,
    setup: {
      load: `wrk and upstream (nginx, return 200) on core 1, proxy on core 0, ${CONNECTIONS} keep-alive connections, ${USERS} users in rotation`,
      ours: `1 worker, ${ROUTES} routes, ${BUCKETS} buckets, signed context headers, metrics on and read once a round, access log of every request to /dev/null`,
      nginx: '1 worker, upstream keep-alive, access log (combined, buffered) to /dev/null, X-Forwarded-For and X-Request-Id set',
      haproxy: '1 thread, http-reuse always, httplog to /dev/null, X-Forwarded-For and X-Request-Id set',
      httpProxy: 'fastify with @fastify/http-proxy on undici, no log'
    },
    machine
  }
}

async function machine(): Promise<string> {
  const version = async (command: string, flag: string): Promise<string> => {
    const { stdout, stderr } = await promisify(execFile)(command, [flag])
    return /[0-9]+\.[0-9]+\.[0-9]+/.exec(stdout + stderr)?.[0] ?? 'unknown'
  }
  const [nginx, haproxy] = [await version('nginx', '-v'), await version('haproxy', '-v')]
  return `${cpus()[0]?.model ?? 'unknown'} x ${cpus().length}, Linux ${release()}, Node ${process.version}, nginx ${nginx}, HAProxy ${haproxy}`
}

function print({ ours, peer, ratio, setup, machine: host }: GatewayBench): void {
  const row = (name: string, figures: ProxyFigures, times: string): string =>
    [
      name.padEnd(20),
      figures.cpuUsPerRequest,
      figures.requestsPerSecond,
      figures.addedMsP50,
      figures.addedMsP99,
      figures.latencyRequestsPerSecond,
      times
    ]
      .map((value) => String(value).padStart(12))
      .join(' ')
  const head = ['', 'CPU us/req', 'req/s', '+p50 ms', '+p99 ms', 'at req/s', 'ours is'].map((text, at) =>
    at === 0 ? text.padEnd(20) : text.padStart(12)
  )
  const lines = [
    head.join(' '),
    row('cellway', ours, ''),
    row('nginx', peer.nginx, `${ratio.nginx} x`),
    row('haproxy', peer.haproxy, `${ratio.haproxy} x`),
    row('@fastify/http-proxy', peer.httpProxy, `${ratio.httpProxy} x`),
    `supervisor ${ours.supervisorCpuUsPerRequest} us/req; ${ours.bucketsChecked} buckets checked at the upstream; no request failed`,
    ...(ours.coreShare < CORE_SHARE_MIN
      ? [`CAUTION: the gateway got only ${ours.coreShare} of its core, others use this machine; measure again`]
      : []),
    ...Object.entries(setup).map(([name, text]) => `${name}: ${text}`),
    host
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

import { cpus } from 'node:os'
import {
  buildSnapshot,
  type CellId,
  type CompiledSnapshot,
  checkTopology,
  classify,
  compileSnapshot,
  initialLedger,
  judge,
  parseCellId,
  type RoutingRequest
} from '@cellway/topology'

/** Long enough to outlast one collection of garbage, short enough for a bench that people run often. */
const DECISIONS_PER_ROUND = 400_000
const ROUNDS = 9
const WARM_UP_DECISIONS = 200_000
const ROUTES = 50
/** Few enough to stay in the cache, where a request is that has just been parsed. A power of two. */
const REQUESTS = 256

export interface RouteBench {
  readonly name: 'route'
  readonly ours: { readonly nsPerDecision: number; readonly nsPerDecisionByMix: Readonly<Record<string, number>> }
  /** Nobody else makes this decision; the peer is the floor: one look-up of the key in a Map of its bucket. */
  readonly peer: { readonly nsPerMapLookup: number }
  readonly ratio: { readonly mapLookup: number }
  readonly rounds: number
  readonly machine: string
}

export const summary = 'One routing decision (classify + judge) with 50 routes and 1024 buckets; goal: at most 1 µs.'

/** Median of the rounds; `nsPerDecision` is the commonest request, a user id in a header. */
export async function run(): Promise<RouteBench> {
  const compiled = compiledSnapshot()
  const selfCell = parseCellId('beijing')
  const mixes = requestMixes()
  const medians = new Map<string, number>()
  for (const [name, requests] of mixes) decideAll({ compiled, requests, selfCell }, WARM_UP_DECISIONS, name)
  const samples = new Map<string, number[]>([...mixes.keys(), 'map'].map((name) => [name, []]))
  const keys = Array.from({ length: 1024 }, (_, index) => String(700_000_000 + index))
  const map = new Map(keys.map((key, index) => [key, index]))
  lookUpAll(map, keys)
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, requests] of mixes) samples.get(name)?.push(decideAll({ compiled, requests, selfCell }, DECISIONS_PER_ROUND, name))
    samples.get('map')?.push(lookUpAll(map, keys))
  }
  for (const [name, values] of samples) medians.set(name, median(values))
  const nsPerDecision = round1(medians.get('user id in a header') ?? Number.NaN)
  const nsPerMapLookup = round1(medians.get('map') ?? Number.NaN)
  medians.delete('map')
  return {
    name: 'route',
    ours: { nsPerDecision, nsPerDecisionByMix: Object.fromEntries([...medians].map(([name, value]) => [name, round1(value)])) },
    peer: { nsPerMapLookup },
    ratio: { mapLookup: round1(nsPerDecision / nsPerMapLookup) },
    rounds: ROUNDS,
    machine: `${cpus()[0]?.model ?? 'unknown'} x ${cpus().length}, Node ${process.version}`
  }
}

function compiledSnapshot(): CompiledSnapshot {
  const cell = (port: number): object => ({ region: 'cn', gateway: `http://127.0.0.1:${port}`, apps: { default: [`http://127.0.0.1:${port + 2}`] } })
  const users = (index: number): object => ({
    match: { path: `/api/service-${index}/**` },
    space: 'users',
    key: [{ header: 'x-user-id' }, { cookie: 'uid' }, { jwt: 'sub' }, { query: 'user_id' }],
    missing: 'reject'
  })
  const checked = checkTopology({
    apiVersion: 'cellway/v1',
    cells: { beijing: { ...cell(7100), weight: 2 }, shanghai: cell(7200), shenzhen: cell(7300) },
    spaces: {
      users: { kind: 'hash', buckets: 1024 },
      areas: { kind: 'list', values: ['bj', 'sh', 'gd'] },
      global: { kind: 'single', primary: 'beijing' }
    },
    pins: { users: { 'vip-42': 'shanghai' } },
    routes: [
      ...Array.from({ length: ROUTES - 3 }, (_, index) => users(index)),
      { match: { host: '*.shop.example', path: '/api/shops/:shop' }, space: 'areas', key: [{ header: 'x-area' }], missing: 'reject' },
      { match: { path: '/api/products/**' }, space: 'global', reads: 'local' },
      { match: { path: '/**' }, class: 'local' }
    ]
  })
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return compileSnapshot(buildSnapshot({ version: 1, topology: checked.value, ledger: initialLedger(checked.value) }))
}

/** Headers as a browser sends them, so that the search for the key passes some that are not it. */
const BROWSER_HEADERS = [
  ...['Host', 'app.example', 'Connection', 'keep-alive', 'User-Agent', 'Mozilla/5.0 (X11; Linux x86_64)', 'Accept', 'application/json'],
  ...['Accept-Encoding', 'gzip, br', 'Accept-Language', 'zh-CN', 'Content-Type', 'application/json', 'Content-Length', '120']
]

function requestMixes(): Map<string, readonly RoutingRequest[]> {
  const make = (index: number, own: Partial<RoutingRequest>): RoutingRequest => ({
    method: index % 4 === 0 ? 'POST' : 'GET',
    host: 'app.example',
    path: `/api/service-${index % (ROUTES - 3)}/items/${index}`,
    query: '',
    headers: BROWSER_HEADERS,
    clientIp: '192.0.2.1',
    ...own
  })
  const mix = (own: (index: number) => Partial<RoutingRequest>): readonly RoutingRequest[] =>
    Array.from({ length: REQUESTS }, (_, index) => flattened(make(index, own(index))))
  return new Map([
    ['user id in a header', mix((index) => ({ headers: [...BROWSER_HEADERS, 'X-User-Id', String(700_000_000 + index)] }))],
    [
      'uuid in a header',
      mix((index) => ({ headers: [...BROWSER_HEADERS, 'X-User-Id', `3f2b8c1e-9d4a-4f6b-8a7c-${String(index).padStart(12, '0')}`] }))
    ],
    ['user id in a cookie', mix((index) => ({ headers: [...BROWSER_HEADERS, 'Cookie', `theme=dark; uid=${700_000_000 + index}; lang=zh`] }))],
    ['user id in the query', mix((index) => ({ query: `page=2&user_id=${700_000_000 + index}` }))],
    ['area in a header', mix((index) => ({ host: 'a.shop.example', path: `/api/shops/${index}`, headers: [...BROWSER_HEADERS, 'x-area', 'sh'] }))],
    ['global data', mix((index) => ({ path: `/api/products/${index}` }))],
    ['local data', mix((index) => ({ path: `/static/${index}.css` }))]
  ])
}

/** Strings as the HTTP parser makes them: one block of bytes each, not the tree of pieces that a template literal leaves behind. */
function flattened(request: RoutingRequest): RoutingRequest {
  const flat = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')
  return { ...request, path: flat(request.path), query: flat(request.query), headers: request.headers.map(flat) }
}

interface Work {
  readonly compiled: CompiledSnapshot
  readonly requests: readonly RoutingRequest[]
  readonly selfCell: CellId
}

/** CPU nanoseconds per decision. A refusal would measure the wrong path, so it fails the run. */
function decideAll({ compiled, requests, selfCell }: Work, decisions: number, name: string): number {
  const judgeOptions = { selfCell, hopped: false }
  const classifyOptions = { selfCell }
  let refused = 0
  const before = process.threadCpuUsage()
  for (let at = 0; at < decisions; at++) {
    const request = requests[at & (REQUESTS - 1)]
    if (request === undefined) continue
    const classification = classify(compiled, request, classifyOptions)
    if (classification.kind === 'refused' || judge(compiled, classification, judgeOptions).kind === 'refuse') refused++
  }
  const spentNs = cpuNs(process.threadCpuUsage(before))
  if (refused > 0) throw new Error(`${refused} decisions of "${name}" were refused`)
  return spentNs / decisions
}

function lookUpAll(map: ReadonlyMap<string, number>, keys: readonly string[]): number {
  let sum = 0
  const before = process.threadCpuUsage()
  for (let at = 0; at < DECISIONS_PER_ROUND; at++) sum += map.get(keys[at & 1023] ?? '') ?? 0
  const spentNs = cpuNs(process.threadCpuUsage(before))
  if (sum === 0) throw new Error('the map look-up found nothing')
  return spentNs / DECISIONS_PER_ROUND
}

/** Of this thread: what else runs on the machine takes wall time from us, but does not make a decision dearer. */
function cpuNs({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) * 1000
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

function round1(value: number): number {
  return Math.round(value * 10) / 10
}

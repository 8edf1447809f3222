import fc from 'fast-check'
import { AggregatorRegistry, Counter, Histogram, Registry } from 'prom-client'
import t from 'tap'
import { FINISHED_VERDICTS, RequestTally } from './request-tally.ts'
import { createWorkerMetrics } from './worker-metrics.ts'

const BOUNDS = [0.0005, 0.001, 0.5, 10]

const request = fc.record({
  route: fc.constantFrom('users', 'orders', 'none'),
  verdict: fc.constantFrom(...FINISHED_VERDICTS),
  statusCode: fc.constantFrom(101, 200, 204, 302, 404, 499, 500, 999),
  seconds: fc.oneof(fc.constantFrom(0, ...BOUNDS), fc.double({ min: 0, max: 20, noNaN: true }))
})

/** The same through prom-client, one call per request. */
function twin(requests: readonly (typeof request extends fc.Arbitrary<infer Request> ? Request : never)[]) {
  const registers = [new Registry()]
  const counter = new Counter({ name: 'total', help: 'h', labelNames: ['route', 'verdict', 'status'], registers })
  const histogram = new Histogram({ name: 'seconds', help: 'h', labelNames: ['route'], buckets: BOUNDS, registers })
  for (const { route, verdict, statusCode, seconds } of requests) {
    counter.inc({ route, verdict, status: `${Math.floor(statusCode / 100)}xx` })
    histogram.observe({ route }, seconds)
  }
  return { counter, histogram }
}

t.test('counts and durations are as prom-client would have them', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 60 }), async (requests) => {
      const tally = new RequestTally(BOUNDS)
      for (const { route, verdict, statusCode, seconds } of requests) tally.add(route, verdict, statusCode, seconds)
      const { counter, histogram } = twin(requests)
      const counted = [...tally.counts()].map(({ count, ...labels }) => ({ value: count, labels }))
      t.same(sorted(counted), sorted((await counter.get()).values))
      t.same(sorted(tally.histogramValues('seconds')), sorted((await histogram.get()).values))
    }),
    { numRuns: 50 }
  )
})

t.test('a report adds up over workers, and asking twice changes nothing', async (t) => {
  const workers = [createWorkerMetrics(() => 2), createWorkerMetrics(() => 3)]
  for (const [at, { onFinished }] of workers.entries()) {
    for (let count = 0; count <= at; count++) onFinished('users', 'local', 200, 0.002)
    onFinished('orders', 'refuse', 503, 99)
  }
  const plane = {
    inFlight: 1,
    hold: { size: 0 },
    settle: { size: 0 },
    streams: { count: () => 0, moved: {} },
    inFlightWrites: new Map(),
    directory: { instances: () => [] },
    clock: { monotonicMs: () => 0 }
  } as unknown as Parameters<(typeof workers)[0]['report']>[0]
  for (const { report } of workers) await report(plane)
  const text = await AggregatorRegistry.aggregate(await Promise.all(workers.map(({ report }) => report(plane)))).metrics()
  const rows = [
    'cellway_gateway_requests_total{route="users",verdict="local",status="2xx"} 3',
    'cellway_gateway_requests_total{route="orders",verdict="refuse",status="5xx"} 2',
    'cellway_gateway_request_seconds_bucket{le="0.001",route="users"} 0',
    'cellway_gateway_request_seconds_bucket{le="0.0025",route="users"} 3',
    'cellway_gateway_request_seconds_bucket{le="10",route="orders"} 0',
    'cellway_gateway_request_seconds_bucket{le="+Inf",route="orders"} 2',
    'cellway_gateway_request_seconds_sum{route="orders"} 198',
    'cellway_gateway_request_seconds_count{route="users"} 3',
    'cellway_gateway_log_dropped_total 5',
    'cellway_gateway_in_flight_requests 2'
  ]
  const lines = text.split('\n')
  for (const row of rows) t.ok(lines.includes(row), row)
})

function sorted(values: readonly object[]): string[] {
  return values.map((value) => JSON.stringify(value, Object.keys(flat(value)).sort())).sort()
}

/** Every key at any depth, so that `JSON.stringify` keeps them all, in one order. */
function flat(value: object): Record<string, true> {
  const keys: Record<string, true> = {}
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'exemplar') continue
    keys[key] = true
    if (typeof inner === 'object' && inner !== null) Object.assign(keys, flat(inner))
  }
  return keys
}

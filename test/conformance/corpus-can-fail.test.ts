import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { CorpusRow } from './corpus.ts'
import { makeSnapshot } from './gateway-fixture.ts'
import { goodAnswers } from './good-answers.ts'
import { goodRequests } from './good-requests.ts'
import { hostileCorpus } from './hostile-corpus.ts'
import { http2Corpus } from './http2-corpus.ts'
import type { World } from './judge.ts'
import { maliciousAnswers } from './malicious-answers.ts'
import { startMaliciousUpstream } from './malicious-upstream.ts'
import { type NaiveProxy, startDowngradingProxy, startForwardingProxy, startSharingProxy, startTunnel } from './naive-proxies.ts'
import { startRecordingUpstream } from './recording-upstream.ts'
import { runMaliciousRow } from './run-malicious-row.ts'
import { runGoodRow, runRow, type Target } from './run-row.ts'
import { runWireRow } from './run-wire-row.ts'

/** A wrong proxy often just keeps the connection; this is how long each of its failures takes. */
const DEADLINE_MS = 150
const LANES = 8

t.setTimeout(120_000)

const world: World = {
  signingKey: randomBytes(32),
  snapshot: makeSnapshot({ app: 'http://127.0.0.1:1', gateway: 'http://127.0.0.1:2', other: 'http://127.0.0.1:3' })
}
const hostile = Object.values(hostileCorpus).flat()

/** What research found node to let through, one row each; a proxy on node:http that adds no rules must be red for all of them. */
const KNOWN_LEAKS = [
  'line-0.9-with-host',
  'line-2.0',
  'line-trace',
  'target-absolute-other-host',
  'target-fragment',
  'target-backslash',
  'host-two',
  'host-empty',
  'host-userinfo',
  'host-path',
  'host-comma',
  'alias-te',
  'alias-cl',
  'cl-001',
  'te-comma-first',
  'te-1.0',
  'expect-prefix',
  'connection-cookie',
  'spoof-cell-local',
  'spoof-unknown',
  'path-dots',
  'path-slash-encoded',
  'chunk-cut-data',
  'chunk-cut-before-last'
]

t.test('a proxy on plain node:http is found out', async (t) => {
  const { rows, good } = await runAgainst((port) => startForwardingProxy(port, world))
  const passed = (id: string): boolean => rows.get(id)?.length === 0
  t.same(KNOWN_LEAKS.filter(passed), [], 'every known leak is reported')
  t.ok(passed('bytes-good'), 'and the checker does not refuse everything: the control row passes')
  t.ok([...good.values()].filter((problems) => problems.length === 0).length >= 25, 'good requests pass through it')
})

t.test('a proxy that passes bytes unread fails every hostile row', async (t) => {
  const { rows } = await runAgainst((port) => startTunnel(port))
  const passed = hostile.filter(({ id, thenEnd }) => !thenEnd && rows.get(id)?.length === 0).map(({ id }) => id)
  // A request that is cut off stays cut off in a tunnel; those rows are red for the other proxy.
  t.same(passed, [])
})

t.test('a proxy from HTTP/2 to HTTP/1.1 that passes fields on is found out', async (t) => {
  await using upstream = await startRecordingUpstream('beijing', goodAnswers)
  await using proxy = await startDowngradingProxy(upstream.port, world)
  const target = { port: proxy.port, ca: proxy.ca, upstreams: [upstream], world, deadlineMs: DEADLINE_MS * 4 }
  const rows = Object.values(http2Corpus).flat()
  const run = async (id: string): Promise<readonly string[]> => {
    const row = rows.find((candidate) => candidate.id === id)
    return row ? await runWireRow(row, target) : ['no such row']
  }
  for (const id of ['spoof-unknown', 'host-differs', 'trace', 'path-dots', 'expect-odd', 'headers-40k']) {
    t.not((await run(id)).length, 0, `${id} is reported`)
  }
  t.same(await run('good'), [], 'the control row passes')
})

t.test('a proxy that matches answers by order alone hands them to the wrong client, and is found out', async (t) => {
  const ids = [
    'second-answer',
    'second-answer-later',
    'cl-short',
    'answer-then-junk',
    'cl-two',
    'body-after-head',
    'close-at-once',
    'internal-headers'
  ]
  for (const row of maliciousAnswers.filter(({ id }) => ids.includes(id))) {
    await using upstream = await startMaliciousUpstream(new Map([[row.id, row.steps]]))
    await using proxy = await startSharingProxy(upstream.port)
    t.not((await runMaliciousRow(row, proxy.port, upstream, 300)).length, 0, `${row.id} is reported`)
  }
  const control = maliciousAnswers.filter(({ id }) => id === 'good')
  for (const row of control) {
    await using upstream = await startMaliciousUpstream(new Map([[row.id, row.steps]]))
    await using proxy = await startSharingProxy(upstream.port)
    t.same(await runMaliciousRow(row, proxy.port, upstream, 300), [], 'the control row passes')
  }
})

interface Verdicts {
  readonly rows: ReadonlyMap<string, readonly string[]>
  readonly good: ReadonlyMap<string, readonly string[]>
}

/** Runs the whole corpus in lanes, each with its own upstream and proxy, so that nothing is charged to another row. */
async function runAgainst(startProxy: (upstreamPort: number) => Promise<NaiveProxy>): Promise<Verdicts> {
  const rows = new Map<string, readonly string[]>()
  const good = new Map<string, readonly string[]>()
  const waiting: CorpusRow[] = [...hostile]
  const lane = async (): Promise<void> => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      await using upstream = await startRecordingUpstream('beijing', goodAnswers)
      await using proxy = await startProxy(upstream.port)
      const target: Target = { port: proxy.port, upstreams: [upstream], world, deadlineMs: DEADLINE_MS }
      rows.set(row.id, await runRow(row, target))
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  await using upstream = await startRecordingUpstream('beijing', goodAnswers)
  await using proxy = await startProxy(upstream.port)
  for (const row of goodRequests) {
    good.set(row.id, await runGoodRow(row, { port: proxy.port, upstreams: [upstream], world, deadlineMs: DEADLINE_MS * 4 }))
  }
  return { rows, good }
}

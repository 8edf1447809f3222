import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { CorpusRow } from './corpus.ts'
import { makeSnapshot } from './gateway-fixture.ts'
import { goodAnswers } from './good-answers.ts'
import { goodRequests } from './good-requests.ts'
import { hostileCorpus } from './hostile-corpus.ts'
import type { World } from './judge.ts'
import { type NaiveProxy, startForwardingProxy, startTunnel } from './naive-proxies.ts'
import { startRecordingUpstream } from './recording-upstream.ts'
import { runGoodRow, runRow, type Target } from './run-row.ts'

/** A wrong proxy often just keeps the connection; this is how long each of its failures takes. */
const DEADLINE_MS = 150
const LANES = 8

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
  'line-two-spaces-before-target',
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

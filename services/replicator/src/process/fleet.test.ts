import { setTimeout as delay } from 'node:timers/promises'
import { createLogger } from '@cellway/telemetry'
import { buildSnapshot, initialLedger, parseTopology, type Snapshot } from '@cellway/topology'
import t from 'tap'
import { Fleet } from './fleet.ts'
import { Part, type Runnable } from './part.ts'
import { createTopologyView } from './topology-view.ts'

function snapshotOf(version: number, cells: readonly string[]): Snapshot {
  const named = cells.map((cell, at) => `  ${cell}: {region: r, gateway: "http://h:${at + 1}", apps: {default: ["http://h:${at + 101}"]}}`)
  const checked = parseTopology(`
apiVersion: cellway/v1
cells:
${named.join('\n')}
spaces: {users: {kind: hash, buckets: 4}}
routes: [{match: {path: /**}, class: local}]
`)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return buildSnapshot({ version, topology: checked.value, ledger: initialLedger(checked.value) })
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(10_000)
  while (!holds()) await delay(2, undefined, { signal: deadline })
}

t.test('one part per other cell of the topology; held and released together', async (t) => {
  const topology = createTopologyView()
  const running = new Set<string>()
  const fleet = new Fleet<Runnable>({
    selfCell: 'beijing',
    topology,
    held: false,
    makePart: (source) =>
      new Part({
        name: source,
        log: createLogger({ service: 'test', level: 'silent' }),
        restartMs: 1,
        restartMsMax: 1,
        isFenced: () => false,
        onFenced: () => undefined,
        make: () => ({
          run: async (signal) => {
            running.add(source)
            await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
            await delay(5)
            running.delete(source)
          }
        })
      })
  })
  const stop = new AbortController()
  const done = fleet.run(stop.signal)
  t.same([...running], [], 'nothing before the first topology')
  topology.adopt(snapshotOf(1, ['beijing', 'shanghai']))
  await until(() => running.size === 1)
  topology.adopt(snapshotOf(2, ['beijing', 'shanghai', 'xian']))
  await until(() => running.size === 2)
  t.same(
    fleet.parts().map(([source]) => source),
    ['shanghai', 'xian']
  )
  await fleet.stop()
  t.same([...running], [], 'when it is stopped, none runs any more')
  topology.adopt(snapshotOf(3, ['beijing', 'shanghai', 'xian', 'wuhan']))
  await delay(20)
  t.same([...running], [], 'and a new cell starts nothing')
  t.same(fleet.sources, ['shanghai', 'wuhan', 'xian'])
  fleet.start()
  await until(() => running.size === 3)
  topology.adopt(snapshotOf(4, ['beijing', 'xian']))
  await until(() => running.size === 1)
  t.equal(fleet.partOf('shanghai'), undefined)
  stop.abort()
  await done
  t.same([...running], [])
})

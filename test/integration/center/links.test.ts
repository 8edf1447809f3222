import { setTimeout as sleep } from 'node:timers/promises'
import type { RemoteEvent } from '@cellway/log'
import type { Test } from 'tap'
import t from 'tap'
import type { CenterProcess } from './center-process.ts'
import { clientsOf, makeCenterProcess, metricOf } from './center-process.ts'
import type { Load } from './load.ts'
import { startLoad } from './load.ts'
import type { TcpProxy } from './tcp-proxy.ts'
import { startTcpProxy } from './tcp-proxy.ts'

t.setTimeout(240_000)

const CELLS = ['beijing', 'shanghai', 'shenzhen']
const SILENCE_MS_MAX = 1500

interface Scene {
  readonly center: CenterProcess
  readonly proxies: readonly TcpProxy[]
  readonly load: Load
}

/** Every cell has a link of its own to the center; the checker looks at what comes out of it. */
async function withLoad(t: Test, play: (scene: Scene) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const limits = { segmentBytes: 1_000_000, silenceMsMax: 2000 }
  const center = stack.use(await makeCenterProcess({ folder: t.testdir({}), config: { limits } }))
  await center.start()
  const proxies = new Map<string, TcpProxy>()
  for (const cell of CELLS) proxies.set(cell, stack.use(await startTcpProxy(center.port)))
  const events: RemoteEvent[] = []
  const tuning = { silenceMsMax: SILENCE_MS_MAX, backoffMsMax: 200 }
  const options = { tuning, onEvent: (event: RemoteEvent) => void events.push(event) }
  const clients = stack.use(clientsOf(CELLS, (cell) => proxies.get(cell)?.url ?? '', options))
  const load = startLoad({ cells: CELLS, clientOf: clients.of, inFlight: 8, recordBytesMax: 30_000 })
  await load.more(50)
  await play({ center, proxies: [...proxies.values()], load })
  await load.more(50)
  const { problems, acknowledged, read, twice } = await load.finish()
  const lost = events.filter(({ kind }) => kind === 'disconnected').length
  t.comment(`${acknowledged} acknowledged, ${read} read, ${twice} brought twice, ${lost} links lost`)
  t.same(problems, [])
  t.ok(lost >= 3, 'the faults landed')
  t.same(
    [...load.refusals.keys()].filter((code) => code !== 'LOG_NOT_DURABLE'),
    [],
    'and nothing else was refused'
  )
}

t.test('links are cut again and again', { timeout: 120_000 }, async (t) => {
  await withLoad(t, async ({ proxies, load }) => {
    for (let round = 0; round < 30; round += 1) {
      await load.more(15)
      proxies[round % proxies.length]?.cut()
    }
    t.ok(
      proxies.every(({ faults }) => faults >= 10),
      `${proxies.map(({ faults }) => faults)} connections cut`
    )
  })
})

t.test('links go silent with both ends open', { timeout: 120_000 }, async (t) => {
  await withLoad(t, async ({ center, proxies, load }) => {
    for (const proxy of proxies.slice(0, 2)) {
      await load.more(30)
      proxy.goSilent()
      t.ok(proxy.faults >= 4, `${proxy.faults} connections went silent`)
      // As long as it takes the client to notice; then its new connections pass.
      await sleep(SILENCE_MS_MAX + 500)
      proxy.heal()
    }
    await load.more(30)
    const deadline = AbortSignal.timeout(30_000)
    while ((await metricOf(center, 'cellway_center_uploads')) > CELLS.length) await sleep(100, undefined, { signal: deadline })
    t.pass('the center has noticed too, and holds no dead upload')
    t.ok((await metricOf(center, 'cellway_center_reads')) <= CELLS.length ** 2, 'and no dead read')
  })
})

t.test('the center stands still, and goes on where it was', { timeout: 120_000 }, async (t) => {
  await withLoad(t, async ({ center, load }) => {
    for (const ms of [200, SILENCE_MS_MAX + 1500]) {
      center.freeze()
      await sleep(ms)
      center.thaw()
      await load.more(30)
    }
  })
})

t.test('a slow reader holds nobody up, and little memory', { timeout: 120_000 }, async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  await using clients = clientsOf(['beijing', 'shanghai'], () => center.url)
  const [writer, reader] = [clients.of('beijing'), clients.of('shanghai')]
  const signal = AbortSignal.timeout(100_000)
  const payload = Buffer.alloc(256 * 1024, 1)
  const append = (count: number): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, () => writer.append('beijing/mysql', { epoch: 1, payload }, { signal })))
  await append(20)
  const slow = reader.read('beijing/mysql', 'oldest', { maxBytes: 1024 * 1024, signal })
  const first = await slow.next()
  const before = await center.rssBytes()
  let most = before
  for (let round = 0; round < 8; round += 1) {
    await append(50)
    most = Math.max(most, await center.rssBytes())
  }
  const sent = await metricOf(center, 'cellway_center_read_bytes_total')
  t.ok(sent <= 3 * 1024 * 1024, `${sent} bytes of 105 MiB were sent to a reader that took one batch`)
  t.ok(most - before < 96 * 1024 * 1024, `the center grew by ${Math.round((most - before) / 1024 / 1024)} MiB`)
  let records = first.value?.records.length ?? 0
  for await (const batch of slow) {
    records += batch.records.length
    if (batch.next.sequence === 421) break
  }
  t.equal(records, 420, 'and when it goes on, everything is there')
})

import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@cellway/base'
import { createLogger } from '@cellway/telemetry'
import t, { type Test } from 'tap'
import { Heartbeat } from '../../../services/replicator/src/capture/heartbeat.ts'
import { NO_METRICS } from '../../../services/replicator/src/capture/metrics.ts'
import { clientOf, makeCenterProcess } from '../center/center-process.ts'
import { CELL, type RunningCapture, running, STREAM, type Store, startCapture, startStore, topologies, until } from './fixture.ts'
import { idsOf, startLoad } from './load.ts'
import { readStream, type SeenStream } from './stream-check.ts'

/** The capture with a real center over HTTP: killed, frozen and started again under load. */

const skip = existsSync('/usr/sbin/mariadbd') ? false : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine'

t.test('capture into a center', { skip, timeout: 400_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-capture-center-'))
  await using center = await makeCenterProcess({ folder })
  await center.start()
  await using store = await startStore('mariadb')
  await using client = clientOf(CELL, center.url)
  await t.test('the center is killed, frozen and started again', async (t) => {
    await using capture = await startCapture({ store, center: client })
    await running(capture)
    const load = startLoad(store)
    const goesOn = async (what: string): Promise<void> => {
      const had = capture.status().counters.records
      await until(
        what,
        () => capture.status().counters.records > had + 20,
        () => [capture.status(), capture.lines.slice(-3)]
      )
    }
    await goesOn('records come')
    for (let round = 0; round < 3; round += 1) {
      await center.kill()
      const says = (): boolean => capture.status().state === 'waiting' && /LOG_|unreachable/.test(capture.status().reason)
      await until('it says what it waits for', says, () => capture.status())
      await until(
        'it is seen',
        () => capture.status().waitingRecords > 3,
        () => capture.status()
      )
      await center.start()
      await goesOn('after a kill')
      center.freeze()
      await until(
        'records wait',
        () => capture.status().waitingRecords > 3,
        () => capture.status()
      )
      center.thaw()
      await goesOn('after a freeze')
    }
    await load.stop()
    await drained(store, capture)
    const seen = await readStream(client, STREAM)
    t.same(idsIn(seen), await idsOf(store, 'id >= 10000'))
    t.ok(load.acknowledged.length > 100, `${load.acknowledged.length} transactions`)
    t.ok(seen.envelopes.every(({ streamEpoch }) => streamEpoch === 1))
  })
  await t.test('a new process goes on where the old one was', (t) => goesOnAfterRestart(t, store, client))
  await t.test('heartbeats carry the position of a quiet store', (t) => beats(t, store, client))
  await rm(folder, { recursive: true, force: true })
})

async function goesOnAfterRestart(t: Test, store: Store, client: ReturnType<typeof clientOf>): Promise<void> {
  const load = startLoad(store, { first: 1_000_000 })
  const before = load.acknowledged.length
  for (let epoch = 2; epoch <= 5; epoch += 1) {
    const capture = await startCapture({ store, center: client, epoch })
    await running(capture)
    await until(
      'records of this epoch',
      () => capture.status().counters.records > 10,
      () => [capture.status(), capture.lines.slice(-3)]
    )
    t.match(capture.status().startedFrom, /^tail /)
    await capture[Symbol.asyncDispose]()
  }
  await load.stop()
  await using last = await startCapture({ store, center: client, epoch: 6 })
  await running(last)
  await drained(store, last)
  t.ok(load.acknowledged.length > before + 50)
  const seen = await readStream(client, STREAM)
  t.same(idsIn(seen), await idsOf(store, 'id >= 10000'))
}

async function beats(t: Test, store: Store, client: ReturnType<typeof clientOf>): Promise<void> {
  await using capture = await startCapture({ store, center: client, epoch: 7 })
  await running(capture)
  const end = new AbortController()
  const context = {
    cell: CELL,
    store: 'mysql',
    log: createLogger({ service: 'replicator', level: 'silent' }),
    clock: systemClock,
    center: client,
    topology: topologies()
  }
  const heartbeat = new Heartbeat({ context, mysql: store.mysql, metrics: NO_METRICS, periodMs: 100 })
  const ran = heartbeat.run(end.signal)
  const had = capture.status().counters.published
  await until(
    'heartbeats are published',
    () => capture.status().counters.published >= had + 5,
    () => [capture.status(), heartbeat.status()]
  )
  end.abort()
  await ran
  await drained(store, capture)
  const { transactions } = await readStream(client, STREAM)
  const rows = transactions.flatMap(({ changes }) =>
    changes.flatMap((change) => (change.kind !== 'schema' && change.table.name === 'heartbeat' ? [change] : []))
  )
  const numbers = rows.map((change) => (change.kind === 'delete' ? 0n : change.after[2]))
  t.same(
    numbers,
    numbers.map((_, at) => BigInt(at + 1)),
    'a growing number'
  )
  const newest = rows.at(-1)
  const timeUs = newest?.kind === 'update' ? Number(newest.after[3]) : 0
  t.ok(Math.abs(Date.now() * 1000 - timeUs) < 60_000_000)
  t.equal(capture.status().centerPosition, await store.position())
}

async function drained(store: Store, capture: RunningCapture): Promise<void> {
  const end = await store.position()
  const done = (): boolean =>
    capture.status().centerPosition === end || (capture.status().sourcePosition === end && capture.status().waitingRecords === 0)
  await until('everything is in the center', done, () => [end, capture.status(), capture.lines.slice(-4)])
}

function idsIn({ transactions }: SeenStream): number[] {
  const ids = transactions.flatMap(({ changes }) =>
    changes.flatMap((change) => (change.kind === 'insert' && change.table.name === 't' ? [Number(change.after[0])] : []))
  )
  return ids.sort((left, right) => left - right)
}

import { existsSync } from 'node:fs'
import t, { type Test } from 'tap'
import { mysql9Skip } from '../mysql9.ts'
import { centerOf, type Flavour, type RunningCapture, running, STREAM, type Store, startCapture, startStore, until } from './fixture.ts'
import { readStream } from './stream-check.ts'

/** `rpo: zero`: a commit returns only when its change has left the building. */

const MARIADB_SKIP = existsSync('/usr/sbin/mariadbd') ? false : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine'
const TIMEOUT_MS = 3000
const MARIADB_ON = [
  '--rpl-semi-sync-master-enabled=ON',
  '--rpl-semi-sync-master-wait-point=AFTER_SYNC',
  `--rpl-semi-sync-master-timeout=${TIMEOUT_MS}`
]
const MYSQL_ON = `INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'; SET GLOBAL rpl_semi_sync_source_enabled = ON, GLOBAL rpl_semi_sync_source_timeout = ${TIMEOUT_MS}`

for (const flavour of ['mariadb', 'mysql'] as const) {
  t.test(`semi-sync of ${flavour}`, { skip: flavour === 'mariadb' ? MARIADB_SKIP : await mysql9Skip(), timeout: 300_000 }, async (t) => {
    await t.test('a source that does not have it raises the alarm', (t) => notEnabled(t, flavour))
    await using store = await startStore(flavour, flavour === 'mariadb' ? MARIADB_ON : [])
    if (flavour === 'mysql') await store.run(MYSQL_ON)
    await t.test('a commit waits for the center', (t) => waits(t, store))
    await t.test('transactions that stay in the cell wait for nothing', (t) => local(t, store))
    await t.test('a center that is away too long: the fallback is an alarm, and passes', (t) => fallsBack(t, store))
  })
}

async function notEnabled(t: Test, flavour: Flavour): Promise<void> {
  await using store = await startStore(flavour)
  await using capture = await startCapture({ store, center: centerOf(), config: { rpo: 'zero' } })
  await running(capture)
  await until(
    'the alarm',
    () => capture.status().alarm?.code === 'CAP_SEMI_SYNC_LOST',
    () => capture.status()
  )
  t.equal(capture.status().semiSync, 'not-enabled')
  t.match(capture.status().alarm?.details, { reason: 'not-enabled', fix: /rpl_semi_sync/ })
  t.equal(capture.status().state, 'running', 'it is no reason to stop')
  await store.run("INSERT INTO shop.t VALUES (1, 'a')")
  await until(
    'it is captured',
    () => capture.status().counters.records === 1,
    () => capture.status()
  )
}

async function waits(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center, config: { rpo: 'zero' } })
  await active(store, capture)
  const quick = await timed(() => store.run("INSERT INTO shop.t VALUES (100, 'a')"))
  t.ok(quick < 1000, `${Math.round(quick)} ms with the center at hand`)
  const gate = Promise.withResolvers<void>()
  center.gate = gate.promise
  let isBack = false
  const commit = timed(() => store.run("INSERT INTO shop.t VALUES (101, 'a')")).then((ms) => {
    isBack = true
    return ms
  })
  await until(
    'the record is at the door of the center',
    () => capture.status().waitingRecords === 1,
    () => capture.status()
  )
  const held = performance.now()
  while (performance.now() - held < 700) {
    t.notOk(isBack, 'not before the center has it') || (await commit)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  center.gate = undefined
  gate.resolve()
  const slow = await commit
  t.ok(slow >= 700 && slow < TIMEOUT_MS, `${Math.round(slow)} ms with a center that waited`)
  t.equal(capture.status().semiSync, 'active')
  const { transactions } = await readStream(center, STREAM)
  t.ok(transactions.length >= 2)
}

async function local(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  await using capture = await startCapture({ store, center, config: { rpo: 'zero' } })
  await active(store, capture)
  center.gate = new Promise(() => {})
  const ms = await timed(() => store.run('INSERT INTO shop.own VALUES (500)'))
  t.ok(ms < TIMEOUT_MS - 500, `${Math.round(ms)} ms`)
  t.equal(capture.status().semiSync, 'active')
}

async function fallsBack(t: Test, store: Store): Promise<void> {
  const center = centerOf()
  const states: string[] = []
  await using capture = await startCapture({ store, center, config: { rpo: 'zero' }, metrics: { semiSync: (state) => states.push(state) } })
  await active(store, capture)
  const gate = Promise.withResolvers<void>()
  center.gate = gate.promise
  const ms = await timed(() => store.run("INSERT INTO shop.t VALUES (300, 'a')"))
  t.ok(ms >= TIMEOUT_MS - 100, `the commit waited for ${Math.round(ms)} ms`)
  await until(
    'the alarm',
    () => capture.status().semiSync === 'fallen-back',
    () => capture.status()
  )
  t.match(capture.status().alarm, { code: 'CAP_SEMI_SYNC_LOST', details: { reason: 'fallen-back' } })
  center.gate = undefined
  gate.resolve()
  await until(
    'it is back',
    () => capture.status().semiSync === 'active',
    () => capture.status()
  )
  t.equal(capture.status().alarm, undefined)
  t.ok(states.includes('fallen-back') && states.at(-1) === 'active')
  await store.run('DELETE FROM shop.t')
}

/** The source has been acknowledged once, so that it waits from now on. */
async function active(store: Store, capture: RunningCapture): Promise<void> {
  await running(capture)
  await store.run("REPLACE INTO shop.t VALUES (1, 'first')")
  await until(
    'the source waits for us',
    () => capture.status().semiSync === 'active',
    () => [capture.status(), capture.lines.slice(-3)]
  )
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

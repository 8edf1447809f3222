import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEmbeddedLog } from '@cellway/log'
import t from 'tap'
import { startApplierProcess } from './child.ts'
import { memoryCenter, Origin, startTarget, until } from './fixture.ts'
import { expectedRows, randomHistory, randomOf } from './history.ts'

t.setTimeout(300_000)
const KILLS = Number(process.env.CELLWAY_KILLS ?? 6)
const TRANSACTIONS = 6000

const target = await startTarget()
t.teardown(() => target[Symbol.asyncDispose]())
await target.session.run('CREATE TABLE shop.random (id BIGINT PRIMARY KEY, u INT NULL, name VARCHAR(20), UNIQUE KEY by_u (u))')
const table = await target.identity('random')

t.test('killed at any moment, each transaction is in exactly once', async (t) => {
  const seed = Number(process.env.CELLWAY_SEED ?? Date.now() % 1_000_000)
  t.comment(`seed ${seed}`)
  const random = randomOf(seed)
  const folder = await mkdtemp(join(tmpdir(), 'cellway-apply-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const history = randomHistory(table, seed, TRANSACTIONS)
  const log = await openEmbeddedLog({ folder })
  const origin = new Origin(memoryCenter(log))
  for (let at = 0; at < history.history.length; at += 25) await origin.write(history.history.slice(at, at + 25))
  await log[Symbol.asyncDispose]()

  const order = { folder, mysql: target.config, tables: ['random'], until: origin.positionText }
  const applied = async (): Promise<number> =>
    Number((await target.records("SELECT COALESCE(MAX(applied), 0) AS n FROM cellway.checkpoint WHERE source_cell = 'a'"))[0]?.n)
  const stops: number[] = []
  for (let epoch = 1; epoch <= KILLS; epoch += 1) {
    const before = await applied()
    const child = await startApplierProcess({ ...order, epoch })
    // At the earliest once it has done something, so that each kill lands in work.
    await until('it makes progress', async () => (await applied()) > before || child.process.exitCode !== null)
    await sleep(random(40))
    await child.kill()
    stops.push(await applied())
  }
  t.ok(new Set(stops).size > 1, `kills at ${stops.join(', ')} transactions`)
  t.ok((stops[0] ?? TRANSACTIONS) < TRANSACTIONS, 'the first kill fell into the work')
  const last = await startApplierProcess({ ...order, epoch: KILLS + 1 })
  t.match(await last.report, { conflicts: 0 })
  t.equal(await applied(), TRANSACTIONS)
  t.same(await target.records('SELECT id, u, name FROM shop.random ORDER BY id'), expectedRows(history))
  t.same(await target.records('SELECT COUNT(*) AS n FROM cellway.conflict'), [{ n: 0 }])
})

/**
 * Three cells write at random, each in its own buckets, while processes die and freeze and links are cut and go silent. Afterwards all
 * cells have the same rows; at no time and in no cell was a transaction there in part or twice.
 * One minute; CELLWAY_SOAK_MINUTES=10 for the long run, CELLWAY_SEED to repeat one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RowDataPacket } from 'mysql2/promise'
import t, { type Test } from 'tap'
import { type Cluster, type ClusterCell, digestOf, startCluster } from '../integration/replication/cluster.ts'
import { BANK_BUCKETS, BANK_DATA, BANK_SCHEMA, BANK_TABLES, findWrong, randomOf, startTraffic, type Traffic } from './replication/bank.ts'
import { FAULTS } from './replication/faults.ts'

const MINUTES = Number(process.env.CELLWAY_SOAK_MINUTES ?? 1)
const SEED = Number(process.env.CELLWAY_SEED ?? Date.now() % 1_000_000)
const FAULT_MS = 1_200
const PAUSE_MS = 1_500
const SETTLE_MS = 180_000
/** Commits of one cell in a minute; a database that is down or frozen takes its part of it. */
const COMMITS_MIN = 300
const QUIET_MS = 6_000
/** In each second: the own heartbeat, and the checkpoint of each other cell when its heartbeat is applied. */
const QUIET_TRANSACTIONS_MAX = (cells: number): number => (QUIET_MS / 1000) * (1 + (cells - 1)) + 2 * cells

t.setTimeout(MINUTES * 60_000 * 2 + 480_000)

t.test('cells converge, whatever dies meanwhile', { timeout: MINUTES * 60_000 * 2 + 470_000 }, async (t) => {
  t.comment(`seed ${SEED}, ${MINUTES} min`)
  await using cluster = await startCluster({
    cells: ['beijing', 'shanghai', 'xian'],
    schema: BANK_SCHEMA,
    data: BANK_DATA,
    buckets: BANK_BUCKETS
  })
  await using traffic = startTraffic(cluster, SEED)
  const inflicted = await storm(cluster, { seed: SEED, untilMs: performance.now() + MINUTES * 60_000, say: (line) => t.comment(line) })
  await traffic.stop()
  t.comment(`commits ${JSON.stringify([...traffic.commits])}, failures ${traffic.failures}`)

  t.equal(inflicted.wrong.length, 0, `no transaction in part or twice at any time: ${JSON.stringify(inflicted.wrong)}`)
  t.ok(inflicted.looks > MINUTES * 5, `${inflicted.looks} looks at cells meanwhile`)
  t.same(
    FAULTS.map(({ name }) => name).filter((name) => !inflicted.faults.has(name)),
    [],
    'every kind of fault has landed'
  )
  checkTraffic(t, traffic, cluster)
  await checkConvergence(t, cluster)
  await checkQuiet(t, cluster)
})

interface Storm {
  readonly seed: number
  readonly untilMs: number
  readonly say: (line: string) => void
}

interface Inflicted {
  readonly faults: ReadonlySet<string>
  readonly wrong: readonly RowDataPacket[]
  /** Looks at the rows of a cell, between and during faults. */
  readonly looks: number
}

/** One fault after the other; every kind once before any comes again. */
async function storm(cluster: Cluster, { seed, untilMs, say }: Storm): Promise<Inflicted> {
  const random = randomOf(seed)
  const faults = new Set<string>()
  const wrong: RowDataPacket[] = []
  let looks = 0
  let queue: (typeof FAULTS)[number][] = []
  const stop = new AbortController()
  const looking = (async () => {
    while (!stop.signal.aborted) {
      for (const cell of cluster.cells) {
        const found = await findWrong(cell).catch(() => undefined)
        if (found === undefined) continue
        looks += 1
        wrong.push(...found)
      }
      await sleep(700, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  })()
  try {
    while (performance.now() < untilMs || faults.size < FAULTS.length) {
      if (queue.length === 0) queue = shuffled(FAULTS, random)
      const fault = queue.pop()
      const cell = cluster.cells[Math.floor(random() * cluster.cells.length)]
      if (fault === undefined || cell === undefined) continue
      say(`${fault.name} (${cell.name})`)
      await fault.inflict(cluster, cell, FAULT_MS * (0.3 + random()))
      faults.add(fault.name)
      await sleep(PAUSE_MS * random())
    }
  } finally {
    stop.abort()
    await looking
  }
  return { faults, wrong, looks }
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((left, right) => left.at - right.at)
    .map(({ item }) => item)
}

function checkTraffic(t: Test, { commits }: Traffic, { cells }: Cluster): void {
  for (const { name } of cells) t.ok((commits.get(name) ?? 0) > COMMITS_MIN * MINUTES, `${commits.get(name)} commits in ${name}`)
}

async function checkConvergence(t: Test, cluster: Cluster): Promise<void> {
  const startedMs = performance.now()
  let digests: Readonly<Record<string, string>>[] = []
  while (performance.now() - startedMs < SETTLE_MS) {
    digests = await Promise.all(cluster.cells.map((cell) => digestOf(cell, BANK_TABLES)))
    if (digests.every((one) => JSON.stringify(one) === JSON.stringify(digests[0]))) break
    await sleep(500)
  }
  const tookMs = Math.round(performance.now() - startedMs)
  const [first, ...others] = digests
  for (const [at, other] of others.entries()) {
    t.same(other, first, `${cluster.cells[at + 1]?.name} has the rows of ${cluster.cells[0]?.name} after ${tookMs} ms`)
    if (JSON.stringify(other) !== JSON.stringify(first)) for (const cell of cluster.cells) t.comment(`${cell.name}: ${cell.replicator.log()}`)
  }
  for (const cell of cluster.cells) {
    t.same(await findWrong(cell), [], `${cell.name}: every account fits its transfers`)
    const metrics = await (await fetch(`${cell.adminUrl}/metrics`)).text()
    t.equal(sumOf(metrics, 'cellway_replicator_echoes_total'), 0, `${cell.name}: nothing came back to its origin`)
    t.equal(await conflictsOf(cell), 0, `${cell.name}: no conflict, since each wrote in its own buckets`)
  }
}

/** Nothing that was applied is sent on: without writes, only heartbeats and their checkpoints are left. */
async function checkQuiet(t: Test, { cells }: Cluster): Promise<void> {
  const before = await Promise.all(cells.map(transactionsOf))
  await sleep(QUIET_MS)
  const after = await Promise.all(cells.map(transactionsOf))
  for (const [at, { name }] of cells.entries()) {
    const grown = (after[at] ?? 0) - (before[at] ?? 0)
    t.ok(grown <= QUIET_TRANSACTIONS_MAX(cells.length), `${name}: ${grown} transactions in ${QUIET_MS / 1000} quiet seconds`)
    t.ok(grown > 0, `${name}: heartbeats go on`)
  }
}

async function transactionsOf(cell: ClusterCell): Promise<number> {
  return numberOf(cell, "SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(@@GLOBAL.gtid_binlog_pos, '-', -1), ',', 1) AS number")
}

async function conflictsOf(cell: ClusterCell): Promise<number> {
  return numberOf(cell, 'SELECT COUNT(*) AS number FROM cellway.conflict')
}

async function numberOf(cell: ClusterCell, sql: string): Promise<number> {
  const connection = await cell.connect()
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql)
    return Number(rows[0]?.number)
  } finally {
    connection.destroy()
  }
}

function sumOf(metrics: string, name: string): number {
  const lines = metrics.split('\n').filter((line) => line.startsWith(name) && !line.startsWith('#'))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

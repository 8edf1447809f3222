/** What is written in one cell is seen in all of them, in both directions, and nothing of it is lost when processes are killed. */

import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { type CellLayout, filesOf } from '../layout.ts'
import { ADMIN_USER, DATABASE } from '../mariadb.ts'
import { cellSecrets } from '../secrets.ts'
import { type Chapter, expect, type SmokeContext, same } from './checks.ts'
import { ask, until } from './http.ts'
import { servingCell } from './routing.ts'

const RUN = Date.now().toString(36)
const HOST = '127.0.0.1'
const SEEN_MS = 20_000
/** Start of a process on a machine that runs a dozen others, and the way back to its place in the stream. */
const CATCH_UP_MS = 60_000
const WRITES = 30
const TABLES = ['users', 'orders', 'shops', 'posts', 'products', 'stock']

export const replication: Chapter = {
  title: 'Written in one cell, seen in all (MySQL)',
  checks: [
    { name: 'a profile of each cell is in the store of every cell', run: profiles },
    { name: 'an order, too', run: orders },
    { name: 'stock that is sold in one cell is read in each', run: stock },
    { name: 'every stream runs; lag commit to visible, by heartbeats', run: lag },
    { name: 'a replicator is killed (-9): it catches up in both directions', run: replicatorKilled },
    { name: 'the center is killed (-9): every cell catches up', run: centerKilled },
    { name: 'all cells have the same rows; nothing came back to its origin', run: equal }
  ]
}

async function profiles(context: SmokeContext): Promise<string> {
  const owners = new Map<string, string>()
  // Until every cell has written one: a user's cell is a matter of its hash.
  for (let index = 0; owners.size < context.layout.cells.length && index < 200; index += 1) {
    const user = `replicated-${RUN}-${index}`
    owners.set(await writeUser(context, user), user)
  }
  same(owners.size, context.layout.cells.length, 'cells that have written')
  const slowest = await seenEverywhere(context, [...owners.values()])
  return `${owners.size} users, in ${context.layout.cells.length} stores after at most ${Math.round(slowest)} ms`
}

async function orders(context: SmokeContext): Promise<string> {
  const { layout, first } = context
  const user = `replicated-${RUN}-0`
  const made = await ask(first, { method: 'POST', path: `/api/users/${user}/orders`, json: { productId: '1', quantity: 1 } })
  expect(made.status < 300, `${made.status} ${JSON.stringify(made.body)}`)
  const { orderNo } = made.body.order as { readonly orderNo: string }
  const waits = await Promise.all(
    layout.cells.map((cell) => seen(context, cell, { sql: 'SELECT 1 FROM orders WHERE order_no = ?', values: [orderNo], wanted: 1 }))
  )
  return `order ${orderNo} of ${servingCell(made)} after at most ${Math.round(Math.max(...waits))} ms`
}

async function stock(context: SmokeContext): Promise<string> {
  const { layout, first } = context
  const sold = await ask(first, { method: 'POST', path: '/api/products/3/stock', json: { delta: -1 } })
  const wanted = Number(sold.body.stock)
  const waits = await Promise.all(
    layout.cells.map((cell) =>
      until(`stock ${wanted} at ${cell.name}`, {
        timeoutMs: SEEN_MS,
        holds: async () => {
          const read = await ask(cell, { path: '/api/products/3' })
          same(servingCell(read), cell.name, 'read at')
          const { stock: left } = read.body.product as { readonly stock: number }
          return left === wanted ? true : `${left}`
        }
      })
    )
  )
  return `${wanted} left, read in each cell after at most ${Math.round(Math.max(...waits))} ms (its cache keeps 2 s)`
}

async function lag({ layout, client }: SmokeContext): Promise<string> {
  const edges = layout.cells.length * (layout.cells.length - 1)
  let figures: readonly number[] = []
  await until('every stream running with a lag below a second', {
    timeoutMs: SEEN_MS,
    holds: async () => {
      const { streams } = await client.status()
      const bad = streams.find(({ state, lagMs }) => state !== 'running' || lagMs === null || lagMs > 1_000)
      figures = streams.flatMap(({ lagMs }) => (lagMs === null ? [] : [lagMs]))
      if (streams.length !== edges) return `${streams.length} streams instead of ${edges}`
      return bad === undefined ? true : `${bad.from} → ${bad.to}: ${bad.state}, ${bad.lagMs} ms, ${bad.reason}`
    }
  })
  const sorted = figures.toSorted((left, right) => left - right)
  return `${edges} edges, ${sorted.at(0)?.toFixed(1)} to ${sorted.at(-1)?.toFixed(1)} ms`
}

async function replicatorKilled(context: SmokeContext): Promise<string> {
  const { layout, first } = context
  const name = `${first.name}/replicator`
  return killed(context, name, `${layout.cells.length} cells wrote meanwhile`)
}

async function centerKilled(context: SmokeContext): Promise<string> {
  return killed(context, 'center', 'writes went on without it')
}

/** Kills it, writes in all cells while it is away, and waits until every cell has everything. */
async function killed(context: SmokeContext, name: string, said: string): Promise<string> {
  const { supervisor } = context
  const pid = supervisor.pidOf(name)
  expect(pid !== undefined, `${name} does not run`)
  process.kill(pid, 'SIGKILL')
  const startedAt = performance.now()
  const users = Array.from({ length: WRITES }, (_, index) => `${name.replace('/', '-')}-${RUN}-${index}`)
  for (const user of users) await writeUser(context, user)
  await seenEverywhere(context, users, CATCH_UP_MS)
  const tookMs = performance.now() - startedAt
  expect(supervisor.pidOf(name) !== pid, `${name} was not started again`)
  return `${said}; ${users.length} writes in every cell ${(tookMs / 1000).toFixed(1)} s after the kill`
}

async function equal(context: SmokeContext): Promise<string> {
  const { layout, client } = context
  let digests: readonly string[] = []
  await until('the same rows in every cell', {
    timeoutMs: CATCH_UP_MS,
    holds: async () => {
      digests = await Promise.all(layout.cells.map((cell) => checksum(context, cell)))
      return new Set(digests).size === 1 ? true : layout.cells.map(({ name }, at) => `${name}: ${digests[at]}`).join('; ')
    }
  })
  const { replicators } = await client.status()
  for (const { cell, capture } of replicators) same(capture.echoes, 0, `changes that came back to ${cell}`)
  const conflicts = replicators.reduce((sum, { conflicts: { open } }) => sum + open, 0)
  return `${TABLES.length} tables, echo 0, ${conflicts} conflicts`
}

/** At any gateway; returns the cell that wrote it. */
async function writeUser({ first }: SmokeContext, user: string): Promise<string> {
  const written = await ask(first, { method: 'PUT', path: `/api/users/${user}`, json: { name: `Name of ${user}` } })
  expect(written.status === 200, `${written.status} ${JSON.stringify(written.body).slice(0, 200)}`)
  return servingCell(written)
}

async function seenEverywhere(context: SmokeContext, users: readonly string[], timeoutMs = SEEN_MS): Promise<number> {
  const sql = `SELECT COUNT(*) AS amount FROM users WHERE id IN (${users.map(() => '?').join(', ')})`
  const waits = await Promise.all(context.layout.cells.map((cell) => seen(context, cell, { sql, values: users, wanted: users.length, timeoutMs })))
  return Math.max(...waits)
}

interface Wanted {
  readonly sql: string
  readonly values: readonly string[]
  /** The first column of the first row. */
  readonly wanted: number
  readonly timeoutMs?: number
}

/** Looks into the store itself: a gateway would ask the owner. */
async function seen({ layout }: SmokeContext, cell: CellLayout, { sql, values, wanted, timeoutMs = SEEN_MS }: Wanted): Promise<number> {
  return withStore(layout, cell, (query) =>
    until(`${wanted} rows at ${cell.name}`, {
      timeoutMs,
      holds: async () => {
        const [row] = await query(sql, values)
        const found = Number(Object.values(row ?? {})[0] ?? 0)
        return found === wanted ? true : `${found}`
      }
    })
  )
}

async function checksum({ layout }: SmokeContext, cell: CellLayout): Promise<string> {
  return withStore(layout, cell, async (query) => {
    const rows = await query(`CHECKSUM TABLE ${TABLES.join(', ')} EXTENDED`, [])
    return rows.map((row) => String(row.Checksum)).join(' ')
  })
}

type Query = (sql: string, values: readonly string[]) => Promise<readonly RowDataPacket[]>

async function withStore<Result>(layout: SmokeContext['layout'], cell: CellLayout, work: (query: Query) => Promise<Result>): Promise<Result> {
  const { mysqlAdminPassword: password } = cellSecrets(filesOf(layout).secrets, cell.name)
  const connection = await createConnection({ host: HOST, port: cell.ports.mysql, user: ADMIN_USER, password, database: DATABASE })
  try {
    return await work(async (sql, values) => (await connection.query<RowDataPacket[]>(sql, [...values]))[0])
  } finally {
    await connection.end()
  }
}

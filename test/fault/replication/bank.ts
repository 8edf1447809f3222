import { setTimeout as sleep } from 'node:timers/promises'
import { bucketOfKey, type Snapshot } from '@cellway/topology'
import type { Connection, RowDataPacket } from 'mysql2/promise'
import type { Cluster, ClusterCell } from '../../integration/replication/cluster.ts'

/**
 * Money moves between the accounts of one cell, in its own buckets. Each transaction changes two accounts and adds one transfer, so any
 * part of it that is missing, or that is there twice, is seen in any cell at any time.
 */
export const BANK_TABLES = ['shop.accounts', 'shop.transfers', 'shop.notes']
export const BANK_DATA = [
  '{table: shop.accounts, space: users, column: id}',
  '{table: shop.transfers, space: users, column: owner}',
  '{table: shop.notes, space: users, column: owner}'
]
const BUCKETS = 64
export const BANK_BUCKETS = BUCKETS
const ACCOUNTS = 120

export const BANK_SCHEMA = [
  `CREATE TABLE accounts (id VARCHAR(32) NOT NULL PRIMARY KEY, balance BIGINT NOT NULL, version BIGINT NOT NULL, changed DATETIME(6) NULL)`,
  `CREATE TABLE transfers (id BIGINT NOT NULL PRIMARY KEY, owner VARCHAR(32) NOT NULL, from_id VARCHAR(32) NOT NULL, to_id VARCHAR(32) NOT NULL,
     amount DECIMAL(12, 2) NOT NULL, KEY (from_id), KEY (to_id))`,
  `CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, owner VARCHAR(32) NOT NULL, body LONGTEXT NULL, mood ENUM('good', 'bad') NULL, extra JSON NULL)`,
  `INSERT INTO accounts (id, balance, version) VALUES ${Array.from({ length: ACCOUNTS }, (_, at) => `('account-${at}', 0, 0)`).join(', ')}`
]

/** Every account whose numbers are not those of its transfers: none, in any cell, at any time. */
const WRONG = `SELECT a.id, a.version, a.balance, m.amount, m.total FROM accounts a LEFT JOIN
  (SELECT id, COUNT(*) AS amount, SUM(moved) AS total FROM
     (SELECT from_id AS id, -amount AS moved FROM transfers UNION ALL SELECT to_id, amount FROM transfers) AS moves GROUP BY id) AS m ON m.id = a.id
  WHERE a.version <> COALESCE(m.amount, 0) OR a.balance <> COALESCE(m.total, 0) LIMIT 5`

/** Accounts whose bucket a cell owns. */
export function accountsOf(cell: string, snapshot: Snapshot): readonly string[] {
  const owners = new Map(snapshot.ledger.filter(({ space }) => space === 'users').map(({ bucket, owner }) => [String(bucket), String(owner)]))
  return Array.from({ length: ACCOUNTS }, (_, at) => `account-${at}`).filter((id) => owners.get(String(bucketOfKey(id, BUCKETS))) === cell)
}

export interface Traffic extends AsyncDisposable {
  /** Commits that were acknowledged, by cell. */
  readonly commits: ReadonlyMap<string, number>
  /** Of any kind: a database that is down, a commit whose outcome is unknown. */
  readonly failures: number
  stop(): Promise<void>
}

const CLIENTS = 2
const THINK_MS = 12
const STATEMENT_MS = 5_000

export function startTraffic({ cells, snapshot }: Cluster, seed: number): Traffic {
  const commits = new Map(cells.map(({ name }) => [name, 0]))
  const stopping = new AbortController()
  let failures = 0
  const clients = cells.flatMap((cell, cellAt) =>
    Array.from({ length: CLIENTS }, (_, at) => {
      const random = randomOf(seed + cellAt * 10 + at)
      return client(cell, { accounts: accountsOf(cell.name, snapshot), number: cellAt * CLIENTS + at, random, signal: stopping.signal }, (done) => {
        if (done) commits.set(cell.name, (commits.get(cell.name) ?? 0) + 1)
        else failures += 1
      })
    })
  )
  const stop = async (): Promise<void> => {
    stopping.abort()
    await Promise.all(clients)
  }
  return {
    commits,
    get failures() {
      return failures
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
}

interface ClientOptions {
  readonly accounts: readonly string[]
  readonly number: number
  readonly random: () => number
  readonly signal: AbortSignal
}

async function client(cell: ClusterCell, { accounts, number, random, signal }: ClientOptions, told: (done: boolean) => void): Promise<void> {
  let connection: Connection | undefined
  // Unique over clients and over restarts of the server.
  let next = number * 1_000_000_000
  while (!signal.aborted) {
    try {
      connection ??= await opened(cell)
      const [from = '', to = ''] = pickTwo(accounts, random)
      next += 1
      await transfer(connection, { id: next, from, to, random })
      told(true)
    } catch {
      told(false)
      connection?.destroy()
      connection = undefined
      await sleep(100, undefined, { signal }).catch(() => undefined)
    }
    await sleep(random() * THINK_MS * 2, undefined, { signal }).catch(() => undefined)
  }
  connection?.destroy()
}

async function opened(cell: ClusterCell): Promise<Connection> {
  const connection = await cell.connect()
  // A connection that breaks while nobody uses it is found by the next statement.
  connection.on('error', () => undefined)
  await connection.query('USE shop')
  return connection
}

interface Transfer {
  readonly id: number
  readonly from: string
  readonly to: string
  readonly random: () => number
}

async function transfer(connection: Connection, { id, from, to, random }: Transfer): Promise<void> {
  const amount = Math.ceil(random() * 100)
  const run = (sql: string, values: readonly (string | number)[] = []): Promise<unknown> =>
    connection.query({ sql, timeout: STATEMENT_MS, values: [...values] })
  await run('START TRANSACTION')
  // In the order of their names: two clients of one cell must not wait for each other.
  for (const [account, moved] of [[from, -amount] as const, [to, amount] as const].toSorted(([left], [right]) => (left < right ? -1 : 1)))
    await run('UPDATE accounts SET balance = balance + ?, version = version + 1, changed = NOW(6) WHERE id = ?', [moved, account])
  await run('INSERT INTO transfers (id, owner, from_id, to_id, amount) VALUES (?, ?, ?, ?, ?)', [id, from, from, to, amount])
  if (random() < 0.3) await note(run, { id, from, random })
  await run('COMMIT')
}

async function note(
  run: (sql: string, values?: readonly (string | number)[]) => Promise<unknown>,
  { id, from, random }: Pick<Transfer, 'id' | 'from' | 'random'>
): Promise<void> {
  const old = id - 1 - Math.floor(random() * 20)
  if (random() < 0.2) await run('DELETE FROM notes WHERE id = ? AND owner = ?', [old, from])
  else if (random() < 0.3) await run("UPDATE notes SET body = CONCAT(COALESCE(body, ''), '…'), mood = 'bad' WHERE id = ? AND owner = ?", [old, from])
  else
    await run('INSERT INTO notes (id, owner, body, mood, extra) VALUES (?, ?, ?, ?, ?)', [
      id,
      from,
      '写 '.repeat(Math.floor(random() * 200)),
      random() < 0.5 ? 'good' : 'bad',
      JSON.stringify({ at: random(), list: [1, null, 'x'] })
    ])
}

/** Accounts that show a transaction in part or twice. */
export async function findWrong(cell: ClusterCell): Promise<readonly RowDataPacket[]> {
  const connection = await opened(cell)
  try {
    const [rows] = await connection.query<RowDataPacket[]>(WRONG)
    return rows
  } finally {
    connection.destroy()
  }
}

function pickTwo(accounts: readonly string[], random: () => number): readonly string[] {
  const first = Math.floor(random() * accounts.length)
  const second = (first + 1 + Math.floor(random() * (accounts.length - 1))) % accounts.length
  return [accounts[first] ?? '', accounts[second] ?? '']
}

/** mulberry32: the same faults and the same traffic for the same seed, as far as the machine's timing allows. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

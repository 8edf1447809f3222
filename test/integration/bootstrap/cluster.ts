/** Cells as they run for real: a MariaDB and a replicator process each, and a center process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { buildSnapshot, checkTopology, encodeSnapshot, initialLedger } from '@cellway/topology'
import { ensureBootstrapSchema } from '../../../services/replicator/src/bootstrap/schema.ts'
import { writeRequest } from '../../../services/replicator/src/bootstrap/target-state.ts'
import { ensureSchema } from '../../../services/replicator/src/store/schema.ts'
import type { Session } from '../../../services/replicator/src/store/session.ts'
import { type CenterProcess, makeCenterProcess, tokenOf } from '../center/center-process.ts'
import { freePort, startMariadb, type TestServer } from '../servers.ts'
import { sessionOn } from './cells.ts'

const MAIN = fileURLToPath(new URL('../../../services/replicator/src/main.ts', import.meta.url))
/** The source, another cell that writes, and the one that is filled: it owns nothing. */
export const [SOURCE, OTHER, TARGET] = ['beijing', 'shanghai', 'shenzhen'] as const
export const CELLS = [SOURCE, OTHER, TARGET]
export const AREA: Readonly<Record<string, string>> = { [SOURCE]: 'xa', [OTHER]: 'xb' }
export const WAIT_MS = 90_000

export interface Cell {
  readonly name: string
  readonly server: TestServer
  readonly session: Session
  start(): Promise<void>
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  log(): string
}

export interface Cluster extends AsyncDisposable {
  readonly center: CenterProcess
  cell(name: string): Cell
}

/** `schema` is run in the source and in the other cell; the target is empty. */
export async function startCluster(tables: readonly string[], schema: string): Promise<Cluster> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cellway-bootstrap-'))
  const stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  try {
    const snapshotFile = path.join(folder, 'snapshot.json')
    await writeFile(snapshotFile, snapshotText(tables))
    const center = stack.use(await makeCenterProcess({ folder: path.join(folder, 'center') }))
    await center.start()
    const cells = new Map<string, Cell>()
    for (const [number, name] of CELLS.entries()) cells.set(name, await makeCell({ name, number, folder, snapshotFile, center, stack }))
    const cell = (name: string): Cell => {
      const found = cells.get(name)
      if (found === undefined) throw new Error(`no cell ${name}`)
      return found
    }
    for (const name of [SOURCE, OTHER]) await cell(name).session.run(schema)
    return { center, cell, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  } catch (cause) {
    await stack.disposeAsync()
    throw cause
  }
}

function snapshotText(tables: readonly string[]): string {
  const cells = CELLS.map((name, at) => [
    name,
    { number: at, region: 'r', gateway: `http://127.0.0.1:${29_100 + at}`, apps: { default: ['http://127.0.0.1:29002'] } }
  ])
  const checked = checkTopology({
    apiVersion: 'cellway/v1',
    cells: Object.fromEntries(cells),
    spaces: { areas: { kind: 'list', values: ['xa', 'xb'], assign: { xa: SOURCE, xb: OTHER } } },
    routes: [{ match: { path: '/**' }, space: 'areas', key: [{ header: 'x-area' }], missing: 'reject' }],
    data: { mysql: tables.map((table) => ({ table: `shop.${table}`, space: 'areas', column: 'area' })) }
  })
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return encodeSnapshot(buildSnapshot({ version: 1, topology: checked.value, ledger: initialLedger(checked.value) }))
}

interface CellParts {
  readonly name: string
  readonly number: number
  readonly folder: string
  readonly snapshotFile: string
  readonly center: CenterProcess
  readonly stack: AsyncDisposableStack
}

async function makeCell({ name, number, folder, snapshotFile, center, stack }: CellParts): Promise<Cell> {
  const args = ['--log-bin=binlog', '--binlog-format=ROW', '--binlog-row-metadata=FULL', '--gtid-strict-mode=ON', '--max-allowed-packet=1G']
  const numbers = [
    `--server-id=${number * 100 + 101}`,
    `--gtid-domain-id=${number + 1}`,
    '--auto-increment-increment=16',
    `--auto-increment-offset=${number + 1}`
  ]
  // Durability against a crash of the machine is not what is tested.
  const server = stack.use(await startMariadb({ args: [...args, ...numbers, '--sync-binlog=0', '--innodb-flush-log-at-trx-commit=2'] }))
  const session = stack.use(await sessionOn(server, { signal: new AbortController().signal }))
  await ensureSchema(session)
  await ensureBootstrapSchema(session)
  const configFile = path.join(folder, `${name}.json`)
  const config = {
    cell: name,
    member: `${name}-1`,
    mysql: { host: server.host, port: server.port, user: 'root', passwordEnv: 'NO_PASSWORD' },
    center: { url: center.url, tokenEnv: 'CENTER_TOKEN' },
    snapshotFile,
    admin: { port: await freePort() },
    spillFolder: path.join(folder, `${name}-spill`),
    limits: { heartbeatMs: 200 }
  }
  await writeFile(configFile, JSON.stringify(config))
  const process_ = new ReplicatorProcess(name, configFile)
  stack.defer(() => process_.kill())
  return { name, server, session, start: () => process_.start(), kill: () => process_.kill(), log: () => process_.printed }
}

class ReplicatorProcess {
  readonly #name: string
  readonly #configFile: string
  #child: ChildProcess | undefined
  printed = ''

  constructor(name: string, configFile: string) {
    this.#name = name
    this.#configFile = configFile
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [MAIN, '--config', this.#configFile], {
      env: { PATH: process.env.PATH ?? '', NO_PASSWORD: '', CENTER_TOKEN: tokenOf(this.#name) },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.printed = `${this.printed}${line}\n`.slice(-200_000)
      })
    }
    await once(child, 'spawn')
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
}

/** What `cellway cell bootstrap` leaves in the database: the replicator finds it when it starts. */
export async function requestCopy({ session }: Cell, options: { readonly rowsPerSecond: number; readonly wipe?: boolean }): Promise<void> {
  await writeRequest(session, { runId: 'run-1', sourceCell: SOURCE, wipe: options.wipe ?? false, force: false, rowsPerSecond: options.rowsPerSecond })
}

/** Asks again until it is so. What it waited for is in the error. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${WAIT_MS} ms: ${what}`)
    await sleep(50)
  }
}

export async function numberOf({ session }: Cell, sql: string): Promise<number> {
  const [row] = await session.rows(sql)
  return Number(row?.[0]?.toString() ?? 0)
}

/** Everything in the tables, to the byte. */
export async function digest({ session }: Cell, tables: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  let count = 0
  for (const table of tables) {
    if ((await session.rows(`SELECT 1 FROM information_schema.tables WHERE table_schema = 'shop' AND table_name = '${table}'`)).length === 0) continue
    const rows = await session.rows(`SELECT * FROM shop.${table} ORDER BY 1, 2`)
    count += rows.length
    hash.update(table)
    for (const row of rows) for (const cell of row) hash.update(cell === null ? 'null;' : `${cell.length}:${cell.toString('hex')};`)
  }
  return `${count} rows ${hash.digest('hex').slice(0, 16)}`
}

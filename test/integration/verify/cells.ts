/** Cells with real databases, captures, appliers, repairers and verifiers in one process; the center is a log in memory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '@cellway/base'
import type { Position } from '@cellway/change'
import { openEnvelope } from '@cellway/change'
import type { PolicyConfig } from '@cellway/conflict'
import type { ReaderReport, RemoteLog } from '@cellway/log'
import { createMemoryLog } from '@cellway/log'
import { createLogger } from '@cellway/telemetry'
import type { CompiledSnapshot } from '@cellway/topology'
import { buildSnapshot, compileSnapshot, initialLedger, parseTopology } from '@cellway/topology'
import { AppliedPositions } from '../../../services/replicator/src/apply/applied-positions.ts'
import { Applier } from '../../../services/replicator/src/apply/applier.ts'
import type { ApplyMetrics } from '../../../services/replicator/src/apply/metrics.ts'
import { Capture } from '../../../services/replicator/src/capture/capture.ts'
import { Heartbeat } from '../../../services/replicator/src/capture/heartbeat.ts'
import { NO_METRICS } from '../../../services/replicator/src/capture/metrics.ts'
import type { CellContext } from '../../../services/replicator/src/context.ts'
import { Repairer } from '../../../services/replicator/src/repair/repairer.ts'
import { placeCheckpoint } from '../../../services/replicator/src/store/checkpoint.ts'
import { takeEpoch } from '../../../services/replicator/src/store/epoch.ts'
import { ensureSchema } from '../../../services/replicator/src/store/schema.ts'
import type { MysqlConfig, Session } from '../../../services/replicator/src/store/session.ts'
import { openSession } from '../../../services/replicator/src/store/session.ts'
import { align } from '../../../services/replicator/src/verify/positions.ts'
import { StoreSource } from '../../../services/replicator/src/verify/store-source.ts'
import type { VerifierLimits } from '../../../services/replicator/src/verify/verifier.ts'
import { Verifier } from '../../../services/replicator/src/verify/verifier.ts'
import { startMysql9 } from '../mysql9.ts'
import { startMariadb } from '../servers.ts'

export type Flavour = 'mariadb' | 'mysql'

export interface CellsOptions {
  readonly flavours: readonly Flavour[]
  /** CREATE statements; the schema is `shop`. */
  readonly schema: readonly string[]
  /** Lines of `data: mysql:`. The spaces are `global` (the first cell's) and `areas` (values xa, xb, xc of the cells a, b, c). */
  readonly data: readonly string[]
  readonly policies?: PolicyConfig
  readonly verifier?: Partial<VerifierLimits>
}

export interface TestCell {
  readonly name: string
  readonly config: MysqlConfig
  /** An application's: what it writes is this cell's own. */
  readonly session: Session
  readonly context: CellContext
  readonly verifier: Verifier
  readonly repairer: Repairer
  readonly source: StoreSource
  readonly counted: { echoes: number; conflicts: number; differences: number }
  /** Stops and starts the applier of one source. */
  readonly appliers: ReadonlyMap<string, Applier>
  /** Writes that no stream ever sees: what a bug or a hand would do. */
  unseen(sql: string): Promise<void>
  errors(): unknown[]
}

export interface Cells extends AsyncDisposable {
  readonly cells: readonly TestCell[]
  cell(name: string): TestCell
  /** Until every cell has everything of every other, answers and answers to them included. */
  quiet(): Promise<void>
}

const NAMES = ['a', 'b', 'c']
const WAIT_MS = 60_000

export async function startCells(options: CellsOptions): Promise<Cells> {
  await using stack = new AsyncDisposableStack()
  const life = new AbortController()
  const snapshot = snapshotOf(options)
  const center = memoryCenter()
  const stores: Store[] = []
  for (const [at, flavour] of options.flavours.entries()) stores.push(await openStore(flavour, { at, stack, life, schema: options.schema }))
  const sources = new Map<string, StoreSource>()
  const cells: TestCell[] = []
  const shared = { options, stores, snapshot, center, stack, life, sources }
  const captured = []
  for (const store of stores) captured.push({ store, ...(await startCapture(store, shared)) })
  await placeStreams(stores, center)
  for (const each of captured) cells.push(await startCell(each, shared))
  // Before the servers stop.
  stack.defer(() => life.abort())
  const owned = stack.move()
  return {
    cells,
    cell: (name) => {
      const found = cells.find((one) => one.name === name)
      if (found === undefined) throw new Error(`no cell ${name}`)
      return found
    },
    quiet: () => quiet(cells),
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}

interface Store {
  readonly name: string
  readonly number: number
  readonly config: MysqlConfig
  readonly session: Session
}

interface Opening {
  readonly at: number
  readonly stack: AsyncDisposableStack
  readonly life: AbortController
  readonly schema: readonly string[]
}

async function openStore(flavour: Flavour, { at, stack, life, schema }: Opening): Promise<Store> {
  const id = `--server-id=${at + 1}`
  const server =
    flavour === 'mysql'
      ? await startMysql9({ args: [id] })
      : await startMariadb({
          args: ['--log-bin=bin', id, '--binlog-format=ROW', '--binlog-row-image=FULL', '--binlog-row-metadata=FULL', '--gtid-strict-mode=ON']
        })
  stack.use(server)
  const config = { host: server.host, port: server.port, user: server.user, password: server.password }
  const session = await openSession(config, { role: 'plain', signal: life.signal })
  await ensureSchema(session)
  await session.run('CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin')
  for (const statement of schema) await session.run(statement)
  return { name: NAMES[at] ?? '', number: at, config, session }
}

interface Shared {
  readonly options: CellsOptions
  readonly stores: readonly Store[]
  readonly snapshot: CompiledSnapshot
  readonly center: RemoteLog
  readonly stack: AsyncDisposableStack
  readonly life: AbortController
  readonly sources: Map<string, StoreSource>
}

interface Captured {
  readonly store: Store
  readonly context: CellContext
  readonly epoch: number
  readonly errors: unknown[]
}

async function startCapture({ name, config, session }: Store, { snapshot, center, stack, life }: Shared): Promise<Omit<Captured, 'store'>> {
  const context = contextOf(name, center, snapshot)
  const epoch = await takeEpoch(session, 'mysql')
  const folder = await mkdtemp(join(tmpdir(), 'cellway-verify-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const capture = new Capture({ context, epoch, config: { mysql: config, spillFolder: folder }, metrics: NO_METRICS })
  const heartbeat = new Heartbeat({ context, mysql: config, metrics: NO_METRICS, periodMs: 200 })
  const errors: unknown[] = []
  start([capture, heartbeat], errors, { stack, life })
  return { context, epoch, errors }
}

interface Running {
  run(signal: AbortSignal): Promise<void>
}

function start(parts: readonly Running[], errors: unknown[], { stack, life }: Pick<Shared, 'stack' | 'life'>): void {
  const ended = parts.map((part) => part.run(life.signal).catch((cause: unknown) => void errors.push(cause)))
  stack.defer(async () => {
    life.abort()
    await Promise.all(ended)
  })
}

/** Each cell begins with the first record of each other one; nothing was written before it. */
async function placeStreams(stores: readonly Store[], center: RemoteLog): Promise<void> {
  for (const origin of stores) {
    const position = await firstPosition(center, `${origin.name}/mysql`)
    for (const store of stores) {
      if (store !== origin) await placeCheckpoint(store.session, { sourceCell: origin.name, store: 'mysql', position, epoch: 0 })
    }
  }
}

async function firstPosition(center: RemoteLog, stream: string): Promise<Position> {
  const signal = AbortSignal.timeout(WAIT_MS)
  await until('the first heartbeat', async () => (await center.streams()).includes(stream))
  for await (const batch of center.read(stream, 'oldest', { maxBytes: 1 << 20, signal })) {
    const [first] = batch.records
    if (first !== undefined) return openEnvelope(first.payload).envelope.from
  }
  throw new Error('the stream ended')
}

async function startCell({ store, context, epoch, errors }: Captured, { options, stores, stack, life, sources }: Shared): Promise<TestCell> {
  const { name, config, session } = store
  const counted = { echoes: 0, conflicts: 0, differences: 0 }
  const positions = new AppliedPositions()
  const others = stores.filter((one) => one.name !== name)
  const appliers = new Map(
    others.map((other) => [
      other.name,
      new Applier({
        context,
        mysql: config,
        sourceCell: other.name,
        epoch,
        positions,
        policies: options.policies ?? {},
        metrics: applyMetrics(counted)
      })
    ])
  )
  const repairer = new Repairer({
    context,
    config,
    metrics: { repaired: () => {}, requested: () => {}, failed: () => {} },
    limits: { pollMs: 50, requestMs: 200 }
  })
  const source = stack.use(new StoreSource({ context, config, positions }))
  sources.set(name, source)
  const verifier = new Verifier({
    context,
    config,
    positions,
    metrics: {
      compared: () => {},
      differences: (_from, _table, rows) => {
        counted.differences += rows
      },
      repaired: () => {},
      finished: () => {}
    },
    peer: (cell) => {
      const found = sources.get(cell)
      if (found === undefined) throw new Error(`no cell ${cell}`)
      return found
    },
    ...(options.verifier === undefined ? {} : { limits: options.verifier })
  })
  start([repairer, verifier, ...appliers.values()], errors, { stack, life })
  const hidden = await openSession(config, { role: 'plain', signal: life.signal })
  await hidden.run('SET SESSION sql_log_bin = 0')
  return {
    name,
    config,
    session,
    context,
    verifier,
    repairer,
    source,
    counted,
    appliers,
    unseen: async (sql) => {
      await hidden.run(sql)
    },
    errors: () => errors
  }
}

function snapshotOf({ flavours, data }: CellsOptions): CompiledSnapshot {
  const cells = NAMES.slice(0, flavours.length)
  const lines = cells.map((name) => `  ${name}: {region: r-${name}, gateway: "http://10.0.0.1:7100", apps: {default: ["http://10.0.0.2:8080"]}}`)
  const checked = parseTopology(`apiVersion: cellway/v1
cells:
${lines.join('\n')}
center: {host: a, log: embedded}
spaces:
  global: {kind: single, primary: a}
  areas: {kind: list, values: [${cells.map((name) => `x${name}`).join(', ')}], assign: {${cells.map((name) => `x${name}: ${name}`).join(', ')}}}
routes:
  - {match: {path: /**}, space: global}
data:
  mysql:
${data.map((line) => `    - ${line}`).join('\n')}
`)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return compileSnapshot(buildSnapshot({ version: 1, topology: checked.value, ledger: initialLedger(checked.value) }))
}

function contextOf(cell: string, center: RemoteLog, snapshot: CompiledSnapshot): CellContext {
  return {
    cell,
    store: 'mysql',
    log: createLogger({ service: `test-${cell}`, level: process.env.TEST_LOG ?? 'silent' }),
    clock: systemClock,
    center,
    topology: {
      current: () => snapshot,
      newerThan: (_version, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    }
  }
}

function memoryCenter(): RemoteLog {
  const reports: ReaderReport[] = []
  return Object.assign(createMemoryLog(), {
    adapter: 'remote' as const,
    reportReader: async () => {},
    readers: async () => reports,
    connection: () => ({ state: 'connected' as const })
  })
}

function applyMetrics(counted: TestCell['counted']): ApplyMetrics {
  return {
    applied: () => {},
    heartbeat: () => {},
    conflict: () => {
      counted.conflicts += 1
    },
    parked: () => {},
    retried: () => {},
    echo: () => {
      counted.echoes += 1
    }
  }
}

/** Positions pass heartbeats all the time, so "all applied" is asked for what was written when it is asked, until nothing is owed. */
async function quiet(cells: readonly TestCell[]): Promise<void> {
  await until('quiet', async () => {
    for (const cell of cells) {
      const [broken] = cell.errors()
      if (broken !== undefined) throw broken
    }
    const owed = await Promise.all(
      cells.map((cell) => cell.session.rows("SELECT 1 FROM cellway.conflict WHERE reemit IN ('pending', 'request') LIMIT 1"))
    )
    if (owed.some((rows) => rows.length > 0)) return false
    const before = await repairCounts(cells)
    await caughtUp(cells)
    return before === (await repairCounts(cells))
  })
}

async function repairCounts(cells: readonly TestCell[]): Promise<string> {
  const counts = await Promise.all(
    cells.map(({ session }) => session.rows('SELECT (SELECT COUNT(*) FROM cellway.repair), (SELECT COUNT(*) FROM cellway.conflict)'))
  )
  return counts.map(([row]) => row?.map(String).join(':')).join(' ')
}

async function caughtUp(cells: readonly TestCell[]): Promise<void> {
  const signal = AbortSignal.timeout(WAIT_MS)
  for (const [at, here] of cells.entries()) {
    for (const there of cells.slice(at + 1)) await align({ here: here.source, there: there.source, waitMs: WAIT_MS, signal })
  }
}

/** Looks again until it is so; the deadline is the test's. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = AbortSignal.timeout(WAIT_MS)
  while (!(await holds())) {
    if (deadline.aborted) throw new Error(`not in time: ${what}`)
    await sleep(20)
  }
}

/** Everything in a table, by its key, to the byte. */
export async function contentOf(cell: TestCell, table: string): Promise<string> {
  const rows = await cell.session.rows(`SELECT * FROM shop.${table} ORDER BY 1, 2`)
  return rows.map((row) => row.map((value) => (value === null ? 'NULL' : value.toString('latin1'))).join('|')).join('\n')
}

/** A cell with a real store, its capture, and a log to look into. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { CellwayError, systemClock } from '@cellway/base'
import { createMemoryLog, type Log, type LogBatch, type LogPosition, type ReaderReport, type RemoteLog } from '@cellway/log'
import { createLogger } from '@cellway/telemetry'
import { buildSnapshot, type CompiledSnapshot, checkTopology, compileSnapshot, initialLedger } from '@cellway/topology'
import { Capture } from '../../../services/replicator/src/capture/capture.ts'
import type { CaptureConfig } from '../../../services/replicator/src/capture/config.ts'
import { type CaptureMetrics, NO_METRICS } from '../../../services/replicator/src/capture/metrics.ts'
import type { CaptureStatus } from '../../../services/replicator/src/capture/status.ts'
import type { CellContext, TopologyView } from '../../../services/replicator/src/context.ts'
import { ensureSchema } from '../../../services/replicator/src/store/schema.ts'
import { openSession, reservedServerId, type Session } from '../../../services/replicator/src/store/session.ts'
import { startMysql9 } from '../mysql9.ts'
import { startMariadb, type TestServer } from '../servers.ts'

export const CELL = 'beijing'
export const CELL_NUMBER = 0
export const STREAM = `${CELL}/mysql`
export const MARIADB_ARGS = [
  '--log-bin=bin',
  '--server-id=7',
  '--binlog-format=ROW',
  '--binlog-row-image=FULL',
  '--binlog-row-metadata=FULL',
  '--gtid-strict-mode=ON'
]

export type Flavour = 'mariadb' | 'mysql'

export interface Store extends AsyncDisposable {
  readonly flavour: Flavour
  readonly server: TestServer
  readonly mysql: CaptureConfig['mysql']
  /** May do everything. */
  readonly session: Session
  /** One more connection; `applier`: with the mark of what this cell's appliers write. */
  open(role?: 'plain' | 'applier'): Promise<Session>
  run(sql: string): Promise<void>
  position(): Promise<string>
}

/** Tables t (declared), own (local) and the schema cellway. */
export async function startStore(flavour: Flavour, args: readonly string[] = []): Promise<Store> {
  const server = flavour === 'mariadb' ? await startMariadb({ args: [...MARIADB_ARGS, ...args] }) : await startMysql9({ args })
  const mysql = { host: server.host, port: server.port, user: 'root', password: '' }
  const life = new AbortController()
  const open = (role: 'plain' | 'applier' = 'plain'): Promise<Session> =>
    openSession(mysql, { role, signal: life.signal, ...(role === 'applier' ? { reservedServerId: reservedServerId(CELL_NUMBER) } : {}) })
  const session = await open()
  await ensureSchema(session)
  await session.run(
    'CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(200)); CREATE TABLE shop.own (id INT PRIMARY KEY); CREATE TABLE shop.more (id INT PRIMARY KEY)'
  )
  const sql = flavour === 'mariadb' ? 'SELECT @@gtid_binlog_pos' : 'SELECT @@gtid_executed'
  return {
    flavour,
    server,
    mysql,
    session,
    open,
    run: async (text) => {
      await session.run(text)
    },
    position: async () => (await session.rows(sql))[0]?.[0]?.toString().replaceAll('\n', '') ?? '',
    [Symbol.asyncDispose]: async () => {
      life.abort()
      await server[Symbol.asyncDispose]()
    }
  }
}

export interface Topologies extends TopologyView {
  declare(...tables: { table: string; class?: 'local' }[]): void
}

export function topologies(cells: readonly string[] = [CELL, 'shanghai']): Topologies {
  let version = 0
  let current: CompiledSnapshot
  const waiting = new Set<() => void>()
  const declare: Topologies['declare'] = (...tables) => {
    version += 1
    current = compiled(version, cells, tables)
    for (const wake of [...waiting]) wake()
  }
  declare({ table: 'shop.t' }, { table: 'shop.own', class: 'local' })
  return {
    declare,
    current: () => current,
    newerThan: (known, signal) =>
      new Promise((resolve, reject) => {
        if (current.snapshot.version > known) return resolve(current)
        const wake = (): void => {
          waiting.delete(wake)
          resolve(current)
        }
        waiting.add(wake)
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
  }
}

function compiled(version: number, cells: readonly string[], tables: readonly { table: string; class?: 'local' }[]): CompiledSnapshot {
  const checked = checkTopology({
    apiVersion: 'cellway/v1',
    cells: Object.fromEntries(
      cells.map((name, at) => [
        name,
        { number: at, region: 'r', gateway: `http://127.0.0.1:${26100 + at}`, apps: { default: ['http://127.0.0.1:26002'] } }
      ])
    ),
    spaces: { users: { kind: 'hash', buckets: 16 } },
    routes: [{ match: { path: '/**' }, space: 'users', key: [{ header: 'x-user' }], missing: 'reject' }],
    data: { mysql: tables.map((one) => (one.class === undefined ? { table: one.table, space: 'users', column: 'id' } : one)) }
  })
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return compileSnapshot(buildSnapshot({ version, topology: checked.value, ledger: initialLedger(checked.value) }))
}

export type Fault = 'refused' | 'lost-before' | 'lost-after' | 'slow'

/** A local log as a center: with reports of readers, and with faults at its door. */
export interface TestCenter extends RemoteLog {
  readonly reports: ReaderReport[]
  /** Decides the fate of each append; undefined lets it through. */
  fault: (append: number) => Fault | undefined
  /** While set, appends wait. */
  gate: Promise<void> | undefined
  readonly appends: number
}

export function centerOf(log: Log = createMemoryLog()): TestCenter {
  let appends = 0
  const reports: ReaderReport[] = []
  const center = {
    reports,
    fault: (_append: number): Fault | undefined => undefined,
    gate: undefined as Promise<void> | undefined,
    get appends() {
      return appends
    },
    // Not `remote`: nothing promises here that an append behind a failed one fails too.
    adapter: log.adapter as 'remote',
    append: async (stream: string, batch: LogBatch, options: { signal: AbortSignal }): Promise<LogPosition> => {
      appends += 1
      const fate = center.fault(appends)
      if (center.gate !== undefined) await Promise.race([center.gate, aborted(options.signal)])
      if (fate === 'lost-before' || fate === 'refused') throw logError(fate === 'refused' ? 'LOG_OVERLOADED' : 'LOG_NOT_DURABLE')
      const position = await log.append(stream, batch, options)
      if (fate === 'lost-after') throw logError('LOG_NOT_DURABLE')
      return position
    },
    read: log.read.bind(log),
    bounds: log.bounds.bind(log),
    trim: log.trim.bind(log),
    identity: log.identity.bind(log),
    streams: log.streams.bind(log),
    retain: log.retain.bind(log),
    release: log.release.bind(log),
    reportReader: async (_stream: string, reader: string, position: string) => {
      reports.push({ reader, position, timeMs: 0, ageMs: 0 })
    },
    readers: async () => reports,
    connection: () => ({ state: 'connected' }) as const,
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose]()
  }
  return center
}

function logError(code: 'LOG_OVERLOADED' | 'LOG_NOT_DURABLE'): Error {
  const definition = { code, message: 'injected by the test', statusCode: 503, origin: 'operator', retry: 'later' } as const
  return new CellwayError(definition, {})
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

export interface RunningCapture extends AsyncDisposable {
  readonly capture: Capture
  /** Resolves when it stopped by itself; to the error. */
  readonly stopped: Promise<unknown>
  status(): CaptureStatus
  stop(): Promise<void>
  readonly lines: string[]
}

export interface CaptureSetup {
  readonly store: Store
  readonly center: RemoteLog
  readonly epoch?: number
  readonly topology?: TopologyView
  readonly config?: Partial<CaptureConfig>
  readonly metrics?: Partial<CaptureMetrics>
}

export async function startCapture({ store, center, epoch = 1, topology = topologies(), config, metrics }: CaptureSetup): Promise<RunningCapture> {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-capture-'))
  const lines: string[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    }
  })
  const context: CellContext = {
    cell: CELL,
    store: 'mysql',
    log: createLogger({ service: 'replicator', stream: sink }),
    clock: systemClock,
    center,
    topology
  }
  const capture = new Capture({
    context,
    epoch,
    config: { mysql: store.mysql, spillFolder: folder, ...config },
    metrics: { ...NO_METRICS, ...metrics }
  })
  const end = new AbortController()
  const ran = capture.run(end.signal).then(
    () => undefined,
    (cause: unknown) => cause
  )
  const stop = async (): Promise<void> => {
    end.abort()
    await ran
  }
  return {
    capture,
    stopped: ran,
    lines,
    status: () => capture.status(),
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

const PATIENCE_MS = 30_000

/** Until it holds; says what there is when it does not come. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  seen: () => unknown = () => '',
  patienceMs = PATIENCE_MS
): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: did not come; there is ${JSON.stringify(seen())}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export function running(one: RunningCapture): Promise<void> {
  return until(
    'the capture runs',
    () => one.status().state === 'running',
    () => [one.status(), one.lines.slice(-5)]
  )
}

/** The error that it stopped with. */
export async function soon(one: RunningCapture): Promise<unknown> {
  let error: unknown
  const ended = one.stopped.then((cause) => {
    error = cause ?? 'no error'
  })
  await until(
    'the capture stops',
    () => error !== undefined,
    () => [one.status(), one.lines.slice(-5)]
  )
  await ended
  return error
}

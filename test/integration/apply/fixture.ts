/** A target with an applier, and an origin that exists as a stream only: what it wrote is known to the byte. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '@cellway/base'
import type { CellValue, Change, MariadbPosition, Row, TableIdentity } from '@cellway/change'
import { createTransactionPacker, formatPosition } from '@cellway/change'
import type { ConflictClass, PolicyConfig } from '@cellway/conflict'
import type { Log, RemoteLog } from '@cellway/log'
import { createMemoryLog } from '@cellway/log'
import { describeTables, identityOf } from '@cellway/mysql-value'
import { createLogger } from '@cellway/telemetry'
import type { CompiledSnapshot, LedgerEntry } from '@cellway/topology'
import { buildSnapshot, compileSnapshot, initialLedger, parseTopology } from '@cellway/topology'
import { AppliedPositions } from '../../../services/replicator/src/apply/applied-positions.ts'
import { Applier } from '../../../services/replicator/src/apply/applier.ts'
import type { AppliedCounts, ApplyMetrics } from '../../../services/replicator/src/apply/metrics.ts'
import type { ApplyGate } from '../../../services/replicator/src/bootstrap/gate.ts'
import type { CellContext } from '../../../services/replicator/src/context.ts'
import { ensureSchema } from '../../../services/replicator/src/store/schema.ts'
import type { MysqlConfig, Session } from '../../../services/replicator/src/store/session.ts'
import { openSession } from '../../../services/replicator/src/store/session.ts'
import { startMariadb } from '../servers.ts'

/** Cells by number: the first is the arbiter of what nobody owns. */
export const CELLS = ['a', 'b', 'c'] as const
export const [ORIGIN, SELF, THIRD] = CELLS
export const WAIT_MS = 60_000

/** Tables of the schema `shop`: `one` of a space that the origin owns, `keyed` by a column `owner` whose value names its owner. */
export function snapshotOf(tables: readonly string[], change: (entry: LedgerEntry) => LedgerEntry = (entry) => entry): CompiledSnapshot {
  const cells = CELLS.map((name) => `  ${name}: {region: r-${name}, gateway: "http://10.0.0.1:7100", apps: {default: ["http://10.0.0.2:8080"]}}`)
  const data = [...tables.map((table) => `    - {table: shop.${table}, space: global}`), '    - {table: shop.keyed, space: areas, column: owner}']
  const checked = parseTopology(`apiVersion: cellway/v1
cells:
${cells.join('\n')}
center: {host: a, log: embedded}
spaces:
  global: {kind: single, primary: a}
  areas: {kind: list, values: [xa, xb, xc], assign: {xa: a, xb: b, xc: c}}
routes:
  - {match: {path: /**}, space: global}
data:
  mysql:
${data.join('\n')}
`)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  const topology = checked.value
  return compileSnapshot(buildSnapshot({ version: 1, topology, ledger: initialLedger(topology).map(change) }))
}

export interface Target extends AsyncDisposable {
  readonly config: MysqlConfig
  readonly session: Session
  /** Of a table of the schema `shop`, as the origin's stream carries it. */
  identity(name: string): Promise<TableIdentity>
  /** Everything in a table, to the byte. */
  digest(table: string): Promise<string>
  records(sql: string): Promise<Record<string, string | number | null>[]>
}

export async function startTarget(args: readonly string[] = []): Promise<Target> {
  const server = await startMariadb({ args: ['--log-bin', '--server-id=2', '--binlog-format=ROW', '--binlog-row-metadata=FULL', ...args] })
  return targetOf({ host: server.host, port: server.port, user: server.user, password: server.password }, async () => server[Symbol.asyncDispose]())
}

export async function targetOf(config: MysqlConfig, dispose: () => Promise<void>): Promise<Target> {
  const alive = new AbortController()
  const session = await openSession(config, { role: 'plain', signal: alive.signal })
  await ensureSchema(session)
  await session.run('CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin')
  return {
    config,
    session,
    async identity(name) {
      const [table] = await describeTables((sql) => session.records(sql), { flavour: session.flavour, table: { schema: 'shop', name } })
      if (table === undefined) throw new Error(`no table ${name}`)
      return identityOf(table)
    },
    async digest(table) {
      const rows = await session.rows(`SELECT * FROM shop.${table} ORDER BY 1, 2`)
      const hash = createHash('sha256')
      for (const row of rows) for (const cell of row) hash.update(cell === null ? 'null' : `${cell.length}:${cell.toString('hex')};`)
      return `${rows.length} rows ${hash.digest('hex')}`
    },
    records: (sql) => session.records(sql),
    async [Symbol.asyncDispose]() {
      await session.close()
      alive.abort()
      await dispose()
    }
  }
}

export type Center = RemoteLog & { readonly reported: Map<string, string> }

/** The log in memory, with the calls that only the center's own has. */
export function memoryCenter(log: Log = createMemoryLog()): Center {
  const reported = new Map<string, string>()
  return Object.assign(log, {
    adapter: 'remote' as const,
    reported,
    reportReader: async (stream: string, reader: string, position: string) => {
      reported.set(`${stream} ${reader}`, position)
    },
    readers: async () => [],
    connection: () => ({ state: 'connected' as const })
  })
}

/** Writes transactions as a capture would: MariaDB's GTIDs of domain 0, server 1. */
export class Origin {
  readonly cell: string
  readonly center: Center
  readonly store = 'mysql'
  #sequence: bigint
  #producer = 1
  #epoch = 1

  constructor(center: Center, { cell = ORIGIN, sequence = 0n }: { cell?: string; sequence?: bigint } = {}) {
    this.cell = cell
    this.center = center
    this.#sequence = sequence
  }

  get position(): MariadbPosition {
    return positionAt(this.#sequence)
  }

  get positionText(): string {
    return formatPosition(this.position)
  }

  /** Another capture takes over, and begins again from there. */
  restart(sequence: bigint): void {
    this.#epoch += 1
    this.#sequence = sequence
    this.#producer = 1
  }

  /** One record of transactions; of several parts where one is larger than `partBytes`. Returns their GTIDs. */
  async write(
    transactions: readonly (readonly Change[])[],
    { partBytes, partsMax = Number.POSITIVE_INFINITY }: { partBytes?: number; partsMax?: number } = {}
  ): Promise<string[]> {
    const packer = createTransactionPacker({
      origin: { cell: this.cell, store: this.store, kind: 'mariadb' },
      streamEpoch: this.#epoch,
      producerSequence: this.#producer,
      from: this.position,
      codec: 'none',
      ...(partBytes === undefined ? {} : { partBytes })
    })
    const gtids: string[] = []
    for (const changes of transactions) {
      this.#sequence += 1n
      packer.begin({
        id: { kind: 'mariadb-gtid', domain: 0, server: 1, sequence: this.#sequence },
        commitTimeUs: Date.now() * 1000,
        originServerId: 1
      })
      for (const change of changes) packer.add(change)
      packer.end(this.position)
      gtids.push(`0-1-${this.#sequence}`)
    }
    packer.flush()
    const records = packer.take()
    for (const { bytes } of records.slice(0, partsMax)) {
      await this.center.append(`${this.cell}/${this.store}`, { epoch: this.#epoch, payload: bytes }, { signal: AbortSignal.timeout(WAIT_MS) })
    }
    this.#producer += records.length
    return gtids
  }
}

export function positionAt(sequence: bigint): MariadbPosition {
  return { kind: 'mariadb', gtids: sequence === 0n ? [] : [{ kind: 'mariadb-gtid', domain: 0, server: 1, sequence }] }
}

export interface Counted {
  readonly batches: AppliedCounts[]
  readonly conflicts: [ConflictClass, string][]
  readonly heartbeats: number[]
  parked: number
  retried: number
  echoes: number
}

export interface Running extends AsyncDisposable {
  readonly applier: Applier
  readonly positions: AppliedPositions
  readonly counted: Counted
  readonly snapshot: { current: CompiledSnapshot }
  /** Settles when the applier ends. */
  readonly ended: Promise<unknown>
  /** Until the stream is applied up to where the origin is. */
  caughtUp(origin: Origin): Promise<void>
}

export interface StartOptions {
  readonly target: Target
  readonly center: Center
  readonly snapshot: CompiledSnapshot
  readonly sourceCell?: string
  readonly epoch?: number
  readonly policies?: PolicyConfig
  readonly positions?: AppliedPositions
  readonly gate?: ApplyGate
}

export function startApplier(options: StartOptions): Running {
  const { target, center, sourceCell = ORIGIN, epoch = 1, policies = {}, positions = new AppliedPositions() } = options
  const snapshot = { current: options.snapshot }
  const counted: Counted = { batches: [], conflicts: [], heartbeats: [], parked: 0, retried: 0, echoes: 0 }
  const gate = options.gate === undefined ? {} : { gate: options.gate }
  const context = contextOf(center, snapshot)
  const applier = new Applier({ context, mysql: target.config, sourceCell, epoch, positions, policies, metrics: metricsOf(counted), ...gate })
  const stop = new AbortController()
  const ended = applier.run(stop.signal).then(
    () => undefined,
    (cause: unknown) => cause
  )
  return {
    applier,
    positions,
    counted,
    snapshot,
    ended,
    async caughtUp(origin) {
      const early = ended.then((cause) => {
        throw cause ?? new Error('the applier ended')
      })
      await Promise.race([positions.waitFor(sourceCell, origin.positionText, AbortSignal.timeout(WAIT_MS)), early])
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
    }
  }
}

export function contextOf(center: RemoteLog, snapshot: { current: CompiledSnapshot }): CellContext {
  return {
    cell: SELF,
    store: 'mysql',
    log: createLogger({ service: 'test', level: process.env.TEST_LOG ?? 'silent' }),
    clock: systemClock,
    center,
    topology: {
      current: () => snapshot.current,
      newerThan: (_version, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    }
  }
}

function metricsOf(counted: Counted): ApplyMetrics {
  return {
    applied: (_source, counts) => counted.batches.push(counts),
    heartbeat: (_source, originUs, appliedUs) => counted.heartbeats.push(appliedUs - originUs),
    conflict: (_source, found, decision) => counted.conflicts.push([found, decision]),
    parked: () => {
      counted.parked += 1
    },
    retried: () => {
      counted.retried += 1
    },
    echo: () => {
      counted.echoes += 1
    }
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

export function insert(table: TableIdentity, after: Row): Change {
  return { kind: 'insert', table, after }
}

export function update(table: TableIdentity, before: Row, after: Row): Change {
  return { kind: 'update', table, before, after }
}

export function remove(table: TableIdentity, before: Row): Change {
  return { kind: 'delete', table, before }
}

/** Text as the stream carries it. */
export function text(value: string): CellValue {
  return Buffer.from(value)
}

/** A table of the schema `cellway` as it is carried. */
export async function cellwayTable(target: Target, name: string): Promise<TableIdentity> {
  const [table] = await describeTables((sql) => target.records(sql), { flavour: target.session.flavour, table: { schema: 'cellway', name } })
  if (table === undefined) throw new Error(`no table cellway.${name}`)
  return identityOf(table)
}

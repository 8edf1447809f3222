import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CellwayError, isCellwayError } from '@cellway/base'
import { type BuiltRecord, formatPosition, type Origin, type Position } from '@cellway/change'
import { cellNumbers } from '@cellway/topology'
import type { CellContext } from '../context.ts'
import { reservedServerId } from '../store/session.ts'
import type { FilledConfig } from './config.ts'
import { tableUndeclared } from './errors.ts'
import { LagMeter } from './lag.ts'
import type { CaptureMetrics } from './metrics.ts'
import { Outbox, type OutboxEntry } from './outbox.ts'
import { SKIP_FIX } from './places.ts'
import { Reader } from './reader.ts'
import { watchSemiSync } from './semi-sync.ts'
import { Sender } from './sender.ts'
import { SideSession } from './side-session.ts'
import { Spill } from './spill.ts'
import { findStart, type Start } from './start.ts'
import type { CaptureFacts } from './status.ts'
import { TableRouter } from './tables.ts'
import { Translator } from './translator.ts'

export interface LifeOptions {
  readonly context: CellContext
  readonly config: FilledConfig
  readonly epoch: number
  readonly metrics: CaptureMetrics
  readonly facts: CaptureFacts
  readonly forced: () => Position | 'current' | undefined
  /** Resolves when an operator has said something. */
  readonly poked: () => Promise<void>
}

interface Parts {
  readonly spill: Spill
  readonly outbox: Outbox
  readonly translator: Translator
  readonly sender: Sender
  readonly reader: Reader
  readonly tables: TableRouter
}

const TICK_MS = 1000

/** From finding its place in the center to the first thing that makes that place doubtful. Nothing of it is needed afterwards. */
export class CaptureLife {
  readonly #options: LifeOptions
  #parts: Parts | undefined
  #durable = 0
  /** When the newest record was built. */
  #builtMs = 0
  readonly #lag: LagMeter

  constructor(options: LifeOptions) {
    this.#options = options
    this.#lag = new LagMeter(options.context.clock)
  }

  get position(): Position | undefined {
    return this.#parts?.translator.position
  }

  get file(): string {
    return this.#parts?.reader.file ?? ''
  }

  get waitingRecords(): number {
    return this.#parts?.outbox.length ?? 0
  }

  get spillBytes(): number {
    return this.#parts?.spill.bytes ?? 0
  }

  lagSeconds(): number {
    return this.#lag.seconds({ oldest: this.#parts?.outbox.oldest, isLinked: this.#options.facts.state === 'running' })
  }

  /** @throws StreamChanged, and what `Capture.run` throws */
  async run(signal: AbortSignal): Promise<void> {
    const { config, facts } = this.#options
    const end = new AbortController()
    const both = AbortSignal.any([signal, end.signal])
    facts.enter('starting')
    await using side = new SideSession(config.mysql, both)
    const parts = await this.#prepare(side, both)
    const tasks = [parts.sender.run(both), this.#read(parts, both), this.#tick(parts, both)]
    if (config.rpo === 'zero') tasks.push(watchSemiSync({ side, onState: (state, alarm) => this.#semiSync(state, alarm) }, both))
    try {
      await Promise.race(tasks.map((task) => task.catch((cause: unknown) => Promise.reject(cause))))
    } finally {
      end.abort()
      await Promise.allSettled(tasks)
      await parts.spill.clear().catch(() => {})
    }
  }

  async #prepare(side: SideSession, signal: AbortSignal): Promise<Parts> {
    const { context, epoch, facts, forced } = this.#options
    const { cell, store, center } = context
    const flavour = await side.flavour()
    const origin: Origin = { cell, store, kind: flavour }
    const start = await findStart({
      center,
      origin,
      epoch,
      side,
      hasPublished: facts.centerPosition !== undefined,
      readers: () => Object.keys(context.topology.current().snapshot.topology.cells).filter((other) => other !== cell),
      forced,
      onWaiting: (reason) => this.#options.facts.enter('waiting', reason),
      signal
    })
    this.#durable = start.sequence - 1
    facts.startedFrom = `${start.why} ${formatPosition(start.from)}`
    facts.centerPosition = start.why === 'tail' ? start.from : facts.centerPosition
    context.log.info({ from: formatPosition(start.from), why: start.why, sequence: start.sequence, epoch }, 'the capture starts')
    facts.enter('connecting')
    this.#parts = this.#build(origin, start, side)
    return this.#parts
  }

  #build(origin: Origin, start: Start, side: SideSession): Parts {
    const { context, config, epoch, facts } = this.#options
    const { cell, store, center, topology } = context
    const cellNumber = cellNumbers(topology.current().snapshot.topology).get(cell as never) ?? 0
    const flavour = origin.kind === 'mysql' ? 'mysql' : 'mariadb'
    const spill = new Spill({ folder: join(config.spillFolder, 'capture'), prefix: `${cell}.${store}`, fileBytes: config.spillFileBytes })
    const outbox = new Outbox({
      spill,
      memoryBytesMax: config.outboxBytesMax,
      spillBytesMax: config.spillBytesMax,
      onChange: () => this.#parts?.reader.throttle()
    })
    const tables = new TableRouter({ topology, flavour, query: (sql) => side.with((session) => session.records(sql)) })
    const translator = new Translator({
      origin,
      epoch,
      codec: config.codec,
      from: start.from,
      sequence: start.sequence,
      tables,
      reservedServerId: flavour === 'mariadb' ? reservedServerId(cellNumber) : undefined,
      isSkipped: (gtid) => facts.skipped.has(gtid),
      onRecords: (records, about) => this.#push(outbox, records, about),
      onTransaction: (kind, rows) => this.#count(kind, rows)
    })
    const sender = new Sender({
      log: center,
      origin,
      epoch,
      outbox,
      tail: start.tail,
      pack: () => translator.flush(),
      onDurable: (entry) => this.#landed(entry),
      onTrouble: (cause) => this.#trouble(cause)
    })
    const reader = this.#reader({ flavour, cellNumber, translator, tables, outbox, sender })
    return { spill, outbox, translator, sender, reader, tables }
  }

  #reader(parts: Pick<Parts, 'translator' | 'tables' | 'outbox' | 'sender'> & { flavour: 'mariadb' | 'mysql'; cellNumber: number }): Reader {
    const { context, config, metrics, facts } = this.#options
    const { flavour, cellNumber, translator, tables, outbox, sender } = parts
    const connect = {
      mysql: config.mysql,
      cell: context.cell,
      cellNumber,
      semiSync: config.rpo === 'zero',
      heartbeatPeriodMs: config.heartbeatPeriodMs
    }
    return new Reader({
      flavour,
      connect,
      translator,
      tables,
      outbox,
      durable: () => this.#durable,
      waitForTable: (table, gtid, signal) => this.#waitForTable(table, gtid, signal),
      onRead: (bytes) => {
        this.#lag.read()
        facts.counters.readBytes += bytes
        metrics.read(bytes)
      },
      onIdle: () => {
        if (sender.canSend && outbox.untaken === 0) translator.flush()
      },
      onCaughtUp: () => this.#lag.caughtUp(),
      onConnected: () => {
        facts.counters.connects += 1
        facts.enter('running')
        metrics.connected()
      },
      onDisconnected: (cause) => {
        facts.enter('connecting', cause)
        metrics.disconnected(cause.code)
        context.log.warn({ err: cause, ...cause.details, code: cause.code }, 'the link to the source is over')
      }
    })
  }

  /** What is complete goes to the center before an error of the source ends the stream. */
  async #read({ reader, translator, outbox }: Parts, signal: AbortSignal): Promise<void> {
    try {
      await reader.run(signal)
    } catch (cause) {
      if (signal.aborted) throw cause
      this.#options.facts.enter('stopped', isCellwayError(cause) ? cause : undefined)
      translator.flush()
      while (outbox.length > 0 && !signal.aborted) await outbox.changed(signal)
      throw cause
    }
  }

  async #tick({ translator, tables, outbox, sender }: Parts, signal: AbortSignal): Promise<void> {
    const { context, config, metrics } = this.#options
    while (!signal.aborted) {
      await sleep(TICK_MS, undefined, { signal }).catch(() => {})
      tables.refresh()
      metrics.spillBytes(this.spillBytes)
      metrics.lagSeconds(this.lagSeconds())
      const isQuiet = context.clock.monotonicMs() - this.#builtMs >= config.positionMoveMs
      if (isQuiet && outbox.length === 0 && sender.isIdle) translator.publishPosition()
    }
  }

  #push(outbox: Outbox, records: readonly BuiltRecord[], { transactions, commitTimeUs }: { transactions: number; commitTimeUs: number }): void {
    this.#builtMs = this.#options.context.clock.monotonicMs()
    for (const [at, record] of records.entries()) {
      const isLast = at === records.length - 1
      outbox.push(record, { transactions: isLast ? transactions : 0, builtMs: this.#builtMs, commitTimeUs })
    }
    this.#lag.built(commitTimeUs)
  }

  #landed(entry: OutboxEntry): void {
    const { facts, metrics, context } = this.#options
    this.#durable = entry.sequence
    facts.centerPosition = entry.to
    facts.counters.records += 1
    facts.counters.recordBytes += entry.bytes
    this.#parts?.reader.durable(entry.sequence)
    metrics.appended({ bytes: entry.bytes, transactions: entry.transactions, seconds: (context.clock.monotonicMs() - entry.builtMs) / 1000 })
  }

  #count(kind: 'published' | 'echo' | 'filtered', rows: number): void {
    const { counters } = this.#options.facts
    if (kind === 'published') counters.published += 1
    else if (kind === 'echo') counters.echoes += 1
    else counters.filtered += 1
    counters.rows += rows
    this.#options.metrics.transaction(kind)
    if (rows > 0) this.#options.metrics.rows(rows)
  }

  #trouble(cause: CellwayError | undefined): void {
    const { facts, metrics, context } = this.#options
    if (cause === undefined) {
      facts.enter('running')
      return
    }
    metrics.appendFailed(cause.code)
    if (facts.error?.code !== cause.code) context.log.warn({ err: cause, ...cause.details, code: cause.code }, 'the center does not take a record')
    facts.enter('waiting', cause)
  }

  #semiSync(state: Parameters<CaptureMetrics['semiSync']>[0], alarm: CellwayError | undefined): void {
    const { facts, metrics, context } = this.#options
    if (facts.semiSync !== state)
      context.log[alarm === undefined ? 'info' : 'error']({ state, ...alarm?.details }, 'semi-synchronous acknowledgement')
    facts.semiSync = state
    facts.alarm = alarm
    metrics.semiSync(state)
  }

  async #waitForTable({ schema, table }: { schema: string; table: string }, gtid: string, signal: AbortSignal): Promise<void> {
    const { context, facts, poked } = this.#options
    const name = `${schema}.${table}`
    const fix = `Declare ${name} in the topology (data.mysql) with its space, or with class: local. ${SKIP_FIX}`
    facts.enter('waiting', tableUndeclared({ table: name, file: this.file, offset: '', gtid, fix }))
    context.log.warn({ table: name, gtid }, 'the capture waits for a table to be declared')
    const done = new AbortController()
    const either = AbortSignal.any([signal, done.signal])
    const { version } = context.topology.current().snapshot
    try {
      await Promise.race([context.topology.newerThan(version, either), poked()])
    } finally {
      done.abort()
    }
    facts.enter('running')
  }
}

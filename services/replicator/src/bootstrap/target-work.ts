import { placeCheckpoint } from '../store/checkpoint.ts'
import type { Session } from '../store/session.ts'
import type { ReceivedAnswer } from './answer-codec.ts'
import type { BootstrapLimits, BootstrapOptions } from './bootstrap.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { answerInvalid, sourceSilent } from './errors.ts'
import { copyOrder, nameOf } from './levels.ts'
import { appliedVector, binlogPosition } from './own-position.ts'
import { checkOwnsNothing } from './ownership.ts'
import { type BootstrapStatus, progressOf, statusPhase } from './progress.ts'
import type { CatalogTable, ChunkAnswer } from './protocol.ts'
import { SourceLink } from './source-link.ts'
import { checkEmpty, createMissing, TargetPlans, wipe } from './target-prepare.ts'
import { beginCopying, markDone, type RunState, readRun, readTables, setPhase, type TableState } from './target-state.ts'
import type { Vector } from './vector.ts'

export interface TargetWorkOptions extends Omit<BootstrapOptions, 'openSession' | 'limits'> {
  readonly limits: BootstrapLimits
  readonly run: RunState
  /** For what is no applied change: state, and DDL. */
  readonly plain: Session
  readonly applier: Session
  readonly onStatus: (change: Partial<BootstrapStatus>) => void
}

/** One run of one process, from wherever the last one left it. */
export class TargetWork {
  readonly #options: TargetWorkOptions
  readonly #link: SourceLink
  readonly #plans: TargetPlans
  readonly #writer: ChunkWriter
  #tables: TableState[] = []
  #copiedRows = 0
  #copyingMs = 0

  constructor(options: TargetWorkOptions) {
    const { context, epoch, run, limits, applier, onStatus } = options
    this.#options = options
    const { runId, sourceCell } = run
    const onWaiting = (reason: string): void => onStatus({ reason })
    this.#link = new SourceLink({ context, epoch, runId, sourceCell, silenceMs: limits.silenceMs, onWaiting })
    this.#plans = new TargetPlans(applier)
    this.#writer = new ChunkWriter({ session: applier, plans: this.#plans, sourceCell, store: context.store, epoch })
  }

  /** Until the cell is exact. */
  async run(signal: AbortSignal): Promise<void> {
    const { run, appliers, gate, plain } = this.#options
    if (run.phase === 'requested') await this.#begin(signal)
    await this.#writer.prepare()
    this.#tables = await readTables(plain)
    const { foreignKeyChecks } = (await readRun(plain)) ?? run
    gate.adopt(this.#tables, foreignKeyChecks)
    gate.appliersMayStart = true
    appliers.start()
    while (this.#tables.some(({ state }) => state !== 'done')) {
      if (!run.force) checkOwnsNothing(this.#options.context)
      await this.#round(foreignKeyChecks, signal)
      await this.#settle(foreignKeyChecks, signal)
    }
    await this.#finish(signal)
  }

  /** Tables, and checkpoints: repeated as a whole if it is broken off. */
  async #begin(signal: AbortSignal): Promise<void> {
    const { context, run, plain, epoch, appliers, onStatus } = this.#options
    if (!run.force) checkOwnsNothing(context)
    onStatus({ phase: 'requested', reason: 'waiting for the appliers to stop' })
    await appliers.stop()
    // What this cell wrote itself must be at the source before it is wiped here.
    const targetPosition = run.wipe && !run.force ? await binlogPosition(plain) : ''
    onStatus({ reason: `waiting for ${run.sourceCell}` })
    const { tables, vector } = await this.#askCatalog(targetPosition, signal)
    const { levels, foreignKeyChecks } = copyOrder(tables)
    if (!run.wipe) await checkEmpty(plain, tables)
    onStatus({ reason: 'making the tables' })
    await createMissing(plain, tables)
    if (run.wipe) await wipe(plain, tables)
    for (const [sourceCell, position] of Object.entries(vector)) {
      if (sourceCell !== context.cell) await placeCheckpoint(plain, { sourceCell, store: context.store, position, epoch })
    }
    const states = tables.map(({ schema, name, rowsEstimated }): TableState => {
      const level = levels.get(nameOf({ schema, name })) ?? 0
      return { schema, name, level, state: 'waiting', afterKey: null, high: {}, rowsDone: 0, rowsEstimated }
    })
    await beginCopying(plain, states, foreignKeyChecks)
    context.log.info({ runId: run.runId, sourceCell: run.sourceCell, tables: tables.length, vector }, 'bootstrap begins to copy')
  }

  async #askCatalog(targetPosition: string, signal: AbortSignal): Promise<{ tables: CatalogTable[]; vector: Vector }> {
    const tables: CatalogTable[] = []
    for await (const { head } of this.#link.ask({ kind: 'begin', targetPosition }, signal)) {
      if (head.kind === 'table') tables.push(head.table)
      if (head.kind !== 'catalog-end') continue
      // Fewer or more: the source was started again in the middle.
      if (head.tables === tables.length) return { tables, vector: head.vector }
      tables.length = 0
    }
    throw sourceSilent({ sourceCell: this.#options.run.sourceCell, waitedMs: this.#options.limits.silenceMs })
  }

  /** Appliers held, some chunks written. */
  async #round(foreignKeyChecks: boolean, signal: AbortSignal): Promise<void> {
    const { gate, applier, context, limits } = this.#options
    if (this.#nextTable() === undefined) return
    const release = await gate.hold(signal)
    const startedMs = context.clock.monotonicMs()
    try {
      const vector = await appliedVector(applier, context.store)
      const { [context.cell]: _, ...others } = vector
      this.#plans.forget()
      while (context.clock.monotonicMs() - startedMs < limits.roundMs) {
        const table = this.#nextTable()
        if (table === undefined) break
        await this.#copy(table, others, signal)
      }
    } finally {
      this.#copyingMs += context.clock.monotonicMs() - startedMs
      gate.adopt(this.#tables, foreignKeyChecks)
      release()
    }
  }

  /** Tables of the lowest level that is not exact yet. */
  #nextTable(): TableState | undefined {
    const level = Math.min(...this.#tables.filter(({ state }) => state !== 'done').map((table) => table.level))
    return this.#tables.find((table) => table.level === level && (table.state === 'waiting' || table.state === 'copying'))
  }

  async #copy(table: TableState, vector: Vector, signal: AbortSignal): Promise<void> {
    const { limits, run, onStatus } = this.#options
    const { schema, name, afterKey } = table
    onStatus({ phase: 'copying', table: nameOf(table), reason: '' })
    const { rowsPerSecond } = run
    const chunkRows = rowsPerSecond === 0 ? limits.chunkRows : Math.max(1, Math.min(limits.chunkRows, rowsPerSecond))
    const { chunksPerRequest: chunks, chunkBytes } = limits
    const asked = this.#link.ask({ kind: 'copy', vector, table: { schema, name }, afterKey, chunks, chunkRows, chunkBytes, rowsPerSecond }, signal)
    let expected = 0
    for await (const answer of asked) {
      const { head } = answer
      if (head.kind !== 'chunk') throw answerInvalid({ problem: `${head.kind} instead of a chunk` })
      // The source was started again and begins anew; this table is asked for again from where it is.
      if (head.index !== expected) return
      expected += 1
      if (!(await this.#write(head, answer)) || head.last) return
    }
  }

  async #write(head: ChunkAnswer, answer: ReceivedAnswer): Promise<boolean> {
    const { metrics, onStatus } = this.#options
    const at = this.#tables.findIndex((table) => nameOf(table) === nameOf(head.table))
    const before = this.#tables[at]
    if (before === undefined) throw answerInvalid({ problem: `a chunk of ${nameOf(head.table)}, which was not asked for` })
    const after: TableState = {
      ...before,
      state: head.tableDone ? 'copied' : 'copying',
      afterKey: head.lastKey ?? before.afterKey,
      high: head.high,
      rowsDone: before.rowsDone + head.rows
    }
    if (!(await this.#writer.write(head, answer, { before, after }))) return false
    this.#tables[at] = after
    this.#copiedRows += head.rows
    metrics.rowsCopied(head.rows)
    const progress = progressOf(this.#tables, { rows: this.#copiedRows, ms: this.#copyingMs })
    metrics.progress(progress.rowsEstimated === 0 ? 1 : progress.rowsDone / progress.rowsEstimated)
    onStatus({ ...progress, reason: '' })
    return true
  }

  /** Until the appliers are past everything that the chunks contain; what is whole is exact then. */
  async #settle(foreignKeyChecks: boolean, signal: AbortSignal): Promise<void> {
    const { positions, gate, plain, onStatus, run } = this.#options
    const begun = this.#tables.filter(({ state }) => state === 'copying' || state === 'copied')
    for (const { high } of begun) {
      for (const [cell, position] of Object.entries(high)) {
        if (positions.includes(cell, position)) continue
        onStatus({
          phase: statusPhase(run.phase === 'requested' ? 'copying' : run.phase, this.#tables),
          reason: `waiting for the applier of ${cell} to reach ${position}`
        })
        await positions.waitFor(cell, position, signal)
      }
    }
    const whole = begun.filter(({ state }) => state === 'copied')
    if (whole.length === 0) return
    const release = await gate.hold(signal)
    try {
      await markDone(plain, whole)
      this.#tables = this.#tables.map((table) => (table.state === 'copied' ? { ...table, state: 'done' } : table))
      gate.adopt(this.#tables, foreignKeyChecks)
    } finally {
      release()
    }
    onStatus({ ...progressOf(this.#tables, { rows: this.#copiedRows, ms: this.#copyingMs }), reason: '' })
  }

  async #finish(signal: AbortSignal): Promise<void> {
    const { gate, plain, onStatus, run, context, metrics } = this.#options
    const release = await gate.hold(signal)
    try {
      await setPhase(plain, 'done')
      gate.adopt(undefined)
    } finally {
      release()
    }
    metrics.progress(0)
    onStatus({ phase: 'done', table: undefined, reason: '' })
    await this.#link.end(signal)
    context.log.info({ runId: run.runId, rows: this.#copiedRows }, 'bootstrap is done')
  }
}

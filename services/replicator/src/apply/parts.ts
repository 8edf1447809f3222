import type { FragmentView, RowChangeView, TableIdentity } from '@cellway/change'
import { changesOf, joinFragments, readChange } from '@cellway/change'
import { policyOf } from '@cellway/conflict'
import type { GatePass } from '../bootstrap/gate.ts'
import type { Repair } from '../repair/images.ts'
import { repairOf } from '../repair/images.ts'
import type { StatementResult } from '../store/raw-query.ts'
import { errnoOf, isContention, isSchemaChange } from '../store/server-errors.ts'
import { packets } from './batch-lane.ts'
import { readings, writings } from './batch-sql.ts'
import { checkpointSql } from './checkpoint-sql.ts'
import { compare } from './compare.ts'
import { Fold } from './fold.ts'
import type { DataChange } from './prepare.ts'
import { applyRepairs } from './repairs.ts'
import type { SourcePart, SourceStream } from './source-stream.ts'
import type { Misfit } from './target-tables.ts'
import { beginMarked } from './transactions.ts'
import type { Workbench } from './work.ts'
import { BeginAgain } from './work.ts'

/** Row changes of a part that are read and written together. */
const ROWS_PER_STEP = 2000
const BYTES_PER_STEP = 2 * 1024 * 1024
const PACKET_CHARACTERS = 4 * 1024 * 1024

/** The target lacks what a later part needs: nothing was applied, and the transaction begins again once it fits. */
export class PartMisfit extends Error {
  override readonly name = 'PartMisfit'
  readonly table: TableIdentity
  readonly misfit: Misfit

  constructor(table: TableIdentity, misfit: Misfit) {
    super('a table of a large transaction does not fit')
    this.table = table
    this.misfit = misfit
  }
}

/**
 * A transaction that is too large for one record, streamed into one transaction of the target: no more than some parts are in memory,
 * and it becomes visible whole or not at all.
 */
export class PartsLane {
  readonly #work: Workbench
  readonly #stream: SourceStream
  readonly #pass: GatePass
  readonly #manner: { readonly pass: GatePass; readonly toleratesOrphans: true }
  #fragments: FragmentView[] = []
  #repairs: Repair[] = []
  #rows = 0

  constructor(work: Workbench, stream: SourceStream, pass: GatePass) {
    this.#work = work
    this.#stream = stream
    this.#pass = pass
    this.#manner = { pass, toleratesOrphans: true }
  }

  /**
   * From the first part, which waits in the stream. False: the capture began the transaction again, and so does whoever called.
   * @throws PartMisfit, BeginAgain, APL_FENCED, APL_ROW_TOO_LARGE, STO_*, the signal's reason
   */
  async apply(first: SourcePart): Promise<{ readonly done: boolean; readonly rows: number }> {
    const { session } = this.#work
    try {
      const done = await this.#applyAll(first)
      return { done, rows: this.#rows }
    } catch (cause) {
      if (this.#work.signal.aborted) throw cause
      if (errnoOf(cause) === undefined && !(cause instanceof PartMisfit)) throw cause
      await session.run('ROLLBACK')
      this.#work.parked.forget()
      if (isSchemaChange(cause)) this.#work.tables.forget()
      // The rows of the first parts are no longer in the stream's memory.
      if (isContention(cause) || isSchemaChange(cause)) throw new BeginAgain('a large transaction was given up by the server', { cause })
      throw cause
    }
  }

  async #applyAll(first: SourcePart): Promise<boolean> {
    const { session, standing, signal } = this.#work
    const log = first.logPosition
    const token = standing.token
    await beginMarked(this.#work, checkpointSql(token, { position: standing.positionText, transactions: 1, log }))
    for (let part = first; ; ) {
      this.#stream.take()
      await this.#applyPart(part)
      if (part.envelope.lastPart) {
        await applyRepairs(this.#work, part, this.#repairs)
        const moved = standing.after([part], 1)
        // Only now it is known where the stream stands behind it.
        await session.run(`${checkpointSql({ ...token, applied: token.applied + 1n }, { ...moved.step, transactions: 0 })}; COMMIT`)
        standing.moved(moved)
        return true
      }
      const next = await this.#stream.peek(signal)
      if (next.kind !== 'part' || next.envelope.partIndex !== part.envelope.partIndex + 1) {
        await session.run('ROLLBACK')
        return false
      }
      part = next
    }
  }

  /** Its changes are looked at a step at a time: all of a part as objects would be many times its bytes. */
  async #applyPart(part: SourcePart): Promise<void> {
    let step: DataChange[] = []
    let bytes = 0
    for (const change of changesOf(part.view)) {
      if (change.kind === 'schema') continue
      const table = this.#work.tables.known(change.table) ?? (await this.#load(change.table))
      if (change.kind === 'fragment') {
        await this.#applyStep(part, step)
        step = []
        bytes = 0
        await this.#takeFragment(part, change)
      } else if (table.kind === 'carried') this.#takeCarried(table.name, change)
      else if (table.kind === 'data' && !this.#isRepair) {
        step.push({ change, target: table.target })
        bytes += bytesOf(change)
      }
      if (step.length < ROWS_PER_STEP && bytes < BYTES_PER_STEP) continue
      await this.#applyStep(part, step)
      step = []
      bytes = 0
    }
    await this.#applyStep(part, step)
  }

  /** A row in pieces: the pieces are let go as soon as it is whole. */
  async #takeFragment(part: SourcePart, fragment: FragmentView): Promise<void> {
    this.#fragments.push(fragment)
    if (!fragment.last) return
    const change = joinFragments(this.#fragments)
    this.#fragments = []
    const table = this.#work.tables.known(change.table) ?? (await this.#load(change.table))
    if (table.kind === 'carried') this.#takeCarried(table.name, change)
    if (table.kind !== 'data' || this.#isRepair) return
    this.#rows += 1
    // By itself, its bytes as they are.
    await this.#work.exactLane.apply(part, { changes: [{ change, target: table.target }], ...this.#manner })
  }

  get #isRepair(): boolean {
    return this.#repairs.some(({ kind }) => kind === 'repair')
  }

  /** The images of a repair may be larger than a record; what they say stands for the data of the transaction. */
  #takeCarried(name: string, view: RowChangeView): void {
    const change = name === 'repair' ? readChange(view) : undefined
    const repair = change === undefined || change.kind === 'schema' ? undefined : repairOf(change)
    if (repair !== undefined) this.#repairs.push(repair)
  }

  async #applyStep(part: SourcePart, changes: readonly DataChange[]): Promise<void> {
    const { exactLane, ownership } = this.#work
    this.#rows += changes.length
    let from = 0
    while (from < changes.length) {
      const { fold, count } = foldSome(changes.slice(from), () => new Fold(ownership, this.#pass))
      const good = count > 0 && (await this.#applyFold(fold))
      const until = count > 0 ? from + count : from + 1
      if (!good) await exactLane.apply(part, { changes: changes.slice(from, until), ...this.#manner })
      from = until
    }
  }

  /** False: nothing of it was written, and each row is to be looked at. */
  async #applyFold(fold: Fold): Promise<boolean> {
    const { session, parked, policies } = this.#work
    const reads = readings(fold, session)
    const results = await this.#runAll([...reads.map(({ sql }) => sql), parked.versionSql])
    await parked.refresh(results.at(-1))
    const comparison = compare(reads, results, ({ target }) => policyOf(policies, target.plan.source))
    if (!comparison.ok || parked.firstUnit(fold) !== undefined) return false
    try {
      await this.#runAll(['SAVEPOINT part', ...writings(fold, session)])
      return true
    } catch (cause) {
      if (errnoOf(cause) === undefined || isContention(cause) || isSchemaChange(cause)) throw cause
      await session.run('ROLLBACK TO SAVEPOINT part')
      return false
    }
  }

  async #runAll(statements: readonly string[]): Promise<StatementResult[]> {
    const { session } = this.#work
    const results: StatementResult[] = []
    for (const packet of packets(statements, Math.min(PACKET_CHARACTERS, session.packetBytesMax - 1024))) results.push(...(await session.run(packet)))
    return results
  }

  async #load(table: TableIdentity): Promise<Exclude<Awaited<ReturnType<Workbench['tables']['load']>>, Misfit>> {
    const loaded = await this.#work.tables.load(table)
    if ('ok' in loaded) throw new PartMisfit(table, loaded)
    return loaded
  }
}

/** As many changes as fit one fold. */
function foldSome(changes: readonly DataChange[], make: () => Fold): { readonly fold: Fold; readonly count: number } {
  for (let count = changes.length; ; ) {
    const fold = make()
    const stopped = changes.slice(0, count).findIndex((change) => fold.add(change, 0) !== undefined)
    if (stopped === -1) return { fold, count }
    count = stopped
  }
}

function bytesOf(change: RowChangeView): number {
  const end = change.kind === 'delete' ? change.before.end : change.after.end
  return end - (change.kind === 'insert' ? change.after.at : change.before.at)
}

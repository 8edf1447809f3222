import { setTimeout as delay } from 'node:timers/promises'
import type { Verification } from '@cellway/client'
import { quoteText } from '@cellway/mysql-value'
import type { AppliedPositions } from '../apply/applied-positions.ts'
import type { CellContext } from '../context.ts'
import { ensureTables } from '../store/migrations.ts'
import type { MysqlConfig } from '../store/session.ts'
import { openSession } from '../store/session.ts'
import type { CompareLimits, Comparison, ConfirmedDifference } from './compare-rows.ts'
import type { ComparedChunk } from './compare-table.ts'
import { compareTable } from './compare-table.ts'
import { alreadyRunning, peerUnknown } from './errors.ts'
import type { VerifyMetrics } from './metrics.ts'
import { IDLE, VerifyProgress } from './progress.ts'
import type { TableName, VerifySource } from './protocol.ts'
import { repairRows } from './repair-rows.ts'
import { readPlace, VERIFY_SCHEMA, writePlace } from './resume.ts'
import { StoreSource } from './store-source.ts'

export interface VerifierOptions {
  readonly context: CellContext
  readonly config: MysqlConfig
  /** Of this cell's appliers. */
  readonly positions?: AppliedPositions
  readonly metrics: VerifyMetrics
  /** Another cell, over its replicator. */
  readonly peer: (cell: string) => VerifySource
  /** Whether a stream of this cell is behind: then the continuous comparison waits, for it would only slow the streams down. */
  readonly isLagging?: () => boolean
  readonly limits?: Partial<VerifierLimits>
}

export interface VerifierLimits extends CompareLimits {
  readonly chunkRows: number
  /** Of the continuous comparison; 0: there is none. */
  readonly rowsPerSecond: number
  /** Between two passes of it over all tables. */
  readonly passMs: number
  /** How long a sent row may take to come back from its arbiter. */
  readonly repairMs: number
}

export interface VerifyRequest {
  readonly from?: string
  /** schema.table */
  readonly table?: string
  readonly repair?: boolean
  readonly reason: string
}

const LIMITS: VerifierLimits = { attempts: 8, confirmations: 2, alignMs: 30_000, chunkRows: 5000, rowsPerSecond: 0, passMs: 60_000, repairMs: 30_000 }
const LAG_POLL_MS = 1000

interface Pair {
  readonly cell: string
  readonly table: TableName
}

interface Work {
  readonly here: StoreSource
  readonly signal: AbortSignal
}

/** Compares this cell's store with others': when asked to, and, throttled, all the time. Whose row counts is the arbiter's business, not its. */
export class Verifier {
  readonly #options: VerifierOptions
  readonly #limits: VerifierLimits
  #progress: VerifyProgress | undefined
  #continuous: VerifyProgress | undefined
  #wanted: VerifyRequest | undefined
  #running: VerifyRequest | undefined
  #wake: (() => void) | undefined

  constructor(options: VerifierOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
  }

  /** Begins a comparison; `progress` tells the rest. @throws VER_ALREADY_RUNNING, VER_PEER_UNKNOWN */
  start(request: VerifyRequest): void {
    const current = this.#running ?? this.#wanted
    if (current !== undefined) throw alreadyRunning({ from: current.from ?? '', table: current.table ?? '' })
    const known = this.#peers()
    if (request.from !== undefined && !known.includes(request.from)) throw peerUnknown({ cell: request.from, known })
    this.#wanted = request
    this.#progress = this.#newProgress(request.from ?? known.join(', '))
    this.#wake?.()
  }

  /** Of the last comparison that was asked for; before the first one, of the continuous one. */
  progress(): Verification {
    return (this.#progress ?? this.#continuous)?.view() ?? IDLE
  }

  status(): { readonly running: boolean; readonly continuous: Verification } {
    return { running: this.#running !== undefined, continuous: this.#continuous?.view() ?? IDLE }
  }

  /** Ends when the signal aborts. @throws what the session throws */
  async run(signal: AbortSignal): Promise<void> {
    const { context, config, positions } = this.#options
    try {
      await using here = new StoreSource({ context, config, positions })
      const work = { here, signal }
      let nextPassMs = 0
      while (!signal.aborted) {
        if (this.#wanted !== undefined) await this.#runWanted(work)
        else if (this.#limits.rowsPerSecond > 0 && context.clock.monotonicMs() >= nextPassMs) {
          if (await this.#runPass(work)) nextPassMs = context.clock.monotonicMs() + this.#limits.passMs
        } else await this.#pause(signal)
      }
    } catch (cause) {
      if (!signal.aborted) throw cause
    } finally {
      this.#running = undefined
    }
  }

  async #runWanted(work: Work): Promise<void> {
    const request = this.#wanted
    const progress = this.#progress
    if (request === undefined || progress === undefined) return
    this.#running = request
    this.#wanted = undefined
    try {
      const pairs = this.#pairs(request)
      for (const { cell, table } of pairs) progress.begin(cell, nameOf(table), await this.#estimate(work, table))
      // One table that cannot be compared does not keep the others from it.
      for (const pair of pairs) await this.#compareWhole(work, { pair, request, progress })
      progress.finish()
    } catch (cause) {
      progress.finish(cause)
      if (!work.signal.aborted) this.#options.context.log.warn({ err: cause }, 'comparison of cells failed')
    } finally {
      this.#running = undefined
    }
  }

  async #compareWhole(work: Work, { pair, request, progress }: { pair: Pair; request: VerifyRequest; progress: VerifyProgress }): Promise<void> {
    const { cell, table } = pair
    const startedMs = performance.now()
    let failure: unknown
    try {
      for await (const chunk of compareTable(this.#comparing(work, pair, request.repair === true), undefined)) this.#note(progress, pair, chunk)
    } catch (cause) {
      work.signal.throwIfAborted()
      failure = cause
    }
    const result = progress.endTable(cell, nameOf(table), failure)
    this.#options.metrics.finished(cell, nameOf(table), result, performance.now() - startedMs)
  }

  /** One pass over everything; false when something else was asked for meanwhile: it goes on where it was. */
  async #runPass(work: Work): Promise<boolean> {
    const session = await work.here.session()
    await ensureTables(session, VERIFY_SCHEMA)
    const progress = this.#newProgress(this.#peers().join(', '))
    this.#continuous = progress
    const pairs = this.#pairs({ reason: 'continuous' })
    const places = await Promise.all(pairs.map(async (pair) => ({ pair, ...(await readPlace(await work.here.session(), pair.cell, pair.table)) })))
    const least = Math.min(...places.map(({ passes }) => passes))
    for (const { pair, after, passes } of places.filter((place) => place.passes === least)) {
      progress.begin(pair.cell, nameOf(pair.table), await this.#estimate(work, pair.table))
      if (!(await this.#continueTable(work, { pair, after, passes, progress }))) return false
    }
    progress.finish()
    return true
  }

  async #continueTable(
    work: Work,
    { pair, after, passes, progress }: { pair: Pair; after: string | undefined; passes: number; progress: VerifyProgress }
  ): Promise<boolean> {
    const { cell, table } = pair
    const startedMs = performance.now()
    let failure: unknown
    try {
      for await (const chunk of compareTable(this.#comparing(work, pair, false), after)) {
        this.#note(progress, pair, chunk)
        const place = { after: chunk.next, passes: chunk.next === undefined ? passes + 1 : passes }
        await writePlace(await work.here.session(), cell, table, place)
        if (this.#wanted !== undefined) return false
        await this.#throttle(chunk.rows, work.signal)
      }
    } catch (cause) {
      work.signal.throwIfAborted()
      failure = cause
      // The others have their turn, and this one again in the next pass, from where it was.
      await writePlace(await work.here.session(), cell, table, { after, passes: passes + 1 })
    }
    const result = progress.endTable(cell, nameOf(table), failure)
    this.#options.metrics.finished(cell, nameOf(table), result, performance.now() - startedMs)
    return true
  }

  async #throttle(rows: number, signal: AbortSignal): Promise<void> {
    await delay((rows * 1000) / this.#limits.rowsPerSecond, undefined, { signal })
    while (this.#options.isLagging?.() === true && this.#wanted === undefined) await delay(LAG_POLL_MS, undefined, { signal })
  }

  #comparing({ here, signal }: Work, { cell, table }: Pair, repair: boolean): Parameters<typeof compareTable>[0] {
    const { context, config, peer } = this.#options
    const { chunkRows, repairMs } = this.#limits
    const mend = async (comparison: Comparison, differences: readonly ConfirmedDifference[]): Promise<number> => {
      await using session = await openSession(config, { role: 'plain', signal })
      return await repairRows(comparison, differences, { context, session, waitMs: repairMs })
    }
    return { here, there: peer(cell), table, chunkRows, limits: this.#limits, signal, ...(repair ? { repair: mend } : {}) }
  }

  #note(progress: VerifyProgress, { cell, table }: Pair, chunk: ComparedChunk): void {
    const { metrics, context } = this.#options
    progress.chunk(cell, nameOf(table), chunk)
    metrics.compared(cell, chunk.rows)
    if (chunk.differences.length > 0) {
      metrics.differences(cell, nameOf(table), chunk.differences.length)
      context.log.error(
        { peer: cell, table: nameOf(table), rows: chunk.differences.length, firstKey: chunk.differences[0]?.key },
        'rows differ between cells'
      )
    }
    if (chunk.repaired > 0) metrics.repaired(cell, nameOf(table), chunk.repaired)
  }

  async #estimate({ here }: Work, { schema, name }: TableName): Promise<number> {
    const session = await here.session()
    const [row] = await session.rows(
      `SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(name)}`
    )
    return Number(row?.[0]?.toString() ?? 0)
  }

  #peers(): string[] {
    const { context } = this.#options
    return Object.keys(context.topology.current().snapshot.topology.cells).filter((cell) => cell !== context.cell)
  }

  #pairs({ from, table }: VerifyRequest): Pair[] {
    const { data } = this.#options.context.topology.current().snapshot.topology
    const names = data.mysql.filter((one) => one.kind === 'space' && (table === undefined || one.table === table)).map((one) => one.table)
    const peers = from === undefined ? this.#peers() : [from]
    return names.flatMap((one) => {
      const [schema = '', name = ''] = one.split('.')
      return peers.map((cell) => ({ cell, table: { schema, name } }))
    })
  }

  #newProgress(from: string): VerifyProgress {
    return new VerifyProgress({ from, nowMs: () => this.#options.context.clock.nowMs() })
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = new AbortController()
    const waitMs = this.#limits.rowsPerSecond > 0 ? LAG_POLL_MS : 60_000
    await Promise.race([promise, delay(waitMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(() => undefined)])
    timer.abort()
    this.#wake = undefined
  }
}

function nameOf({ schema, name }: TableName): string {
  return `${schema}.${name}`
}

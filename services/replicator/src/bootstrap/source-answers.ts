/** What the source says to one request. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CellContext } from '../context.ts'
import type { Session } from '../store/session.ts'
import type { AnswerRows } from './answer-codec.ts'
import { ChunkReader } from './chunk-reader.ts'
import { sourceRefused } from './errors.ts'
import { appliedVector, highMark, lowMark } from './own-position.ts'
import type { BeginRequest, CopyRequest } from './protocol.ts'
import type { AnswerBody } from './snapshot-source.ts'
import { describeOne, readCatalog, rowBytesOf } from './source-catalog.ts'
import { missingCells, type Vector } from './vector.ts'

export interface SourceSessions {
  /** Holds the snapshot. */
  readonly main: Session
  /** Writes marks while the snapshot is open. */
  readonly marks: Session
}

interface AnswerContext {
  readonly context: CellContext
  readonly target: string
  readonly sessions: SourceSessions
  /** The target does not want this answer any more. */
  readonly superseded: () => boolean
  readonly send: (head: AnswerBody, body?: AnswerRows) => Promise<void>
  readonly waiting: (reason: string) => Promise<void>
  readonly signal: AbortSignal
}

const LOOK_MS = 100
/** A target takes a source for dead that says nothing for longer than three of these. */
const ALIVE_MS = 3000

/** The tables, and where the target's appliers begin. */
export async function answerBegin({ targetPosition }: BeginRequest, answer: AnswerContext): Promise<void> {
  const { context, target, sessions, send } = answer
  const topology = context.topology.current()?.snapshot.topology
  if (topology === undefined) throw sourceRefused({ sourceCell: context.cell, problem: 'no topology is known here yet' })
  if (!(await untilApplied({ [target]: targetPosition }, answer))) return
  const tables = await readCatalog(sessions.main, topology)
  for (const table of tables) await send({ kind: 'table', table })
  const vector = await fullVector(sessions.marks, { context, target })
  await send({ kind: 'catalog-end', tables: tables.length, vector })
}

/** Some chunks of one table, all out of one snapshot. */
export async function answerCopy(request: CopyRequest, answer: AnswerContext): Promise<void> {
  const { context, target, sessions, superseded } = answer
  const { main, marks } = sessions
  const { [context.cell]: wanted = '', ...others } = request.vector
  if (!(await untilApplied(others, answer))) return
  const description = await describeOne(main, request.table)
  if (description === undefined)
    throw sourceRefused({ sourceCell: context.cell, problem: `${request.table.schema}.${request.table.name} does not exist` })
  const rowBytes = await rowBytesOf(main, request.table)
  const low = await fullVector(marks, { context, target })
  if (missingCells({ [context.cell]: wanted }, low).length > 0) {
    throw sourceRefused({
      sourceCell: context.cell,
      problem: `the binary log is at ${low[context.cell]}, behind ${wanted}: this server lost transactions`
    })
  }
  await main.run('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
  try {
    const { [target]: _, ...applied } = await appliedVector(main, context.store)
    const high: Vector = { ...applied, [context.cell]: await highMark(marks) }
    const reader = new ChunkReader(main, description, { limits: request, afterKey: request.afterKey, rowBytes })
    const startedMs = context.clock.monotonicMs()
    let sent = 0
    for (let index = 0; index < request.chunks && !superseded(); index += 1) {
      const { table, rows, lastKey, tableDone } = await reader.next()
      const last = tableDone || index === request.chunks - 1
      await answer.send({ kind: 'chunk', index, last, table: request.table, low, high, rows: rows.length, lastKey, tableDone }, { table, rows })
      if (last) break
      sent += rows.length
      await pace(startedMs, { rows: sent, rowsPerSecond: request.rowsPerSecond }, answer)
    }
  } finally {
    await main.run('ROLLBACK')
  }
}

/** All that every snapshot from now on contains. The target's own stream is left out: it does not apply itself. */
async function fullVector(marks: Session, { context, target }: { context: CellContext; target: string }): Promise<Vector> {
  const { [target]: _, ...applied } = await appliedVector(marks, context.store)
  return { ...applied, [context.cell]: await lowMark(marks) }
}

/** False: the target asked for something else. A cell that nothing is wanted of is not waited for. */
async function untilApplied(wanted: Vector, { sessions, context, superseded, waiting, signal }: AnswerContext): Promise<boolean> {
  let saidMs = context.clock.monotonicMs()
  for (;;) {
    const behind = missingCells(wanted, await appliedVector(sessions.marks, context.store))
    if (behind.length === 0) return true
    if (superseded()) return false
    if (context.clock.monotonicMs() - saidMs > ALIVE_MS) {
      saidMs = context.clock.monotonicMs()
      await waiting(`${context.cell} has not applied ${behind.map((cell) => `${cell} up to ${wanted[cell]}`).join(', ')}`)
    }
    await sleep(LOOK_MS, undefined, { signal })
  }
}

interface Pace {
  readonly rows: number
  readonly rowsPerSecond: number
}

/** Sleeps until so many rows may have been sent; the target hears meanwhile that this is meant. */
async function pace(startedMs: number, { rows, rowsPerSecond }: Pace, { context, superseded, waiting, signal }: AnswerContext): Promise<void> {
  if (rowsPerSecond === 0) return
  const aheadMs = (): number => (rows / rowsPerSecond) * 1000 - (context.clock.monotonicMs() - startedMs)
  for (let left = aheadMs(); left > 0 && !superseded(); left = aheadMs()) {
    await sleep(Math.min(left, ALIVE_MS), undefined, { signal })
    if (left > ALIVE_MS) await waiting(`throttled to ${rowsPerSecond} rows per second`)
  }
}

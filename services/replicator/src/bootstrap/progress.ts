/** Pure: how far a copy is, for people. */
import type { RunPhase, TableState } from './target-state.ts'

export interface BootstrapStatus {
  readonly phase: 'idle' | 'requested' | 'copying' | 'settling' | 'done' | 'cancelled'
  readonly runId: string | undefined
  readonly sourceCell: string | undefined
  /** Being copied now. */
  readonly table: string | undefined
  readonly tablesDone: number
  readonly tablesTotal: number
  readonly rowsDone: number
  /** The source's own guess; it may be passed. */
  readonly rowsEstimated: number
  /** Of this process, since it began to copy; undefined before the first chunk. */
  readonly rowsPerSecond: number | undefined
  /** Undefined while nobody can know. */
  readonly etaSeconds: number | undefined
  /** What it waits for; empty when for nothing. */
  readonly reason: string
}

export const IDLE: BootstrapStatus = {
  phase: 'idle',
  runId: undefined,
  sourceCell: undefined,
  table: undefined,
  tablesDone: 0,
  tablesTotal: 0,
  rowsDone: 0,
  rowsEstimated: 0,
  rowsPerSecond: undefined,
  etaSeconds: undefined,
  reason: ''
}

export interface Measured {
  /** Copied by this process, in the time that it took. */
  readonly rows: number
  readonly ms: number
}

export function progressOf(
  tables: readonly TableState[],
  { rows, ms }: Measured
): Omit<BootstrapStatus, 'phase' | 'runId' | 'sourceCell' | 'table' | 'reason'> {
  const rowsDone = tables.reduce((sum, table) => sum + table.rowsDone, 0)
  // What is copied is known; of the rest the guess holds, and a table is never thought to be smaller than what came of it.
  const rowsEstimated = tables.reduce(
    (sum, { state, rowsDone: done, rowsEstimated: guess }) => sum + (isWhole(state) ? done : Math.max(done, guess)),
    0
  )
  const rowsPerSecond = ms > 0 && rows > 0 ? (rows * 1000) / ms : undefined
  return {
    tablesDone: tables.filter(({ state }) => state === 'done').length,
    tablesTotal: tables.length,
    rowsDone,
    rowsEstimated,
    rowsPerSecond,
    etaSeconds: rowsPerSecond === undefined ? undefined : (rowsEstimated - rowsDone) / rowsPerSecond
  }
}

export function statusPhase(phase: RunPhase, tables: readonly TableState[]): BootstrapStatus['phase'] {
  if (phase !== 'copying') return phase
  return tables.length > 0 && tables.every(({ state }) => isWhole(state)) ? 'settling' : 'copying'
}

function isWhole(state: TableState['state']): boolean {
  return state === 'copied' || state === 'done'
}

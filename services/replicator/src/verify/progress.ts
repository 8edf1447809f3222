import { isCellwayError } from '@cellway/base'
import type { Difference, Verification, VerifiedTable } from '@cellway/client'
import type { ComparedChunk } from './compare-table.ts'
import { comparisonFailed } from './errors.ts'

/** Differences that are kept to be shown; all are counted. */
const SHOWN_MAX = 1000
/** Images of a row of megabytes are cut: the key tells where to look. */
const IMAGE_CHARACTERS_MAX = 20_000

interface TableState {
  rows: number
  estimated: number
  differences: number
  repaired: number
  unsettled: number
  state: string
}

/** What is known of one comparison, while it runs and afterwards. */
export class VerifyProgress {
  readonly #startedMs: number
  readonly #nowMs: () => number
  readonly #from: string
  readonly #tables = new Map<string, TableState & { readonly table: string; readonly from: string }>()
  readonly #shown: Difference[] = []
  #finishedMs: number | undefined
  #error: Verification['error'] = null

  constructor({ from, nowMs }: { readonly from: string; readonly nowMs: () => number }) {
    this.#from = from
    this.#nowMs = nowMs
    this.#startedMs = nowMs()
  }

  begin(from: string, table: string, estimated: number): void {
    this.#tables.set(`${from} ${table}`, { table, from, rows: 0, estimated, differences: 0, repaired: 0, unsettled: 0, state: 'waiting' })
  }

  chunk(from: string, table: string, { rows, differences, repaired, unsettled }: ComparedChunk): void {
    const state = this.#tables.get(`${from} ${table}`)
    if (state === undefined) return
    state.state = 'running'
    state.rows += rows
    state.differences += differences.length
    state.repaired += repaired
    state.unsettled += unsettled
    for (const one of differences) if (this.#shown.length < SHOWN_MAX) this.#shown.push({ ...one, here: cut(one.here), there: cut(one.there) })
  }

  /** @returns what the table came out as */
  endTable(from: string, table: string, error?: unknown): 'equal' | 'different' | 'failed' {
    const state = this.#tables.get(`${from} ${table}`)
    const result = error !== undefined ? 'failed' : state === undefined || state.differences === 0 ? 'equal' : 'different'
    if (state !== undefined)
      state.state = result === 'equal' && state.unsettled > 0 ? `equal but for ${state.unsettled} rows that go on changing` : result
    if (error !== undefined) this.#error = errorOf(error)
    return result
  }

  finish(error?: unknown): void {
    this.#finishedMs = this.#nowMs()
    if (error !== undefined) this.#error = errorOf(error)
  }

  view(): Verification {
    const tables = [...this.#tables.values()]
    const rows = tables.reduce((sum, one) => sum + one.rows, 0)
    const whole = tables.reduce((sum, one) => sum + Math.max(one.estimated, one.rows), 0)
    const elapsedMs = Math.max(1, (this.#finishedMs ?? this.#nowMs()) - this.#startedMs)
    const isDone = this.#finishedMs !== undefined
    const share = isDone && this.#error === null ? 1 : whole === 0 ? null : rows / whole
    return {
      state: !isDone ? 'running' : this.#error === null ? 'done' : 'failed',
      startedAt: new Date(this.#startedMs).toISOString(),
      finishedAt: this.#finishedMs === undefined ? null : new Date(this.#finishedMs).toISOString(),
      from: this.#from,
      share,
      rowsPerSecond: Math.round((rows * 1000) / elapsedMs),
      etaMs: isDone || share === null || share === 0 ? null : Math.round((elapsedMs / share) * (1 - share)),
      error: this.#error,
      tables: tables.map(
        ({ table, from, rows: done, differences, repaired, state }): VerifiedTable => ({ table, from, rows: done, differences, repaired, state })
      ),
      differences: this.#shown
    }
  }
}

/** Before anything was compared. */
export const IDLE: Verification = {
  state: 'idle',
  startedAt: null,
  finishedAt: null,
  from: null,
  share: null,
  rowsPerSecond: null,
  etaMs: null,
  error: null,
  tables: [],
  differences: []
}

function errorOf(cause: unknown): Verification['error'] {
  const error = isCellwayError(cause) ? cause : comparisonFailed({ problem: cause instanceof Error ? cause.message : String(cause) })
  return { code: error.code, message: `${error.message}: ${JSON.stringify(error.details)}` }
}

function cut(image: string | null): string | null {
  return image !== null && image.length > IMAGE_CHARACTERS_MAX ? `${image.slice(0, IMAGE_CHARACTERS_MAX)}…` : image
}

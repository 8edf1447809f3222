import type { BootstrapProgress } from '@cellway/client'
import type { Bootstrap } from '../bootstrap/bootstrap.ts'
import type { BootstrapStatus } from '../bootstrap/progress.ts'
import { bootstrapUnclear, notStarted } from '../errors.ts'
import type { Life } from '../process/life.ts'
import type { AdminActions } from './routes.ts'

/** Filling this cell from another one: asked for here, done by a part of the engine that survives restarts. */
export function bootstrapActions(life: Life): Pick<AdminActions, 'bootstrap' | 'startBootstrap' | 'cancelBootstrap'> {
  const working = (): Bootstrap => {
    const { engine, phase, why } = life
    if (engine?.bootstrap.work === undefined) throw notStarted({ phase, reason: why.reason ?? '' })
    return engine.bootstrap.work
  }
  const progress = (): BootstrapProgress => describe(working().status(), life)
  return {
    bootstrap: progress,
    startBootstrap: async ({ from, wipe, force, rowsPerSecond }) => {
      await working().request({
        sourceCell: from ?? onlySource(life),
        ...(wipe === undefined ? {} : { wipe }),
        ...(force === undefined ? {} : { force }),
        ...(rowsPerSecond === undefined ? {} : { rowsPerSecond })
      })
      return progress()
    },
    cancelBootstrap: async () => {
      await working().cancel()
      return progress()
    }
  }
}

/** With two cells there is nothing to choose. @throws RPL_BOOTSTRAP_UNCLEAR */
function onlySource({ engine }: Life): string {
  const sources = engine?.appliers.sources ?? []
  const [only] = sources
  if (only === undefined || sources.length > 1) throw bootstrapUnclear({ cells: sources, fix: 'name the cell to copy: --from CELL' })
  return only
}

const STATES = { idle: 'idle', requested: 'running', copying: 'running', settling: 'running', done: 'done', cancelled: 'failed' } as const

function describe(status: BootstrapStatus, { engine }: Life): BootstrapProgress {
  const { phase, sourceCell, rowsDone, rowsEstimated, rowsPerSecond, etaSeconds, reason, table, tablesDone, tablesTotal } = status
  const part = engine?.bootstrap.status
  const trouble = reason === '' ? (part?.reason ?? null) : reason
  return {
    state: STATES[phase],
    startedAt: null,
    finishedAt: null,
    from: sourceCell ?? null,
    share: phase === 'done' ? 1 : rowsEstimated > 0 ? Math.min(1, rowsDone / rowsEstimated) : null,
    rowsPerSecond: rowsPerSecond ?? null,
    etaMs: etaSeconds === undefined ? null : Math.round(etaSeconds * 1000),
    phase,
    reason: trouble,
    table: table ?? null,
    tablesDone,
    tablesTotal,
    rowsDone,
    rowsEstimated
  }
}

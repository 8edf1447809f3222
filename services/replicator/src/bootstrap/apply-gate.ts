import type { Session } from '../store/session.ts'
import type { ApplyGate, GatePass, TableName, Treatment } from './gate.ts'
import { OPEN_GATE } from './gate.ts'
import { nameOf } from './levels.ts'
import { ensureBootstrapSchema } from './schema.ts'
import { readRun, readTables, type TableState } from './target-state.ts'

/** The gate of a cell, as the tables of the run say. One object per process, made before the first applier starts. */
export class BootstrapGate implements ApplyGate {
  #treatments: ReadonlyMap<string, Treatment> | undefined
  #foreignKeyChecks = true
  #passes = 0
  #held: PromiseWithResolvers<void> | undefined
  #drained: (() => void) | undefined
  #appliersMayStart = true

  /** False from a request until the appliers' checkpoints stand where the copy begins. */
  get appliersMayStart(): boolean {
    return this.#appliersMayStart
  }

  set appliersMayStart(may: boolean) {
    this.#appliersMayStart = may
  }

  async enter(signal: AbortSignal): Promise<GatePass> {
    signal.throwIfAborted()
    while (this.#held !== undefined) await unlessAborted(this.#held.promise, signal)
    const treatments = this.#treatments
    if (treatments === undefined) {
      // No bootstrap now, but one may begin while this transaction runs: then it has to be waited for as well.
      this.#passes += 1
      return { ...(await OPEN_GATE.enter(signal)), leave: this.#leaver() }
    }
    this.#passes += 1
    return {
      active: true,
      foreignKeyChecks: this.#foreignKeyChecks,
      treatment: (table: TableName) => treatments.get(nameOf(table)) ?? 'compare',
      leave: this.#leaver()
    }
  }

  /** No transaction of an applier is open from here until the release. @throws the signal's reason */
  async hold(signal: AbortSignal): Promise<() => void> {
    while (this.#held !== undefined) await unlessAborted(this.#held.promise, signal)
    const held = Promise.withResolvers<void>()
    this.#held = held
    const release = (): void => {
      if (this.#held === held) this.#held = undefined
      held.resolve()
    }
    try {
      while (this.#passes > 0) {
        const drained = Promise.withResolvers<void>()
        this.#drained = drained.resolve
        await unlessAborted(drained.promise, signal)
      }
    } catch (cause) {
      release()
      throw cause
    }
    return release
  }

  /** Undefined: no bootstrap is at work. Call it while the gate is held, or before appliers run. */
  adopt(tables: readonly TableState[] | undefined, foreignKeyChecks = true): void {
    this.#foreignKeyChecks = foreignKeyChecks
    this.#treatments = tables === undefined ? undefined : new Map(tables.map((table) => [nameOf(table), treatmentOf(table)]))
  }

  #leaver(): () => void {
    let left = false
    return () => {
      if (left) return
      left = true
      this.#passes -= 1
      if (this.#passes === 0) this.#drained?.()
    }
  }
}

/** Reads what an earlier process left. @throws what the session throws */
export async function loadGate(session: Session): Promise<BootstrapGate> {
  await ensureBootstrapSchema(session)
  const gate = new BootstrapGate()
  const run = await readRun(session)
  if (run === undefined || run.phase === 'done') return gate
  // A copy that was broken off left tables that fit no position: the streams must not go on over them.
  gate.appliersMayStart = run.phase === 'copying'
  if (run.phase === 'copying') gate.adopt(await readTables(session), run.foreignKeyChecks)
  return gate
}

function treatmentOf({ state }: TableState): Treatment {
  if (state === 'waiting') return 'skip'
  return state === 'done' ? 'compare' : 'overwrite'
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import type { Logger } from '@cellway/telemetry'
import { type Explanation, explainError, NOTHING } from './explain.ts'

/** A long-lived part of the replicator: capture, one applier, the repairer. It may be run again after it has ended. */
export interface Runnable {
  /** Returns when the signal aborts; throws when it has to stop. */
  run(signal: AbortSignal): Promise<void>
}

export type PartPhase = 'starting' | 'running' | 'restarting' | 'stopped'

export interface PartStatus extends Explanation {
  readonly phase: PartPhase
  readonly restarts: number
  readonly sinceMs: number
}

export interface PartOptions<Work extends Runnable> {
  readonly name: string
  readonly make: () => Work
  readonly log: Logger
  readonly restartMs: number
  readonly restartMsMax: number
  /** Another process has taken our place: the whole process has to end, not only this part. */
  readonly isFenced: (error: unknown) => boolean
  readonly onFenced: (error: unknown) => void
  readonly onRestart?: () => void
}

/** Who has run this long has not failed in a row. */
const STABLE_MS = 30_000

/**
 * Keeps one part running. What can succeed later is tried again with growing, jittered pauses for as long as it takes; what
 * cannot stays stopped, with its reason, until the process ends or an operator starts it again.
 */
export class Part<Work extends Runnable> {
  readonly #options: PartOptions<Work>
  #work: Work | undefined
  #status: PartStatus = { phase: 'starting', restarts: 0, sinceMs: Date.now(), ...NOTHING }
  #again: (() => void) | undefined

  constructor(options: PartOptions<Work>) {
    this.#options = options
  }

  /** The running instance; also the last one that ran, for what it still knows. */
  get work(): Work | undefined {
    return this.#work
  }

  get status(): PartStatus {
    return this.#status
  }

  /** Ends a pause, or a stop: an operator says that the cause is gone. */
  runAgain(): void {
    this.#again?.()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { name, log, isFenced, onFenced } = this.#options
    let failures = 0
    while (!signal.aborted) {
      const startedMs = performance.now()
      const error = await this.#runOnce(signal)
      if (signal.aborted) return
      if (isFenced(error)) {
        this.#set('stopped', error)
        onFenced(error)
        return
      }
      failures = performance.now() - startedMs > STABLE_MS ? 1 : failures + 1
      const canRecover = error === undefined || (isCellwayError(error) ? error.retry === 'later' : true)
      this.#set(canRecover ? 'restarting' : 'stopped', error)
      const waitMs = this.#backoffMs(failures)
      if (canRecover) log.warn({ part: name, err: error, ...codeOf(error), waitMs: Math.round(waitMs), failures }, 'part ended; starting it again')
      else log.error({ part: name, err: error, ...codeOf(error), details: detailsOf(error) }, 'part stopped; it waits for an operator')
      await this.#pause(canRecover ? waitMs : undefined, signal)
    }
  }

  /** What ended it; undefined when it returned without being asked to. */
  async #runOnce(signal: AbortSignal): Promise<unknown> {
    try {
      const work = this.#options.make()
      this.#work = work
      this.#set('running', undefined)
      await work.run(signal)
      return undefined
    } catch (error) {
      return error ?? new Error('it failed without an error')
    }
  }

  #set(phase: PartPhase, error: unknown): void {
    const restarts = this.#status.restarts + (phase === 'restarting' ? 1 : 0)
    if (phase === 'restarting') this.#options.onRestart?.()
    const why = phase === 'running' ? NOTHING : error === undefined ? { ...NOTHING, reason: 'it ended by itself' } : explainError(error)
    this.#status = { phase, restarts, sinceMs: Date.now(), ...why }
  }

  async #pause(waitMs: number | undefined, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#again = resolve
    const timer = new AbortController()
    const ended = (): void => resolve()
    signal.addEventListener('abort', ended, { once: true })
    const timeout = waitMs === undefined ? undefined : delay(waitMs, undefined, { signal: timer.signal }).catch(() => undefined)
    await Promise.race([promise, ...(timeout === undefined ? [] : [timeout])])
    signal.removeEventListener('abort', ended)
    timer.abort()
    this.#again = undefined
  }

  /** Doubling, somewhere in the upper half: the cells of an installation lose their center in the same moment. */
  #backoffMs(failures: number): number {
    const { restartMs, restartMsMax } = this.#options
    const ceiling = Math.min(restartMsMax, restartMs * 2 ** Math.min(failures - 1, 16))
    return ceiling / 2 + (Math.random() * ceiling) / 2
  }
}

function codeOf(error: unknown): { readonly code?: string } {
  return isCellwayError(error) ? { code: error.code } : {}
}

function detailsOf(error: unknown): unknown {
  return isCellwayError(error) ? error.details : undefined
}

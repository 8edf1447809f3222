import { setTimeout as sleep } from 'node:timers/promises'
import { type CellwayError, isCellwayError } from '@cellway/base'
import { quoteText } from '@cellway/mysql-value'
import type { CellContext } from '../context.ts'
import type { MysqlConfig } from '../store/session.ts'
import type { CaptureMetrics } from './metrics.ts'
import { SideSession } from './side-session.ts'

export interface HeartbeatOptions {
  readonly context: CellContext
  readonly mysql: MysqlConfig
  readonly metrics: Pick<CaptureMetrics, 'heartbeat'>
  readonly periodMs?: number
}

export interface HeartbeatStatus {
  readonly lastWrittenMs: number | undefined
  readonly number: number
  readonly error: ReturnType<CellwayError['toJSON']> | undefined
}

const PERIOD_MS = 1000

/**
 * A row of this cell that changes each second and travels in its stream: other cells measure their lag by its time, and the position
 * of a quiet store moves on with it.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  #lastWrittenMs: number | undefined
  #number = 0
  #error: CellwayError | undefined

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  /** Returns when the signal aborts; a store that cannot be written to is tried again each second. */
  async run(signal: AbortSignal): Promise<void> {
    const { mysql, periodMs = PERIOD_MS, context } = this.#options
    await using session = new SideSession(mysql, signal)
    while (!signal.aborted) {
      const startedMs = context.clock.monotonicMs()
      await this.#beat(session, signal)
      const leftMs = Math.max(0, periodMs - (context.clock.monotonicMs() - startedMs))
      await sleep(leftMs, undefined, { signal }).catch(() => {})
    }
  }

  status(): HeartbeatStatus {
    return { lastWrittenMs: this.#lastWrittenMs, number: this.#number, error: this.#error?.toJSON() }
  }

  async #beat(session: SideSession, signal: AbortSignal): Promise<void> {
    const { context, metrics } = this.#options
    const { cell, store, clock } = context
    const startedMs = clock.monotonicMs()
    const key = `cell = ${quoteText(cell)} AND store = ${quoteText(store)}`
    const timeUs = Math.round(clock.nowMs() * 1000)
    const write = `INSERT INTO cellway.heartbeat (cell, store, number, time_us) VALUES (${quoteText(cell)}, ${quoteText(store)}, 1, ${timeUs})
      ON DUPLICATE KEY UPDATE number = number + 1, time_us = ${timeUs}`
    try {
      const [row] = await session.with((one) => one.rows(`${write}; SELECT number FROM cellway.heartbeat WHERE ${key}`))
      this.#number = Number(row?.[0]?.toString() ?? 0)
      this.#lastWrittenMs = clock.nowMs()
      this.#error = undefined
      metrics.heartbeat((clock.monotonicMs() - startedMs) / 1000)
    } catch (cause) {
      if (signal.aborted) return
      if (!isCellwayError(cause)) throw cause
      if (this.#error?.code !== cause.code) context.log.warn({ err: cause, code: cause.code }, 'the heartbeat could not be written')
      this.#error = cause
    }
  }
}

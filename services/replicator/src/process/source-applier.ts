import { setTimeout as delay } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import { formatPosition, openEnvelope, type Position } from '@cellway/change'
import type { LogRecord } from '@cellway/log'
import type { Applier } from '../apply/applier.ts'
import type { CellContext } from '../context.ts'
import { beginningGone } from '../errors.ts'
import { placeCheckpoint, readCheckpoint } from '../store/checkpoint.ts'
import { type MysqlConfig, openSession } from '../store/session.ts'
import type { Runnable } from './part.ts'

export interface SourceApplierOptions {
  readonly context: CellContext
  readonly mysql: MysqlConfig
  readonly sourceCell: string
  readonly epoch: number
  readonly applier: Applier
}

const POLL_MS = 300
const READ_BYTES = 1024 * 1024

/**
 * An applier with its beginning. A cell that has never applied anything of an origin begins where the stream begins, if the stream is
 * there from its first record on: then both cells start with the same rows, or the operator copies them (`cell bootstrap`). Where the
 * beginning is gone, nothing is guessed.
 */
export class SourceApplier implements Runnable {
  readonly applier: Applier
  readonly #options: SourceApplierOptions

  constructor(options: SourceApplierOptions) {
    this.#options = options
    this.applier = options.applier
  }

  /** @throws RPL_STREAM_BEGINNING_GONE, and what the applier throws */
  async run(signal: AbortSignal): Promise<void> {
    await this.#begin(signal)
    if (!signal.aborted) await this.applier.run(signal)
  }

  async #begin(signal: AbortSignal): Promise<void> {
    const { context, mysql, sourceCell, epoch } = this.#options
    const { store, log } = context
    await using session = await openSession(mysql, { role: 'plain', signal })
    const checkpoint = await readCheckpoint(session, sourceCell, store)
    if (checkpoint !== undefined && checkpoint.position !== '') return
    const position = await this.#firstPosition(signal)
    if (position === undefined) return
    await placeCheckpoint(session, { sourceCell, store, position, epoch })
    log.info({ source: sourceCell, position: formatPosition(position) }, 'the stream is applied from its beginning on')
  }

  /** Where the first record of the stream begins; undefined when the signal came first. */
  async #firstPosition(signal: AbortSignal): Promise<Position | undefined> {
    const { context, sourceCell } = this.#options
    const stream = `${sourceCell}/${context.store}`
    while (!signal.aborted) {
      try {
        // A capture that finds no stream of its own asks every reader how far it is before it begins one.
        await context.center.reportReader(stream, context.cell, '', { signal })
        const record = await this.#firstRecord(stream, signal)
        if (record !== undefined) return this.#beginningOf(record)
      } catch (cause) {
        if (signal.aborted) return undefined
        if (!isCellwayError(cause) || cause.code !== 'LOG_STREAM_UNKNOWN') throw cause
      }
      await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
    }
    return undefined
  }

  async #firstRecord(stream: string, signal: AbortSignal): Promise<LogRecord | undefined> {
    const { center } = this.#options.context
    const { first, next } = await center.bounds(stream)
    if (first === next && first === 1) return undefined
    const enough = new AbortController()
    for await (const { records } of center.read(stream, 'oldest', { maxBytes: READ_BYTES, signal: AbortSignal.any([signal, enough.signal]) })) {
      const [record] = records
      if (record === undefined) continue
      enough.abort()
      return record
    }
    return undefined
  }

  #beginningOf({ sequence, payload }: LogRecord): Position {
    const { cell } = this.#options.context
    const { sourceCell } = this.#options
    if (sequence !== 1) throw beginningGone({ stream: sourceCell, oldest: sequence, fix: `cellway cell bootstrap ${cell} --from ${sourceCell}` })
    return openEnvelope(payload).envelope.from
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { type CellwayError, isCellwayError } from '@cellway/base'
import type { Origin } from '@cellway/change'
import type { Log, LogPosition } from '@cellway/log'
import { backoffMs } from './backoff.ts'
import { fenced } from './errors.ts'
import { APPENDS_IN_FLIGHT_MAX } from './limits.ts'
import type { Outbox, OutboxEntry } from './outbox.ts'
import { envelopesFrom, readTail } from './stream-tail.ts'

export interface SenderOptions {
  readonly log: Log
  readonly origin: Origin
  readonly epoch: number
  readonly outbox: Outbox
  /** What the log had when the capture took its place: records behind it are ours. */
  readonly tail: LogPosition | undefined
  /** Closes the record of what waits, if there is something; called when a record could be sent and none is there. */
  pack(): void
  onDurable(entry: OutboxEntry, position: LogPosition): void
  /** The center did not take a record; `undefined`: it does again. */
  onTrouble(cause: CellwayError | undefined): void
}

/** The stream in the center is not what this process left there: begin again from what it has. */
export class StreamChanged extends Error {}

type Outcome = { readonly position: LogPosition } | { readonly cause: unknown }

interface Flight {
  readonly entry: OutboxEntry
  readonly outcome: Promise<Outcome>
}

/**
 * Sends the records of the outbox, in order. What became of an append that failed is not guessed: the end of the stream is read, and
 * tells which of the records are there.
 */
export class Sender {
  readonly #options: SenderOptions
  readonly #flights: Flight[] = []
  readonly #inFlightMax: number
  /** The last record that is known to be in the center. */
  #tail: LogPosition | undefined

  constructor(options: SenderOptions) {
    this.#options = options
    this.#tail = options.tail
    // The remote log fails every append behind one that failed, so many may be under way. Others promise no such thing.
    this.#inFlightMax = options.log.adapter === 'remote' ? APPENDS_IN_FLIGHT_MAX : 1
  }

  get isIdle(): boolean {
    return this.#flights.length === 0
  }

  get canSend(): boolean {
    return this.#flights.length < this.#inFlightMax
  }

  /** @throws CAP_FENCED, CAP_SPILL_FAILED, StreamChanged, errors of the log that no repetition mends */
  async run(signal: AbortSignal): Promise<void> {
    const { outbox } = this.#options
    while (!signal.aborted) {
      // Taken before the look into the outbox, so that no change falls between the two.
      const wake = new AbortController()
      const changed = outbox.changed(AbortSignal.any([signal, wake.signal]))
      await this.#fill(signal)
      const [first] = this.#flights
      const outcome = await (first === undefined ? changed : Promise.race([first.outcome, changed]))
      wake.abort()
      if (outcome === undefined || first === undefined) continue
      if ('position' in outcome) await this.#landed(first.entry, outcome.position)
      else await this.#crashed(outcome.cause, signal)
    }
  }

  async #fill(signal: AbortSignal): Promise<void> {
    const { outbox, log, origin, epoch } = this.#options
    while (this.canSend && !signal.aborted) {
      if (outbox.untaken === 0) this.#options.pack()
      const next = await outbox.next()
      if (next === undefined) return
      const outcome = log.append(`${origin.cell}/${origin.store}`, { epoch, payload: next.content }, { signal }).then(
        (position): Outcome => ({ position }),
        (cause: unknown): Outcome => ({ cause })
      )
      this.#flights.push({ entry: next.entry, outcome })
    }
  }

  async #landed(entry: OutboxEntry, position: LogPosition): Promise<void> {
    this.#flights.shift()
    this.#tail = position
    await this.#options.outbox.shift()
    this.#options.onDurable(entry, position)
  }

  /** @throws see `run` */
  async #crashed(cause: unknown, signal: AbortSignal): Promise<void> {
    // All others settle first: a later one may still become a record.
    for (const { outcome } of this.#flights) await outcome
    this.#flights.length = 0
    signal.throwIfAborted()
    this.#judge(cause)
    for (let attempt = 1; ; attempt += 1) {
      await sleep(backoffMs(attempt), undefined, { signal })
      try {
        await this.#reconcile(signal)
        break
      } catch (problem) {
        if (signal.aborted || problem instanceof StreamChanged) throw problem
        this.#judge(problem)
      }
    }
    this.#options.onTrouble(undefined)
  }

  /** Reads what came behind the last record that is known, and drops from the outbox what is there. */
  async #reconcile(signal: AbortSignal): Promise<void> {
    const { log, origin, epoch, outbox } = this.#options
    const tail = await readTail(log, origin, signal)
    if (tail === undefined) {
      if (this.#tail !== undefined) throw new StreamChanged('the center has lost the stream')
      outbox.rewind()
      return
    }
    const known = this.#tail
    if (known !== undefined && (known.logId !== tail.logId || known.sequence >= tail.next)) throw new StreamChanged('the log was replaced')
    const from = Math.max(tail.first, known === undefined ? 1 : known.sequence + 1)
    const behind = await envelopesFrom(log, { origin, from: { logId: tail.logId, sequence: from }, next: tail.next, signal })
    for (const { sequence, envelope } of behind) {
      if (envelope.streamEpoch > epoch) throw fenced({ stream: `${origin.cell}/${origin.store}`, epoch, current: envelope.streamEpoch })
      const first = outbox.oldest
      // A repeat of what is known is harmless: readers drop it by its number. Anything else is not what was sent.
      if (envelope.streamEpoch < epoch || (first !== undefined && envelope.producerSequence < first.sequence)) continue
      if (first === undefined || envelope.producerSequence !== first.sequence) throw new StreamChanged('the stream has records that were not sent')
      const position = { logId: tail.logId, sequence }
      this.#tail = position
      const entry = await outbox.shift()
      if (entry !== undefined) this.#options.onDurable(entry, position)
    }
    outbox.rewind()
  }

  /** Whether the center may take it later. @throws CAP_FENCED, or the error itself */
  #judge(cause: unknown): void {
    if (!isCellwayError(cause)) throw cause
    const { origin, epoch } = this.#options
    if (cause.code === 'LOG_FENCED') {
      throw fenced({ stream: `${origin.cell}/${origin.store}`, epoch, current: Number(cause.details.current) }, { cause })
    }
    // A full or failed log is mended by people, and the sender goes on by itself then; a bad request never gets better.
    if (cause.code === 'LOG_REQUEST_INVALID' || cause.code === 'LOG_RECORD_TOO_LARGE') throw cause
    if (cause.code === 'LOG_POSITION_LOST' || cause.code === 'LOG_REPLACED') throw new StreamChanged(cause.code)
    if (cause.code.startsWith('CAP_') || cause.code.startsWith('CHANGE_')) throw cause
    this.#options.onTrouble(cause)
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { CellwayError } from '@cellway/base'
import { isCellwayError } from '@cellway/base'
import type { Envelope, Position, TransactionView } from '@cellway/change'
import { comparePositions, decodeBody, formatPosition, openEnvelope, parsePosition, positionIncludes } from '@cellway/change'
import type { Log, LogPosition, LogRecord } from '@cellway/log'
import { positionLost, streamBroken, streamForeign } from './errors.ts'
import { Handover } from './handover.ts'

/** What the stream brings, in the order of the origin, each transaction once. */
export type SourceItem = SourceTransaction | SourcePart

interface FromRecord {
  readonly view: TransactionView
  readonly envelope: Envelope
  /** Of the log: where a reader begins that has everything before this item. */
  readonly logPosition: LogPosition
  readonly bytes: number
}

export interface SourceTransaction extends FromRecord {
  readonly kind: 'transaction'
  /** The last one of its record: with it, all that the record covers is in. */
  readonly lastOfRecord: boolean
}

/** A piece of a transaction that is too large for one record. */
export interface SourcePart extends FromRecord {
  readonly kind: 'part'
}

export interface SourceStreamOptions {
  readonly center: Log
  readonly sourceCell: string
  readonly store: string
  /** What this cell has; empty text before the first transaction. */
  readonly position: string
  readonly log: LogPosition | undefined
}

/** How far the stream was read, in sequences of the log, for the lag of each stage. */
export interface ReadProgress {
  logId: string
  readNext: number
  durableNext: number
  /** In the origin's coordinates; undefined before the first record. */
  readPosition: Position | undefined
}

/** Waiting to be applied, decompressed: four parts of a large transaction, or some dozen records of the usual size. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024
const READ_BYTES = 1024 * 1024
const UNKNOWN_PAUSE_MS = 1000

/** Reads ahead of the applier, within a bound. One per run: after an error, begin again from the checkpoint. */
export class SourceStream {
  readonly progress: ReadProgress = { logId: '', readNext: 0, durableNext: 0, readPosition: undefined }
  readonly #options: SourceStreamOptions
  readonly #stream: string
  readonly #waiting = new Handover<SourceItem>(WAITING_BYTES_MAX)
  #position: Position | undefined
  /** Of the transaction whose parts are being read. */
  #openPart: number | undefined

  constructor(options: SourceStreamOptions) {
    this.#options = options
    this.#stream = `${options.sourceCell}/${options.store}`
  }

  /** Runs until the signal or an error; items are taken meanwhile. @throws APL_POSITION_LOST, APL_STREAM_FOREIGN, LOG_*, CHANGE_* */
  async run(signal: AbortSignal): Promise<void> {
    let from: LogPosition | 'oldest' = this.#options.log ?? 'oldest'
    while (!signal.aborted) {
      try {
        await this.#read(from, signal)
      } catch (cause) {
        if (signal.aborted) return
        if (!isCellwayError(cause)) throw cause
        from = await this.#fromAfter(cause, from, signal)
      }
    }
  }

  /** Items that were read and not taken. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** The next item without taking it; waits for one. @throws the signal's reason */
  peek(signal: AbortSignal): Promise<SourceItem> {
    return this.#waiting.peek(signal)
  }

  /** What is there now, if anything. */
  peekNow(): SourceItem | undefined {
    return this.#waiting.peekNow()
  }

  take(): SourceItem | undefined {
    return this.#waiting.take()
  }

  async #read(from: LogPosition | 'oldest', signal: AbortSignal): Promise<void> {
    const { center } = this.#options
    for await (const batch of center.read(this.#stream, from, { maxBytes: READ_BYTES, signal })) {
      const { logId } = batch.next
      for (const record of batch.records) await this.#takeRecord(record, logId, signal)
      Object.assign(this.progress, { logId, readNext: batch.next.sequence, durableNext: batch.durableNext })
    }
  }

  /** The place in the log is only a hint: what is wrong with it is found out by the positions. */
  async #fromAfter(cause: CellwayError, from: LogPosition | 'oldest', signal: AbortSignal): Promise<LogPosition | 'oldest'> {
    switch (cause.code) {
      case 'LOG_STREAM_UNKNOWN':
        await sleep(UNKNOWN_PAUSE_MS, undefined, { signal }).catch(() => undefined)
        return from
      case 'LOG_REPLACED':
        return 'oldest'
      case 'LOG_POSITION_LOST':
        if (from !== 'oldest') return 'oldest'
        throw this.#lost('nothing: the log was trimmed while it was read', cause)
      default:
        throw cause
    }
  }

  async #takeRecord(record: LogRecord, logId: string, signal: AbortSignal): Promise<void> {
    const sealed = openEnvelope(record.payload)
    const { envelope } = sealed
    const { cell, store } = envelope.origin
    if (cell !== this.#options.sourceCell || store !== this.#options.store) throw streamForeign({ stream: this.#stream, found: `${cell}/${store}` })
    this.#checkContinues(envelope)
    const whole = envelope.firstPart && envelope.lastPart
    if (whole && isIn(envelope.to, this.#position)) return
    const body = decodeBody(sealed)
    if (body.kind !== 'transactions') throw streamForeign({ stream: this.#stream, found: body.kind })
    const here = { logId, sequence: record.sequence }
    let left = body.unitCount
    for (const view of body.transactions()) {
      left -= 1
      const bytes = Math.ceil(Math.max(sealed.bodyBytes, record.payload.length) / body.unitCount)
      const from = { view, envelope, logPosition: here, bytes }
      if (this.#position !== undefined && positionIncludes(this.#position, view.id)) continue
      if (whole) this.#openPart = undefined
      if (whole) await this.#waiting.put({ kind: 'transaction', lastOfRecord: left === 0, ...from }, bytes, signal)
      else await this.#takePart({ kind: 'part', ...from }, signal)
    }
    if (envelope.lastPart) this.#advance(envelope.to)
  }

  /** Parts come in order; a capture that began the transaction again sends the first one again. */
  async #takePart(part: SourcePart, signal: AbortSignal): Promise<void> {
    const { partIndex } = part.envelope
    if (partIndex !== 0 && partIndex !== this.#openPart) {
      const finding = `part ${partIndex} of a transaction where ${this.#openPart ?? 'a whole one or a first part'} was expected`
      throw this.#openPart === undefined ? this.#lost(finding) : streamBroken({ stream: this.#stream, finding })
    }
    this.#openPart = part.envelope.lastPart ? undefined : partIndex + 1
    await this.#waiting.put(part, part.bytes, signal)
  }

  /** The record begins where we stand, or before: then what is in already is skipped, transaction by transaction. */
  #checkContinues({ from, origin }: Envelope): void {
    // Only now the kind of the origin is known, and with it what the text means.
    this.#position ??= parsePosition(origin.kind, this.#options.position)
    const order = comparePositions(from, this.#position)
    if (order !== 'equal' && order !== 'before') throw this.#lost(formatPosition(from))
    this.progress.readPosition = this.#position
  }

  #advance(to: Position): void {
    if (this.#position === undefined || isIn(to, this.#position)) return
    this.#position = to
    this.progress.readPosition = to
  }

  #lost(found: string, cause?: unknown): CellwayError {
    const applied = this.#position === undefined ? this.#options.position : formatPosition(this.#position)
    const fix = `cellway cell bootstrap CELL --from ${this.#options.sourceCell}`
    return positionLost({ stream: this.#stream, applied, found, fix }, { cause })
  }
}

function isIn(position: Position, other: Position | undefined): boolean {
  if (other === undefined) return false
  const order = comparePositions(position, other)
  return order === 'equal' || order === 'before'
}

import { setTimeout as sleep } from 'node:timers/promises'
import { assertNever, type CellwayError, isCellwayError } from '@cellway/base'
import {
  ASSEMBLER_START,
  type AssemblerState,
  assemble,
  BinlogDecoder,
  type BinlogUnit,
  type Collected,
  type Flavour,
  formatGtid,
  TransactionCollector
} from '@cellway/mysql-binlog'
import { backoffMs } from './backoff.ts'
import { eventUnknown, incident, sourceLost } from './errors.ts'
import { TRANSACTION_BYTES_HELD_MAX } from './limits.ts'
import type { Outbox } from './outbox.ts'
import { placeOf } from './places.ts'
import { openReplica, type Replica, type ReplicaOptions } from './replica.ts'
import { Acknowledgements } from './semi-sync.ts'
import type { TableRouter } from './tables.ts'
import type { Translator } from './translator.ts'

export interface ReaderOptions {
  readonly flavour: Flavour
  readonly connect: Omit<ReplicaOptions, 'position' | 'signal' | 'onEvent' | 'onIdle'>
  readonly translator: Translator
  readonly tables: TableRouter
  readonly outbox: Outbox
  /** The newest sequence that is in the center. */
  readonly durable: () => number
  /** Resolves when an undeclared table may have been declared, or a GTID skipped; says what is waited for. */
  readonly waitForTable: (table: { schema: string; table: string }, gtid: string, signal: AbortSignal) => Promise<void>
  readonly onRead: (bytes: number) => void
  /** The source has nothing more for now. */
  readonly onIdle: () => void
  /** The source has sent everything it has. */
  readonly onCaughtUp: () => void
  readonly onConnected: () => void
  /** The link is over and will be made again. */
  readonly onDisconnected: (cause: CellwayError) => void
}

/** What goes through in order; a reply to the source must not overtake the transactions before it. */
type Item = Collected | { readonly kind: 'acknowledge'; readonly file: string; readonly offset: bigint }

/** Reads the source's binlog into the translator, over as many links as it takes. */
export class Reader {
  readonly #options: ReaderOptions
  #link: Link | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  get file(): string {
    return this.#link?.file ?? ''
  }

  /** A record is in the center. */
  durable(sequence: number): void {
    this.#link?.durable(sequence)
  }

  /** The outbox has changed. */
  throttle(): void {
    this.#link?.throttle()
  }

  /** @throws what ends the stream until people have acted */
  async run(signal: AbortSignal): Promise<void> {
    const { outbox, translator } = this.#options
    let failures = 0
    while (!signal.aborted) {
      while (outbox.isFull && !signal.aborted) await outbox.changed(signal)
      const link = new Link(this.#options)
      this.#link = link
      try {
        await link.run(signal)
      } catch (cause) {
        this.#link = undefined
        // What was under way is sent again by the next link, from its beginning.
        translator.abandon()
        if (signal.aborted) return
        if (!isCellwayError(cause) || !isPassing(cause)) throw cause
        this.#options.onDisconnected(cause)
        failures = link.hasRead ? 1 : failures + 1
        await sleep(backoffMs(failures), undefined, { signal }).catch(() => {})
      }
    }
  }
}

/** Another link may do better. Settings and grants are put right by people while the capture goes on trying, in plain sight. */
function isPassing({ code, retry }: CellwayError): boolean {
  return retry === 'later' && (code.startsWith('CAP_SOURCE_') || code.startsWith('STO_') || code.startsWith('BINLOG_'))
}

class Link {
  hasRead = false
  readonly #options: ReaderOptions
  readonly #decoder: BinlogDecoder
  readonly #collector = new TransactionCollector({ heldBytesMax: TRANSACTION_BYTES_HELD_MAX })
  readonly #abort = new AbortController()
  #state: AssemblerState = ASSEMBLER_START
  #replica: Replica | undefined
  #acknowledgements: Acknowledgements | undefined
  /** What came behind something that has to wait. */
  #items: Item[] = []
  #isWorking = false

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#decoder = new BinlogDecoder({ flavour: options.flavour })
  }

  get file(): string {
    return this.#state.file
  }

  /** Until the link is over. @throws why it is */
  async run(signal: AbortSignal): Promise<void> {
    const { connect, translator } = this.#options
    const either = AbortSignal.any([signal, this.#abort.signal])
    try {
      const replica = await openReplica({
        ...connect,
        position: translator.position,
        signal: either,
        onEvent: (event, acknowledge) => this.#take(event, acknowledge),
        onIdle: () => this.#idle()
      })
      this.#replica = replica
      this.#acknowledgements = new Acknowledgements(replica)
      this.#options.onConnected()
      this.throttle()
      await replica.ended
    } finally {
      this.#abort.abort()
    }
  }

  durable(sequence: number): void {
    this.#acknowledgements?.durable(sequence)
  }

  throttle(): void {
    const { outbox } = this.#options
    if (outbox.isFull) this.#replica?.pause()
    else if (!this.#isWorking && outbox.hasRoom) this.#replica?.resume()
  }

  #idle(): void {
    if (!this.#isWorking) this.#options.onIdle()
  }

  #take(event: Buffer, acknowledge: boolean): void {
    this.hasRead = true
    this.#options.onRead(event.length)
    for (const one of this.#decoder.events(event)) {
      const { state, units } = assemble(this.#state, one)
      this.#state = state
      for (const unit of units) this.#collect(unit)
    }
    if (acknowledge) this.#pass({ kind: 'acknowledge', file: this.#state.file, offset: BigInt(event.readUInt32LE(END_POSITION_AT)) })
    if (this.#options.outbox.isFull) this.#replica?.pause()
  }

  #collect(unit: BinlogUnit): void {
    if (unit.kind === 'heartbeat') {
      this.#options.onCaughtUp()
      return
    }
    const collected = this.#collector.push(unit)
    if (collected !== undefined) this.#pass(collected)
  }

  #pass(item: Item): void {
    if (this.#isWorking) this.#items.push(item)
    else if (this.#isReady(item)) this.#process(item)
    else {
      this.#items.push(item)
      this.#isWorking = true
      this.#replica?.pause()
      this.#work().catch((cause: unknown) => this.#replica?.destroy(cause))
    }
  }

  #isReady(item: Item): boolean {
    if (item.kind === 'acknowledge') return true
    const { translator, tables } = this.#options
    return translator.tablesOf(item).every((map) => tables.routeOf(map) !== undefined)
  }

  /** Takes what has to wait one by one, while the socket rests. */
  async #work(): Promise<void> {
    for (let item = this.#items[0]; item !== undefined && !this.#abort.signal.aborted; item = this.#items[0]) {
      if (!this.#isReady(item)) {
        await this.#prepare(item)
        // A snapshot, or an operator, may have changed what the item needs.
        continue
      }
      this.#items.shift()
      this.#process(item)
      const { outbox } = this.#options
      while (outbox.isFull && !this.#abort.signal.aborted) await outbox.changed(this.#abort.signal)
    }
    this.#isWorking = false
    this.throttle()
    this.#idle()
  }

  async #prepare(item: Item): Promise<void> {
    if (item.kind === 'acknowledge') return
    const { translator, tables, waitForTable } = this.#options
    for (const map of translator.tablesOf(item)) {
      if (await tables.prepare(map)) continue
      // What is complete need not wait with it.
      this.#options.onIdle()
      const gtid = 'begin' in item ? formatGtid(item.begin.gtid) : ''
      await waitForTable(map, gtid, this.#abort.signal)
      return
    }
  }

  /** @throws what the translator throws, CAP_INCIDENT, CAP_EVENT_UNKNOWN */
  #process(item: Item): void {
    const { translator, durable } = this.#options
    switch (item.kind) {
      case 'acknowledge':
        this.#acknowledgements?.add({ sequence: translator.coveringSequence, file: item.file, offset: item.offset }, durable())
        return
      case 'incident': {
        const fix = 'Changes are missing in the binlog: bootstrap the tables of this cell in the other cells, then force the start'
        throw incident({ ...this.#place(), incident: item.event.incident, problem: item.event.message, fix })
      }
      case 'unknown': {
        const fix = 'Upgrade the replicator to a version that knows this server'
        throw eventUnknown({ ...placeOf(item), typeCode: item.typeCode, fix })
      }
      case 'transaction':
      case 'large-begin':
      case 'large-part':
      case 'commit':
      case 'rollback':
        translator.push(item)
        return
      case 'format':
      case 'heartbeat':
        return
      case 'begin':
      case 'rows':
      case 'statement':
        throw sourceLost({ problem: `a ${item.kind} outside of a transaction` })
      default:
        assertNever(item)
    }
  }

  #place(): ReturnType<typeof placeOf> {
    return placeOf({ position: { file: this.#state.file, offset: undefined }, gtid: this.#state.open?.gtid })
  }
}

/** Of the event's header. */
const END_POSITION_AT = 13

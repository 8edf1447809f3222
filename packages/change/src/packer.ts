import type { ByteWriter } from './bytes.ts'
import { createWriter, putBlock, putU32 } from './bytes.ts'
import { sealRecord } from './envelope.ts'
import { changeInvalid } from './errors.ts'
import { PART_BYTES_MAX, RECORD_BYTES_TARGET } from './limits.ts'
import type { Codec, ContentMark, Envelope, Origin } from './model.ts'
import type { Position } from './position.ts'
import { comparePositions, formatPosition } from './position.ts'
import { putSectionHead } from './section.ts'

export interface PackerOptions {
  readonly origin: Origin
  readonly streamEpoch: number
  /** Of the first record. */
  readonly producerSequence: number
  /** What is in before the first unit. */
  readonly from: Position
  readonly codec: Codec
  /** A record is closed from this size on. */
  readonly bytesTarget?: number
  /** A unit longer than this is split into parts. */
  readonly partBytes?: number
}

export interface BuiltRecord {
  readonly envelope: Envelope
  readonly bytes: Buffer
}

export const BODY_SECTION = { tables: 1, transactions: 2, redisUnits: 3, replicationId: 4 } as const

/** The section that the units stand in, and the one that they need to be understood. */
export interface PackerSections {
  readonly section: number
  readonly context: { readonly section: number; readonly bytes: () => Buffer; readonly size: () => number; readonly clear: () => void }
}

type WriteHead = (writer: ByteWriter) => void
/** Begins one fragment of an entry that is too large for a part. */
export type WritePrefix = (writer: ByteWriter, last: boolean) => void

interface Marks {
  readonly hasFence: boolean
  readonly hasBarrier: boolean
}

const NO_MARKS: Marks = { hasFence: false, hasBarrier: false }
const LENGTH_BYTES = 4
/** What stands around the content of a fragment: the head of its unit, its prefix. */
const FRAGMENT_ROOM_BYTES = 4096

/** What transactions and Redis units share: whole units go into records, and a unit that is too large goes into parts of its own. */
export class Packer {
  readonly writer: ByteWriter = createWriter()
  readonly #options: PackerOptions
  readonly #sections: PackerSections
  readonly #bytesTarget: number
  readonly #partBytes: number
  #built: BuiltRecord[] = []
  #sequence: number
  #from: Position
  #to: Position
  #units = 0
  #partIndex = 0
  #wholeMarks = NO_MARKS
  #openMarks = NO_MARKS
  #openHead: WriteHead | undefined
  #unitAt = 0
  #entriesAt = 0

  constructor(options: PackerOptions, sections: PackerSections) {
    this.#options = options
    this.#sections = sections
    this.#bytesTarget = options.bytesTarget ?? RECORD_BYTES_TARGET
    this.#partBytes = options.partBytes ?? PART_BYTES_MAX
    this.#sequence = options.producerSequence
    this.#from = options.from
    this.#to = options.from
  }

  /** The head is written again for every part of the unit. @throws CHANGE_INVALID */
  begin(writeHead: WriteHead): void {
    if (this.#openHead !== undefined) throw changeInvalid({ problem: 'the unit before was not ended' })
    this.#openHead = writeHead
    this.#startUnit(writeHead)
  }

  /** After an entry was written from `entryAt` on. One too large for a part is cut from `contentAt` on. @throws CHANGE_INVALID, CHANGE_TOO_LARGE */
  entryWritten(entryAt: number, contentAt: number, writePrefix: WritePrefix | undefined): void {
    const head = this.#open()
    if (this.#size() <= this.#partBytes) return
    const shift = this.#unitAt
    if (shift > 0) this.#sealUnitsBefore()
    if (this.#size() <= this.#partBytes) return
    if (writePrefix === undefined || this.writer.at - (entryAt - shift) <= this.#partBytes) this.#sealPart(head)
    else this.#sealFragments(entryAt - shift, contentAt - shift, writePrefix)
  }

  mark(mark: ContentMark): void {
    this.#open()
    this.#openMarks = joined(this.#openMarks, { hasFence: mark === 'fence', hasBarrier: mark === 'barrier' })
  }

  end(to: Position): void {
    this.#open()
    this.#closeUnit()
    this.#openHead = undefined
    this.#to = to
    if (this.#partIndex > 0) this.#sealLastPart()
    else {
      this.#units += 1
      this.#wholeMarks = joined(this.#wholeMarks, this.#openMarks)
      if (this.#size() >= this.#bytesTarget) this.flush()
    }
    this.#openMarks = NO_MARKS
  }

  /** Closes the record of the units so far. @throws CHANGE_INVALID within a unit */
  flush(): void {
    if (this.#openHead !== undefined) throw changeInvalid({ problem: 'a record is not closed in the middle of a unit' })
    if (this.#units === 0) return
    this.#sealWhole(this.writer.at)
    this.#clear()
  }

  /** The records that are complete, in order, each once. */
  take(): BuiltRecord[] {
    const records = this.#built
    this.#built = []
    return records
  }

  #open(): WriteHead {
    if (this.#openHead === undefined) throw changeInvalid({ problem: 'no unit was begun' })
    return this.#openHead
  }

  #size(): number {
    return this.writer.at + this.#sections.context.size()
  }

  #startUnit(writeHead: WriteHead): void {
    this.#unitAt = this.writer.at
    putU32(this.writer, 0)
    writeHead(this.writer)
    this.#entriesAt = this.writer.at
  }

  #closeUnit(): void {
    this.writer.bytes.writeUInt32LE(this.writer.at - this.#unitAt - LENGTH_BYTES, this.#unitAt)
  }

  #clear(): void {
    this.writer.at = 0
    this.#sections.context.clear()
  }

  /** The open unit becomes the first of its record. The tables stay: it names some of them by their places. */
  #sealUnitsBefore(): void {
    const shift = this.#unitAt
    this.#sealWhole(shift)
    this.writer.bytes.copyWithin(0, shift, this.writer.at)
    this.writer.at -= shift
    this.#entriesAt -= shift
    this.#unitAt = 0
  }

  #sealFragments(entryAt: number, contentAt: number, writePrefix: WritePrefix): void {
    const head = this.#open()
    const { writer } = this
    const content = writer.bytes.subarray(contentAt, writer.at)
    writer.at = entryAt
    if (entryAt > this.#entriesAt) this.#sealPart(head)
    // The content is a view into the large buffer, which is let go of with it.
    writer.bytes = Buffer.allocUnsafe(this.#partBytes + FRAGMENT_ROOM_BYTES)
    writer.at = 0
    this.#startUnit(head)
    for (let at = 0; at < content.length; at += this.#partBytes) {
      const last = at + this.#partBytes >= content.length
      writePrefix(writer, last)
      putBlock(writer, content.subarray(at, at + this.#partBytes))
      if (!last) this.#sealPart(head)
    }
  }

  #sealPart(head: WriteHead): void {
    this.#closeUnit()
    this.#seal(this.writer.at, { firstPart: this.#partIndex === 0, lastPart: false, partIndex: this.#partIndex, to: this.#from, ...this.#openMarks })
    this.#partIndex += 1
    this.#clear()
    this.#startUnit(head)
  }

  #sealLastPart(): void {
    this.#checkOrder()
    this.#seal(this.writer.at, { firstPart: false, lastPart: true, partIndex: this.#partIndex, to: this.#to, ...this.#openMarks })
    this.#from = this.#to
    this.#partIndex = 0
    this.#clear()
  }

  #sealWhole(end: number): void {
    this.#checkOrder()
    this.#seal(end, { firstPart: true, lastPart: true, partIndex: 0, to: this.#to, ...this.#wholeMarks })
    this.#from = this.#to
    this.#units = 0
    this.#wholeMarks = NO_MARKS
  }

  #checkOrder(): void {
    const order = comparePositions(this.#from, this.#to)
    // A new replication id begins a new history, so a step to it is no contradiction; a step back is one.
    if (order === 'after' || order === 'concurrent') {
      throw changeInvalid({ problem: `a step back from ${formatPosition(this.#from)} to ${formatPosition(this.#to)}` })
    }
  }

  #seal(end: number, own: Pick<Envelope, 'firstPart' | 'lastPart' | 'partIndex' | 'to'> & Marks): void {
    const { origin, streamEpoch, codec } = this.#options
    const envelope: Envelope = { origin, streamEpoch, producerSequence: this.#sequence, from: this.#from, codec, ...own }
    const { section, context } = this.#sections
    const known = context.bytes()
    const body = [sectionHead(context.section, known.length), known, sectionHead(section, end), this.writer.bytes.subarray(0, end)]
    this.#built.push({ envelope, bytes: sealRecord(envelope, body) })
    this.#sequence += 1
  }
}

function joined(left: Marks, right: Marks): Marks {
  return { hasFence: left.hasFence || right.hasFence, hasBarrier: left.hasBarrier || right.hasBarrier }
}

function sectionHead(number: number, contentBytes: number): Buffer {
  const writer = createWriter(16)
  putSectionHead(writer, number, contentBytes)
  return writer.bytes.subarray(0, writer.at)
}

import { SEMI_SYNC_MAGIC } from './dump-packets.ts'
import { sourceLost } from './errors.ts'
import { serverError } from './source-errors.ts'

/** What a command needs of mysql2's packets and connection; mysql2 has no types for them. */
export interface WirePacket {
  readonly buffer: Buffer
  readonly offset: number
  readonly end: number
}

export interface WireConnection {
  sequenceId: number
  readonly stream: NodeJS.ReadWriteStream & { destroy(): void }
  addCommand(command: object): void
  write(bytes: Uint8Array): void
  pause(): void
  resume(): void
}

export interface DumpHandler {
  /** One event, from its header to its checksum: a view into the memory of the socket's read. */
  onEvent(event: Buffer, acknowledge: boolean): void
  /** The link is over; called once. */
  onEnd(cause: unknown): void
}

const EVENT = 0x00
const END_OF_STREAM = 0xfe
const ERROR = 0xff
const NEEDS_REPLY = 0x01

/** The command that a dump connection ends its life with: one packet goes out, and events come in until the link is cut. */
export class DumpCommand {
  readonly #request: Buffer
  readonly #handler: DumpHandler
  readonly #position: string
  #started = false
  #ended = false
  /** Known from the first packet: an event's time could begin with the same byte as the header of semi-sync. */
  #semiSync: boolean | undefined

  constructor(request: Buffer, { handler, position, semiSync }: { handler: DumpHandler; position: string; semiSync: boolean }) {
    this.#request = request
    this.#handler = handler
    this.#position = position
    this.#semiSync = semiSync ? undefined : false
  }

  /** mysql2 calls it when the connection breaks under the command. */
  onResult(cause: Error | null): void {
    this.end(sourceLost({ problem: cause?.message ?? 'the connection was closed' }, { cause }))
  }

  /** One packet; the first call has none and sends the request. Returns whether the command is over. */
  execute(packet: WirePacket | undefined, connection: WireConnection): boolean {
    if (!this.#started || packet === undefined) {
      this.#started = true
      connection.write(this.#request)
      connection.sequenceId = 1
      return false
    }
    // What still comes behind the end is nobody's.
    if (this.#ended) return false
    try {
      this.#take(packet, connection)
    } catch (cause) {
      this.end(cause)
    }
    return false
  }

  end(cause: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#handler.onEnd(cause)
  }

  #take({ buffer, offset, end }: WirePacket, connection: WireConnection): void {
    const status = buffer[offset]
    if (status === ERROR) throw serverError(buffer.subarray(offset, end), this.#position)
    if (status === END_OF_STREAM && end - offset < 9) throw sourceLost({ problem: 'the source ended the stream' })
    if (status !== EVENT) throw sourceLost({ problem: `a packet that begins with ${status} in the stream of events` })
    this.#semiSync ??= buffer[offset + 1] === SEMI_SYNC_MAGIC
    if (!this.#semiSync) {
      this.#handler.onEvent(buffer.subarray(offset + 1, end), false)
      return
    }
    const acknowledge = (buffer[offset + 2] ?? 0) === NEEDS_REPLY
    // Where the server waits for a reply it begins its packet numbers again.
    if (acknowledge) connection.sequenceId = 1
    this.#handler.onEvent(buffer.subarray(offset + 3, end), acknowledge)
  }
}

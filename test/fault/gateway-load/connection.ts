import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly statusCode: number
  readonly body: string
  /** The server will close the connection after this answer. */
  readonly closing: boolean
}

/** How a request ended that got no whole answer. */
export type Broken =
  /** The connection was new and not one byte came back: any client may connect again and ask once more. */
  | 'fresh'
  /** The connection had worked before, or the answer broke off: the answer is lost. */
  | 'lost'

export type Exchange =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'broken'; readonly why: Broken; readonly reason: string }

/** One keep-alive connection that sends one request at a time and knows exactly what came back. */
export class Connection {
  readonly #socket: Socket
  #received = ''
  #answered = 0
  #ended: string | undefined
  #waiting: ((exchange: Exchange) => void) | undefined

  constructor(port: number, localAddress?: string) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, ...(localAddress === undefined ? {} : { localAddress }) }).setEncoding('latin1')
    this.#socket.on('data', (piece: string) => this.#onData(piece))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#ended ??= error.code ?? error.message
    })
    this.#socket.on('end', () => {
      this.#ended ??= 'end'
    })
    this.#socket.on('close', () => this.#onClose())
  }

  /** Ended by the server; the next request needs another connection. */
  get ended(): boolean {
    return this.#ended !== undefined || this.#socket.destroyed
  }

  request(text: string): Promise<Exchange> {
    const { promise, resolve } = Promise.withResolvers<Exchange>()
    this.#waiting = resolve
    if (this.#socket.destroyed) this.#onClose()
    else this.#socket.write(text, 'latin1')
    return promise
  }

  close(): void {
    this.#socket.destroy()
  }

  #onData(piece: string): void {
    this.#received += piece
    const answer = wholeAnswer(this.#received)
    if (answer === undefined) return
    this.#received = ''
    this.#answered += 1
    if (answer.closing) this.#ended ??= 'told to close'
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.({ kind: 'answered', answer })
  }

  #onClose(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    const fresh = this.#answered === 0 && this.#received === ''
    waiting?.({ kind: 'broken', why: fresh ? 'fresh' : 'lost', reason: `${this.#ended ?? 'closed'} after ${this.#answered} answers` })
  }
}

/** Every answer in these tests has a length. */
function wholeAnswer(received: string): Answer | undefined {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const head = received.slice(0, headEnd)
  const length = /\r\ncontent-length: ([0-9]+)/i.exec(head)?.[1]
  if (length === undefined) throw new Error(`an answer without a length: ${head}`)
  const end = headEnd + 4 + Number(length)
  if (received.length < end) return undefined
  return { statusCode: Number(received.slice(9, 12)), body: received.slice(headEnd + 4, end), closing: /\r\nconnection: close/i.test(head) }
}

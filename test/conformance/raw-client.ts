import { createConnection, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { type Answer, readAnswers } from './strict-response-reader.ts'

/** How the bytes are cut into writes: all at once, one by one, or at these places. */
export type Slicing = 'whole' | 'bytes' | readonly number[]

export interface RawClient extends Disposable {
  send(bytes: Buffer, slicing: Slicing): Promise<void>
  end(): void
  /** Resolves to false at the deadline. Judged again after each arrival and at the end of the connection. */
  until(condition: (seen: ClientView) => boolean, deadlineMs: number): Promise<boolean>
  view(): ClientView
}

export interface ClientView {
  readonly answers: readonly Answer[]
  readonly rest: Buffer
  readonly problems: readonly string[]
  readonly interim: boolean
  /** The gateway has ended or reset the connection. */
  readonly closed: boolean
  /** The end was a reset: bytes that were under way to the client may be lost. */
  readonly reset: boolean
  readonly received: Buffer
}

export interface RawClientOptions {
  readonly port: number
  /** Methods of the requests in order, so that answers to HEAD are read right. */
  readonly methods: readonly string[]
  readonly tls?: { readonly ca: string }
}

/** A client that sends exactly what it is given and reads strictly. */
export async function connectRaw({ port, methods, tls }: RawClientOptions): Promise<RawClient> {
  const socket = tls
    ? connectTls({ host: '127.0.0.1', port, ca: tls.ca, servername: 'localhost', ALPNProtocols: ['http/1.1'] })
    : createConnection({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
  await connected(socket, tls ? 'secureConnect' : 'connect')
  return wrap(socket, methods)
}

function wrap(socket: Socket, methods: readonly string[]): RawClient {
  const pieces: Buffer[] = []
  let closed = false
  let reset = false
  let listeners: (() => void)[] = []
  const changed = (): void => {
    for (const listener of listeners) listener()
  }
  const ended = (): void => {
    closed = true
    changed()
  }
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece)
    changed()
  })
  // A reset is an end as well; what had come before counts.
  socket.on('error', () => {
    reset = true
    ended()
  })
  socket.on('end', ended)
  socket.on('close', ended)
  const view = (): ClientView => {
    const received = Buffer.concat(pieces)
    const read = readAnswers(received, { methods, ended: closed })
    return { ...read, interim: /^HTTP\/1\.1 100 /.test(received.toString('latin1', 0, 16)), closed, reset, received }
  }
  return {
    view,
    send: (bytes, slicing) => sendSliced(socket, cut(bytes, slicing), () => closed),
    end: () => socket.end(),
    async until(condition, deadlineMs) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const judge = (): void => {
        if (condition(view())) resolve(true)
      }
      const timer = setTimeout(() => resolve(false), deadlineMs)
      listeners = [...listeners, judge]
      judge()
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        listeners = listeners.filter((listener) => listener !== judge)
      }
    },
    [Symbol.dispose]: () => socket.destroy()
  }
}

function cut(bytes: Buffer, slicing: Slicing): readonly Buffer[] {
  if (slicing === 'whole') return [bytes]
  const places = slicing === 'bytes' ? Array.from({ length: Math.max(0, bytes.length - 1) }, (_, index) => index + 1) : slicing
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length))
}

async function sendSliced(socket: Socket, slices: readonly Buffer[], stopped: () => boolean): Promise<void> {
  for (const [index, slice] of slices.entries()) {
    // Each slice gets a turn of the event loop of its own, so that it leaves as a segment of its own.
    if (index > 0) await nextTurn()
    if (stopped() || !socket.writable) return
    socket.write(slice)
  }
}

function connected(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => {
      socket.removeListener('error', reject)
      resolve()
    })
    socket.once('error', reject)
  })
}

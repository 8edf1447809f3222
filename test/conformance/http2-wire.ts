import { connect, type TLSSocket } from 'node:tls'

/** Frame types and flags of RFC 9113. */
export const FRAME = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  reset: 0x3,
  settings: 0x4,
  push: 0x5,
  ping: 0x6,
  goAway: 0x7,
  window: 0x8,
  continuation: 0x9
} as const
export const END_STREAM = 0x1
export const ACK = 0x1
export const END_HEADERS = 0x4

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** A client that sends the frames it is given, right or wrong, because libraries refuse to send the wrong ones. */
export interface WireClient extends Disposable {
  send(...frames: readonly Buffer[]): void
  /** Resolves to false at the deadline. */
  until(condition: (client: WireClient) => boolean, deadlineMs: number): Promise<boolean>
  readonly frames: readonly Frame[]
  readonly closed: boolean
  /** Bytes that wait here because the peer does not read. */
  readonly queuedBytes: number
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export async function connectWire(port: number, ca: string, settings: readonly (readonly [id: number, value: number])[] = []): Promise<WireClient> {
  const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost', ALPNProtocols: ['h2'] })
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  socket.setNoDelay(true)
  const client = wrap(socket)
  socket.write(PREFACE)
  client.send(frame(FRAME.settings, 0, 0, settingsPayload(settings)))
  return client
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export function headersFrame(stream: number, fields: readonly (readonly [string, string])[], flags: number = END_HEADERS | END_STREAM): Buffer {
  return frame(FRAME.headers, flags, stream, headerBlock(fields))
}

/** Every field as a literal without indexing and without Huffman coding: the bytes are exactly the ones given, allowed or not. */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0x00]), literal(name), literal(value)]))
}

export function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([prefixed(bytes.length, 7), bytes])
}

/** Integer representation of RFC 7541 5.1 with the bits above the prefix zero. */
export function prefixed(value: number, prefixBits: number): Buffer {
  const max = 2 ** prefixBits - 1
  if (value < max) return Buffer.from([value])
  const bytes = [max]
  let rest = value - max
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}

export function settingsPayload(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  return Buffer.concat(
    settings.map(([id, value]) => {
      const bytes = Buffer.alloc(6)
      bytes.writeUInt16BE(id, 0)
      bytes.writeUInt32BE(value, 2)
      return bytes
    })
  )
}

export type StreamOutcome = 'success' | 'refused' | 'reset' | 'gone' | 'open'

/**
 * What became of a stream. Success is `:status` 200, 204 or 206, which encoders write as one byte of the static table;
 * any other first byte is another status. A status behind a table size update is found as well.
 */
export function outcomeOf({ frames, closed }: Pick<WireClient, 'frames' | 'closed'>, stream: number): StreamOutcome {
  const head = frames.find(({ type, stream: of }) => type === FRAME.headers && of === stream)
  if (head) {
    const status = [...head.payload].find((byte) => byte < 0x20 || byte > 0x3f)
    return status === 0x88 || status === 0x89 || status === 0x8a ? 'success' : 'refused'
  }
  if (frames.some(({ type, stream: of }) => type === FRAME.reset && of === stream)) return 'reset'
  if (closed || frames.some(({ type }) => type === FRAME.goAway)) return 'gone'
  return 'open'
}

export function bodyOf({ frames }: Pick<WireClient, 'frames'>, stream: number): Buffer {
  return Buffer.concat(frames.filter(({ type, stream: of }) => type === FRAME.data && of === stream).map(({ payload }) => payload))
}

export function isEnded({ frames }: Pick<WireClient, 'frames'>, stream: number): boolean {
  return frames.some(({ type, flags, stream: of }) => of === stream && (type === FRAME.data || type === FRAME.headers) && (flags & END_STREAM) !== 0)
}

function wrap(socket: TLSSocket): WireClient {
  const frames: Frame[] = []
  let pending: Buffer = Buffer.alloc(0)
  let closed = false
  let listeners: (() => void)[] = []
  const changed = (): void => {
    for (const listener of listeners) listener()
  }
  const ended = (): void => {
    closed = true
    changed()
  }
  socket.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes])
    for (let next = readFrame(pending); next; next = readFrame(pending)) {
      frames.push(next)
      pending = pending.subarray(9 + next.payload.length)
      if (next.type === FRAME.settings && (next.flags & ACK) === 0 && socket.writable) socket.write(frame(FRAME.settings, ACK, 0))
    }
    changed()
  })
  socket.on('error', ended)
  socket.on('end', ended)
  socket.on('close', ended)
  const client: WireClient = {
    frames,
    get closed() {
      return closed
    },
    get queuedBytes() {
      return socket.writableLength
    },
    send(...bytes) {
      if (socket.writable) socket.write(Buffer.concat(bytes))
    },
    async until(condition, deadlineMs) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const judge = (): void => {
        if (condition(client)) resolve(true)
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
  return client
}

function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 9) return undefined
  const length = bytes.readUIntBE(0, 3)
  if (bytes.length < 9 + length) return undefined
  return {
    type: bytes.readUInt8(3),
    flags: bytes.readUInt8(4),
    stream: bytes.readUInt32BE(5) & 0x7fffffff,
    payload: Buffer.from(bytes.subarray(9, 9 + length))
  }
}

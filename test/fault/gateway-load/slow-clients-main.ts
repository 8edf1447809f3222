/**
 * Clients that send a byte every half second, as a process of their own so that they do not slow the measuring one: PORT EACH GIVE_UP_MS.
 * Prints one line when all are connected and slow, and a second one, JSON, when the last of them has been cut off.
 */
import { connect } from 'node:net'
import { routedPath } from '../../bench/gateway/routed-cell.ts'

const STEP_MS = 500

/** How one slow client ended. */
export interface SlowOutcome {
  readonly kind: 'header' | 'body'
  /** 0 when the connection was closed without an answer. */
  readonly statusCode: number
  readonly afterMs: number
  /** Still open when we gave up waiting. */
  readonly open: boolean
}

interface SlowClient {
  readonly connected: Promise<void>
  readonly outcome: Promise<SlowOutcome>
}

function slowClient(kind: 'header' | 'body', port: number, giveUpMs: number): SlowClient {
  const connected = Promise.withResolvers<void>()
  const outcome = Promise.withResolvers<SlowOutcome>()
  const start = `${kind === 'header' ? 'GET' : 'POST'} ${routedPath(1)} HTTP/1.1\r\nhost: slow\r\nx-user-id: 42\r\nx-test-id: slow-${kind}\r\n`
  const socket = connect({ port, host: '127.0.0.1' }).setEncoding('latin1')
  let received = ''
  let startMs = performance.now()
  let timer: NodeJS.Timeout | undefined
  const finish = (open: boolean): void => {
    clearInterval(timer)
    clearTimeout(deadline)
    socket.destroy()
    connected.resolve()
    outcome.resolve({ kind, statusCode: Number(received.slice(9, 12)), afterMs: performance.now() - startMs, open })
  }
  const deadline = setTimeout(() => finish(true), giveUpMs)
  socket.on('connect', () => {
    startMs = performance.now()
    socket.write(kind === 'header' ? `${start}x-slow: ` : `${start}content-length: 1000\r\n\r\n`, () => connected.resolve())
    timer = setInterval(() => socket.write('a'), STEP_MS)
  })
  socket.on('data', (piece: string) => {
    received += piece
  })
  socket.on('error', () => undefined)
  socket.on('close', () => finish(false))
  return { connected: connected.promise, outcome: outcome.promise }
}

const [port = 0, each = 0, giveUpMs = 0] = process.argv.slice(2).map(Number)
const clients = (['header', 'body'] as const).flatMap((kind) => Array.from({ length: each }, () => slowClient(kind, port, giveUpMs)))
await Promise.all(clients.map(({ connected }) => connected))
process.stdout.write('slow\n')
const outcomes = await Promise.all(clients.map(({ outcome }) => outcome))
process.stdout.write(`${JSON.stringify(outcomes)}\n`, () => process.exit(0))

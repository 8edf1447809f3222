/**
 * An open-loop client: sends at a constant rate whatever the answers do, and counts latency from the moment a request was due, so that
 * a pause of the server shows in every request it delayed. Runs as a process of its own on the load's core:
 * PORT RATE SECONDS CONNECTIONS; prints one JSON line.
 */
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { routedPath } from './routed-cell.ts'
import { USERS, userOf } from './wrk.ts'

/** Answers of the first part are not counted: connections are being opened and code is being compiled. */
const WARM_UP_SECONDS = 0.7
/** How long answers may come after the last request. */
const TAIL_MS = 10_000

export const OPEN_LOOP_MAIN = fileURLToPath(import.meta.url)

export interface OpenLoopResult {
  readonly counted: number
  readonly failed: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

interface Load {
  readonly port: number
  readonly perSecond: number
  readonly seconds: number
  readonly connections: number
}

interface Connection {
  readonly socket: Socket
  dueMs: number
  received: string
}

async function openLoop({ port, perSecond, seconds, connections }: Load): Promise<OpenLoopResult> {
  const requests = Array.from(
    { length: USERS },
    (_, index) => `GET ${routedPath(index)} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nx-user-id: ${userOf(index)}\r\naccept: application/json\r\n\r\n`
  )
  const latenciesMs: number[] = []
  const waiting: number[] = []
  let failed = 0
  let sent = 0
  let finished = 0
  const startMs = performance.now() + 50
  const countFromMs = startMs + WARM_UP_SECONDS * 1000
  const endMs = startMs + seconds * 1000
  const idle: Connection[] = []

  const send = (connection: Connection, dueMs: number): void => {
    connection.dueMs = dueMs
    connection.socket.write(requests[sent++ % USERS] ?? '', 'latin1')
  }
  const onData = (connection: Connection, piece: string): void => {
    connection.received += piece
    const statusCode = answerStatus(connection.received)
    if (statusCode === undefined) return
    connection.received = ''
    finished++
    if (statusCode < 200 || statusCode > 299) failed++
    else if (connection.dueMs >= countFromMs) latenciesMs.push(performance.now() - connection.dueMs)
    const next = waiting.shift()
    if (next === undefined) idle.push(connection)
    else send(connection, next)
  }
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1')
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
      const connection: Connection = { socket, dueMs: 0, received: '' }
      socket.on('data', (piece: string) => onData(connection, piece))
      // A connection that ends under load loses its answer; the count of answers below shows it.
      socket.on('error', () => failed++)
      idle.push(connection)
    })
  )

  const { promise, resolve } = Promise.withResolvers<void>()
  let dueMs = startMs
  const stepMs = 1000 / perSecond
  // Timers are too coarse for a request every 100 us, so the loop polls; it has its core almost to itself.
  const tick = (): void => {
    const nowMs = performance.now()
    for (; dueMs <= nowMs && dueMs < endMs; dueMs += stepMs) {
      const connection = idle.pop()
      if (connection === undefined) waiting.push(dueMs)
      else send(connection, dueMs)
    }
    const done = dueMs >= endMs && finished === sent && waiting.length === 0
    if (done || nowMs > endMs + TAIL_MS) resolve()
    else setImmediate(tick)
  }
  tick()
  await promise
  for (const { socket } of idle) socket.destroy()
  latenciesMs.sort((a, b) => a - b)
  const at = (share: number): number => latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? Number.NaN
  return { counted: latenciesMs.length, failed: failed + (sent - finished) + waiting.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
}

/** The status code once the whole answer is here. All servers in this benchmark answer with a length. */
function answerStatus(received: string): number | undefined {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const length = /\r\ncontent-length: ([0-9]+)/i.exec(received.slice(0, headEnd))?.[1]
  if (length === undefined) throw new Error(`an answer without a length: ${received.slice(0, headEnd)}`)
  return received.length < headEnd + 4 + Number(length) ? undefined : Number(received.slice(9, 12))
}

if (process.argv[1] === OPEN_LOOP_MAIN) {
  const [port, perSecond, seconds, connections] = process.argv.slice(2).map(Number)
  const result = await openLoop({ port: port ?? 0, perSecond: perSecond ?? 0, seconds: seconds ?? 0, connections: connections ?? 0 })
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
}

import type { Socket } from 'node:net'
import type { CellwayError } from '@cellway/base'
import type { GatewayConfig } from '../config.ts'
import { answerLines, DateLine } from './answer-head.ts'
import { Connection, type ConnectionContext, type ConnectionLimits } from './connection.ts'
import type { Message } from './message.ts'

/** How often deadlines are looked at: a timeout may come this much late, and costs nothing per request. */
const SWEEP_MS = 250

export interface Http1ServerOptions {
  readonly config: Pick<GatewayConfig, 'limits' | 'upstream'>
  readonly encrypted: boolean
  readonly nowMs: () => number
  readonly onRequest: (message: Message) => void
  /** The body of the answer to what is no request. */
  readonly onRefused: (error: CellwayError) => string
}

/** HTTP/1.0 and 1.1 on sockets that somebody else accepts. */
export class Http1Server {
  readonly #connections = new Set<Connection>()
  readonly #context: ConnectionContext & { closesIdle: boolean }
  #sweep: NodeJS.Timeout | undefined
  #sweeps = 0

  constructor({ config, encrypted, nowMs, onRequest, onRefused }: Http1ServerOptions) {
    const { limits, upstream } = config
    const connectionLimits: ConnectionLimits = { ...limits, stalledTimeoutMs: upstream.bodyIdleTimeoutMs }
    const date = new DateLine()
    this.#context = {
      limits: connectionLimits,
      encrypted,
      keepAliveLines: `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(limits.keepAliveTimeoutMs / 1000)}, max=${limits.requestsPerSocketMax}\r\n`,
      closesIdle: false,
      dateLine: () => date.at(nowMs()),
      deadlineAfter: (ms) => this.#sweeps + Math.ceil(ms / SWEEP_MS) + 1,
      onRequest,
      refusal: (error) => refusalText(error, onRefused(error), date.at(nowMs())),
      onClosed: (connection) => this.#onClosed(connection)
    }
  }

  /** @param transport the TCP socket, if `socket` is TLS on top of it. */
  accept(socket: Socket, transport?: Socket): void {
    this.#connections.add(new Connection(socket, this.#context, transport))
    this.#sweep ??= setInterval(() => this.#onSweep(), SWEEP_MS)
  }

  #onClosed(connection: Connection): void {
    this.#connections.delete(connection)
    if (this.#connections.size > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }

  #onSweep(): void {
    this.#sweeps += 1
    for (const connection of this.#connections) if (connection.deadline <= this.#sweeps) connection.onDeadline()
  }

  /** From now on nobody waits for another request: idle connections end at once, the others behind their answers. */
  closeIdle(): void {
    this.#context.closesIdle = true
    for (const connection of this.#connections) connection.closeIfIdle()
  }
}

function refusalText({ statusCode }: CellwayError, body: string, dateLine: string): string {
  const headers = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))]
  return `${answerLines(statusCode, headers).text}${dateLine}Connection: close\r\n\r\n${Buffer.from(body).toString('latin1')}`
}

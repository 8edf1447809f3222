import { Connection, type Sending, SendingError, type SendingHandler } from './connection.ts'

/** How often deadlines are looked at: a timeout may come this much late, and costs nothing per request. */
const SWEEP_MS = 50

export interface ConnectionPoolOptions {
  readonly origin: string
  readonly cell: string
  readonly connectionsMax: number
  /** Requests that wait for a connection; more are turned away at once, with nothing sent. */
  readonly waitingMax: number
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly headerBytesMax: number
}

/** A request on its way, for whoever may want to stop or slow it. */
export interface Dispatched {
  /** The handler hears nothing more. */
  abort(): void
  pause(): void
  resume(): void
}

interface Waiting {
  readonly sending: Sending
  readonly handler: SendingHandler
  readonly deadlineMs: number
  readonly dispatched: { connection: Connection | undefined; aborted: boolean }
}

interface Idle {
  readonly connection: Connection
  readonly untilMs: number
}

/** Connections to one origin, each with one request at a time; the one used last is used first, so that the rest can close. */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions
  readonly #target: { readonly host: string; readonly port: number; readonly tlsName: string | undefined }
  readonly #all = new Set<Connection>()
  readonly #idle: Idle[] = []
  readonly #waiting: Waiting[] = []
  #sweep: NodeJS.Timeout | undefined
  #closing = false

  constructor(options: ConnectionPoolOptions) {
    this.#options = options
    const url = new URL(options.origin)
    const isTls = url.protocol === 'https:'
    const host = url.hostname.replace(/^\[|\]$/g, '')
    this.#target = { host, port: Number(url.port || (isTls ? 443 : 80)), tlsName: isTls ? host : undefined }
  }

  /** Sends at once if a connection is free or may be opened, otherwise in turn. */
  dispatch(sending: Sending, handler: SendingHandler): Dispatched {
    const nowMs = performance.now()
    const connection = this.#take()
    if (connection !== undefined) {
      connection.send(sending, handler, nowMs)
      return { abort: () => connection.abort(handler), pause: () => connection.pause(handler), resume: () => connection.resume(handler) }
    }
    return this.#enqueue(sending, handler, nowMs)
  }

  #take(): Connection | undefined {
    while (this.#idle.length > 0) {
      const connection = this.#idle.pop()?.connection
      if (connection !== undefined && !connection.isClosed) return connection
    }
    return this.#all.size < this.#options.connectionsMax ? this.#open() : undefined
  }

  #open(): Connection {
    const { cell, headerBytesMax, connectTimeoutMs } = this.#options
    const connection = new Connection({
      ...this.#target,
      cell,
      headerBytesMax,
      connectTimeoutMs,
      onIdle: (idle) => this.#onIdle(idle),
      onClosed: (closed) => this.#onClosed(closed)
    })
    this.#all.add(connection)
    this.#sweep ??= setInterval(() => this.#onSweep(), SWEEP_MS)
    return connection
  }

  #enqueue(sending: Sending, handler: SendingHandler, nowMs: number): Dispatched {
    const dispatched: Waiting['dispatched'] = { connection: undefined, aborted: false }
    if (this.#waiting.length >= this.#options.waitingMax || this.#closing) {
      // Never from inside the call: the caller has nothing in hand yet to which an error could belong.
      queueMicrotask(() => {
        if (!dispatched.aborted) handler.onError(new SendingError('POOL_FULL'))
      })
    } else this.#waiting.push({ sending, handler, deadlineMs: nowMs + sending.answerTimeoutMs, dispatched })
    return {
      abort: () => {
        dispatched.aborted = true
        dispatched.connection?.abort(handler)
      },
      pause: () => dispatched.connection?.pause(handler),
      resume: () => dispatched.connection?.resume(handler)
    }
  }

  #onIdle(connection: Connection): void {
    const nowMs = performance.now()
    const next = this.#nextWaiting()
    if (next !== undefined) {
      next.dispatched.connection = connection
      connection.send(next.sending, next.handler, nowMs)
    } else if (this.#closing) connection.destroy()
    else this.#idle.push({ connection, untilMs: nowMs + connection.idleMs(this.#options.idleTimeoutMs) })
  }

  #onClosed(connection: Connection): void {
    this.#all.delete(connection)
    const next = this.#all.size < this.#options.connectionsMax ? this.#nextWaiting() : undefined
    if (next !== undefined) {
      next.dispatched.connection = this.#open()
      next.dispatched.connection.send(next.sending, next.handler, performance.now())
    } else if (this.#all.size === 0) {
      clearInterval(this.#sweep)
      this.#sweep = undefined
    }
  }

  #nextWaiting(): Waiting | undefined {
    for (;;) {
      const next = this.#waiting.shift()
      if (next === undefined || !next.dispatched.aborted) return next
    }
  }

  #onSweep(): void {
    const nowMs = performance.now()
    for (const connection of [...this.#all]) if (connection.deadlineMs <= nowMs) connection.onDeadline()
    while ((this.#idle[0]?.untilMs ?? Number.POSITIVE_INFINITY) <= nowMs) this.#idle.shift()?.connection.destroy()
    while ((this.#waiting[0]?.deadlineMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      const late = this.#waiting.shift()
      if (late?.dispatched.aborted === false) late.handler.onError(new SendingError('POOL_TIMEOUT'))
    }
  }

  /** Ends idle connections now and the others behind their answers. */
  close(): void {
    this.#closing = true
    for (const { connection } of this.#idle.splice(0)) connection.destroy()
  }

  destroy(): void {
    this.#closing = true
    for (const { dispatched, handler } of this.#waiting.splice(0)) if (!dispatched.aborted) handler.onError(new SendingError('POOL_CLOSED'))
    for (const connection of [...this.#all]) connection.fail(new SendingError('POOL_CLOSED'))
  }
}

import type { Socket } from 'node:net'
import { isCellwayError } from '@cellway/base'
import type { DataPlane } from '../data-plane.ts'
import { upstreamInvalid } from '../errors.ts'
import { answerHead, answerWhole, endAnswer } from '../http/answer.ts'
import type { UpstreamHead } from '../http/response-headers.ts'
import { writeNote } from '../read-your-writes.ts'
import type { SendingHandler } from '../upstream/connection.ts'
import type { Dispatched } from '../upstream/connection-pool.ts'
import type { Instance } from '../upstream/instance.ts'
import type { Routed } from './classify.ts'
import type { Exchange } from './exchange.ts'
import { attemptError, type Outcome } from './forward.ts'

export interface AttemptOptions {
  readonly plane: DataPlane
  readonly exchange: Exchange
  readonly classification: Routed
  readonly instance: Instance
  readonly settle: (outcome: Outcome) => void
}

/** One attempt at one instance: passes the answer to the client with back-pressure, and knows what was sent. */
export class Attempt implements SendingHandler {
  readonly #options: AttemptOptions
  #dispatched: Dispatched | undefined
  #sent = false
  #settled = false
  #bodyBegun = false
  #notExecuted = false
  #removeStream: (() => void) | undefined
  #stalled: NodeJS.Timeout | undefined

  constructor(options: AttemptOptions) {
    this.#options = options
  }

  onDispatched(dispatched: Dispatched): void {
    if (!this.#settled) this.#dispatched = dispatched
  }

  /** The client is gone: stop reading, whatever the instance is doing. */
  abandon(): void {
    if (this.#settled) return
    this.#dispatched?.abort()
    this.#finish('abandoned', { kind: 'gone' })
  }

  onSent(): void {
    this.#sent = true
    this.#options.exchange.sent = 'unknown'
  }

  onWhole(head: UpstreamHead, body: Buffer): void {
    if (head.notExecuted) {
      this.#finish('success', { kind: 'not-executed' })
      return
    }
    this.#addNote(head)
    answerWhole(this.#options.exchange, head, body, { closing: this.#options.plane.draining })
    this.#finish('success', { kind: 'answered' })
  }

  onHead(head: UpstreamHead): void {
    const { exchange, plane, classification } = this.#options
    this.#notExecuted = head.notExecuted
    if (head.notExecuted) return
    this.#addNote(head)
    answerHead(exchange, head, { closing: plane.draining })
    // Head and first bytes leave in one write when they came in one piece; otherwise the head must not wait for a body that may be slow.
    queueMicrotask(() => {
      if (!this.#bodyBegun && !this.#settled) exchange.response.flush()
    })
    if (head.eventStream) this.#register(classification)
  }

  #addNote(head: UpstreamHead): void {
    const { exchange, plane, classification } = this.#options
    // Only the gateway that the client talks to writes the note: behind a hop it would stand there twice.
    const note = exchange.hop === undefined ? writeNote(classification, head.statusCode, plane.clock.nowMs()) : undefined
    if (note !== undefined) head.headers.push('set-cookie', note)
  }

  #register(classification: Routed): void {
    const { exchange, plane, instance } = this.#options
    this.#removeStream = plane.streams.add({
      kind: 'event-stream',
      space: classification.kind === 'bucket' ? classification.space : undefined,
      bucket: exchange.bucket,
      servedBy: instance.cell,
      close: () => {
        // The end of the stream makes the client connect again; the gateway then finds the new owner.
        endAnswer(exchange)
        this.#dispatched?.abort()
        this.#finish('abandoned', { kind: 'answered' })
      }
    })
  }

  onData(chunk: Buffer): void {
    if (this.#notExecuted || this.#settled) return
    this.#bodyBegun = true
    const { response } = this.#options.exchange
    if (response.write(chunk)) return
    this.#dispatched?.pause()
    const { bodyIdleTimeoutMs } = this.#options.plane.config.upstream
    clearTimeout(this.#stalled)
    // A client that never reads would otherwise hold the instance's connection for ever.
    this.#stalled = setTimeout(() => response.abort(), bodyIdleTimeoutMs)
    response.onDrain(() => {
      clearTimeout(this.#stalled)
      this.#dispatched?.resume()
    })
  }

  onEnd(): void {
    if (this.#settled) return
    if (this.#notExecuted) {
      this.#finish('success', { kind: 'not-executed' })
      return
    }
    endAnswer(this.#options.exchange)
    this.#finish('success', { kind: 'answered' })
  }

  /** Never asked for here, so the parser has refused it before. */
  onUpgrade(_head: UpstreamHead, socket: Socket): void {
    socket.destroy()
    this.onError(upstreamInvalid({ cell: this.#options.instance.cell, rule: 'status 101 was not asked for' }))
  }

  onError(error: Error): void {
    const { exchange, classification, instance } = this.#options
    if (this.#settled) return
    const sent = this.#sent ? 'unknown' : 'nothing'
    // What our own rules or the client's body broke says nothing about the instance, but a broken answer does.
    const result = isCellwayError(error) && error.origin === 'client' ? 'abandoned' : 'failure'
    this.#finish(result, { kind: 'failed', error: attemptError(error, instance.cell, sent, classification.route.timeoutMs), sent })
    if (exchange.response.begun) exchange.response.abort()
  }

  #finish(result: 'success' | 'failure' | 'abandoned', outcome: Outcome): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#stalled)
    this.#removeStream?.()
    const { exchange, instance, plane, settle } = this.#options
    exchange.cancel = undefined
    if (result === 'success') instance.onSuccess()
    else if (result === 'failure') instance.onFailure(plane.clock.monotonicMs())
    else instance.onAbandoned()
    settle(outcome)
  }
}

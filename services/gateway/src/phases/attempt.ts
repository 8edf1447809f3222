import { isCellwayError } from '@cellway/base'
import type { Dispatcher } from 'undici'
import type { DataPlane } from '../data-plane.ts'
import { upstreamInvalid } from '../errors.ts'
import { answerHead, breakAnswer, endAnswer, flushHead, writeAnswer } from '../http/answer.ts'
import { readUpstreamHead, type UpstreamHead } from '../http/response-headers.ts'
import { writeNote } from '../read-your-writes.ts'
import type { Instance } from '../upstream/instance.ts'
import type { Routed } from './classify.ts'
import type { Exchange } from './exchange.ts'
import { attemptError, type Outcome } from './forward.ts'

/** 1xx answers an instance may send before the real one; more is a flood. */
const INFORMATIONAL_MAX = 8

export interface AttemptOptions {
  readonly plane: DataPlane
  readonly exchange: Exchange
  readonly classification: Routed
  readonly instance: Instance
  readonly settle: (outcome: Outcome) => void
}

/** undici's handler for one attempt: streams the answer to the client with back-pressure, and knows what was sent. */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly #options: AttemptOptions
  #controller: Dispatcher.DispatchController | undefined
  #started = false
  #settled = false
  #bodyBegun = false
  #informational = 0
  #head: UpstreamHead | undefined
  #abandoned = false
  #removeStream: (() => void) | undefined
  #stalled: NodeJS.Timeout | undefined

  constructor(options: AttemptOptions) {
    this.#options = options
  }

  /** The client is gone, or its stream was ended: stop reading, whatever the instance is doing. */
  abandon(): void {
    this.#abandoned = true
    this.#controller?.abort(new Error('the client is gone'))
  }

  onRefused(error: unknown): void {
    this.#finish('abandoned', {
      kind: 'failed',
      error: upstreamInvalid({ cell: this.#options.instance.cell, rule: 'the request could not be sent' }, { cause: error }),
      sent: 'nothing'
    })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#abandoned) {
      controller.abort(new Error('the client is gone'))
      return
    }
    this.#started = true
    this.#options.exchange.sent = 'unknown'
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number): void {
    const { exchange, instance, plane, classification } = this.#options
    if (statusCode < 200 && statusCode !== 101) {
      this.#informational += 1
      if (this.#informational > INFORMATIONAL_MAX) throw upstreamInvalid({ cell: instance.cell, rule: 'a flood of 1xx answers' })
      return
    }
    const head = readUpstreamHead(statusCode, rawHeaders(controller), instance.cell)
    this.#head = head
    if (head.notExecuted) return
    // Only the gateway that the client talks to writes the note: behind a hop it would stand there twice.
    const note = exchange.hop === undefined ? writeNote(classification, statusCode, plane.clock.nowMs()) : undefined
    if (note !== undefined) head.headers.push('set-cookie', note)
    answerHead(exchange, head, { closing: plane.draining })
    // Head and body leave in one write when they came in one piece; otherwise the head must not wait for a body that may be slow.
    queueMicrotask(() => {
      if (!this.#bodyBegun && !this.#settled) flushHead(exchange)
    })
    if (head.eventStream) this.#register(classification)
  }

  #register(classification: AttemptOptions['classification']): void {
    const { exchange, plane, instance } = this.#options
    this.#removeStream = plane.streams.add({
      kind: 'event-stream',
      space: classification.kind === 'bucket' ? classification.space : undefined,
      bucket: exchange.bucket,
      servedBy: instance.cell,
      close: () => {
        // The end of the stream makes the client connect again; the gateway then finds the new owner.
        endAnswer(exchange)
        this.#finish('abandoned', { kind: 'answered' })
        this.abandon()
      }
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#head?.notExecuted !== false) return
    this.#bodyBegun = true
    if (writeAnswer(this.#options.exchange, chunk)) return
    controller.pause()
    const { bodyIdleTimeoutMs } = this.#options.plane.config.upstream
    // A client that never reads would otherwise hold the instance's connection for ever.
    this.#stalled = setTimeout(() => breakAnswer(this.#options.exchange), bodyIdleTimeoutMs)
    this.#options.exchange.response.once('drain', () => {
      clearTimeout(this.#stalled)
      controller.resume()
    })
  }

  onResponseEnd(): void {
    if (this.#head === undefined) return
    if (this.#head.notExecuted) {
      this.#finish('success', { kind: 'not-executed' })
      return
    }
    endAnswer(this.#options.exchange)
    this.#finish('success', { kind: 'answered' })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const { exchange, classification, instance } = this.#options
    if (this.#abandoned) {
      this.#finish('abandoned', { kind: 'gone' })
      return
    }
    const sent = this.#started ? 'unknown' : 'nothing'
    // What our own rules or the client's body broke says nothing about the instance, but a broken answer does.
    const result = isCellwayError(error) && error.origin === 'client' ? 'abandoned' : 'failure'
    this.#finish(result, { kind: 'failed', error: attemptError(error, instance.cell, sent, classification.route.timeoutMs), sent })
    if (exchange.response.headersSent) breakAnswer(exchange)
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

function rawHeaders(controller: Dispatcher.DispatchController): readonly (Buffer | string)[] {
  return Array.isArray(controller.rawHeaders) ? controller.rawHeaders : []
}

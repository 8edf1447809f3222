import type { Socket } from 'node:net'
import type { DataPlane } from '../data-plane.ts'
import { draining, holdTimeout, internalError, noUpstream, upgradeRefused } from '../errors.ts'
import { answerHead, answerWhole, endAnswer, SERVED_BY } from '../http/answer.ts'
import type { ValidHead } from '../http/head.ts'
import { upstreamHead } from '../http/request-headers.ts'
import type { UpstreamHead } from '../http/response-headers.ts'
import { answerLines } from '../http1/answer-head.ts'
import { classify, type Routed } from '../phases/classify.ts'
import { bucketLabel, type Exchange } from '../phases/exchange.ts'
import { attemptError, type Forwarding, facts, requestContext } from '../phases/forward.ts'
import { judge } from '../phases/judge.ts'
import type { Sending, SendingHandler } from '../upstream/connection.ts'
import type { Dispatched } from '../upstream/connection-pool.ts'
import { GATEWAY_APP } from '../upstream/directory.ts'
import type { Instance } from '../upstream/instance.ts'
import { tunnel } from './tunnel.ts'

/** What was answered, or why not; called once. */
type Done = (error?: unknown) => void

/** Only what may become a WebSocket leaves the ordinary path; every other `Upgrade` is ignored, as RFC 9110 7.8 allows. */
export function isUpgrade({ head, request }: Exchange): boolean {
  return head?.upgrade === 'websocket' && head.method === 'GET' && request.version === '1.1'
}

/** The phases behind `validate` for a WebSocket: classify, judge, forward; then a tunnel that ends when its bucket moves. @throws what to answer */
export function upgrade(plane: DataPlane, exchange: Exchange, done: Done): void {
  const head = exchange.head as ValidHead
  checkUpgrade(plane, head)
  const placed = place(plane, exchange)
  const { instance } = placed
  const handler = new Handshake(plane, exchange, placed, done)
  exchange.cancel = () => handler.abandon()
  instance.onSend(plane.clock.monotonicMs())
  handler.onDispatched(instance.pool.dispatch(handshake(plane, exchange, head, placed), handler))
}

function checkUpgrade(plane: DataPlane, head: ValidHead): void {
  if (plane.draining) throw draining({})
  if (head.bodyKind !== 'none') throw upgradeRefused({ rule: 'an upgrade has no body' })
  if (onlyValue(head, 'sec-websocket-version') !== '13') throw upgradeRefused({ rule: 'Sec-WebSocket-Version must be 13' })
  if (!/^[A-Za-z0-9+/]{22}==$/.test(onlyValue(head, 'sec-websocket-key') ?? ''))
    throw upgradeRefused({ rule: 'Sec-WebSocket-Key must be 16 bytes in base64' })
}

function onlyValue({ headers }: ValidHead, name: string): string | undefined {
  const values = headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === name)
  return values.length === 1 ? values[0] : undefined
}

interface Placed {
  readonly classification: Routed
  readonly verdict: Forwarding
  readonly instance: Instance
}

function place(plane: DataPlane, exchange: Exchange): Placed {
  const adopted = plane.current
  if (adopted === undefined) throw internalError({})
  const classification = classify(plane, exchange, adopted)
  if (!classification.route.websocket) throw upgradeRefused({ rule: 'this route does not allow WebSockets' })
  plane.admission.admit(classification.route, plane.inFlight, plane.clock.monotonicMs())
  const verdict = judge(plane, exchange, classification, adopted)
  exchange.verdict = verdict
  if (verdict.kind === 'refuse') throw verdict.error
  if (verdict.kind === 'hold') throw holdTimeout({ bucket: bucketLabel(exchange), waitedMs: 0 })
  const cell = verdict.kind === 'local' ? plane.selfCell : verdict.cell
  const app = verdict.kind === 'local' ? classification.route.app : GATEWAY_APP
  const instance = plane.directory.pick(cell, app, plane.clock.monotonicMs(), [])
  if (instance === undefined) throw noUpstream({ cell, app, reason: 'every instance is down or its breaker is open' })
  exchange.servedBy = cell
  return { classification, verdict, instance }
}

function handshake(plane: DataPlane, exchange: Exchange, head: ValidHead, { classification, verdict, instance }: Placed): Sending {
  const context = plane.signer.lines(requestContext(plane, exchange, verdict, instance.cell), plane.clock.nowMs())
  return {
    method: 'GET',
    head: upstreamHead(head, context, facts(exchange), undefined, 'connection: upgrade\r\nupgrade: websocket\r\n'),
    body: null,
    contentLength: undefined,
    answerTimeoutMs: classification.route.timeoutMs,
    bodyIdleTimeoutMs: plane.config.upstream.bodyIdleTimeoutMs,
    expectsUpgrade: true
  }
}

/** Ends when the tunnel stands or the instance has declined; that answer is the last of the client's connection. */
class Handshake implements SendingHandler {
  readonly #plane: DataPlane
  readonly #exchange: Exchange
  readonly #placed: Placed
  readonly #done: Done
  #dispatched: Dispatched | undefined

  constructor(plane: DataPlane, exchange: Exchange, placed: Placed, done: Done) {
    this.#plane = plane
    this.#exchange = exchange
    this.#placed = placed
    this.#done = done
  }

  onDispatched(dispatched: Dispatched): void {
    this.#dispatched = dispatched
  }

  /** The client gave up, which says nothing about the instance. */
  abandon(): void {
    this.#dispatched?.abort()
    this.#placed.instance.onAbandoned()
    this.#done()
  }

  onSent(): void {}

  onUpgrade({ statusCode, headers }: UpstreamHead, upstream: Socket, firstOfUpstream: Buffer): void {
    const { instance, classification } = this.#placed
    const handed = this.#exchange.request.handOver()
    this.#exchange.statusCode = statusCode
    this.#exchange.ended = true
    if (handed === undefined) upstream.destroy()
    else {
      const { socket, first } = handed
      const { text } = answerLines(statusCode, [...headers, 'connection', 'Upgrade', 'upgrade', 'websocket', SERVED_BY, instance.cell])
      socket.write(`${text}\r\n`, 'latin1')
      tunnel(this.#plane, this.#exchange, { client: socket, upstream, first, firstOfUpstream, classification, servedBy: instance.cell })
    }
    this.#settle()
  }

  onWhole(declined: UpstreamHead, body: Buffer): void {
    answerWhole(this.#exchange, declined, body, { closing: true })
    this.#settle()
  }

  onHead(declined: UpstreamHead): void {
    answerHead(this.#exchange, declined, { closing: true })
  }

  onData(chunk: Buffer): void {
    const { response } = this.#exchange
    if (response.write(chunk)) return
    this.#dispatched?.pause()
    response.onDrain(() => this.#dispatched?.resume())
  }

  onEnd(): void {
    endAnswer(this.#exchange)
    this.#settle()
  }

  #settle(): void {
    this.#exchange.cancel = undefined
    this.#placed.instance.onSuccess()
    this.#done()
  }

  onError(error: Error): void {
    const { instance, classification } = this.#placed
    this.#exchange.cancel = undefined
    instance.onFailure(this.#plane.clock.monotonicMs())
    this.#done(attemptError(error, instance.cell, 'unknown', classification.route.timeoutMs))
  }
}

import { type CellwayError, isCellwayError } from '@cellway/base'
import type { RequestContext, Verdict } from '@cellway/topology'
import type { DataPlane } from '../data-plane.ts'
import { internalError, noUpstream, upstreamFailed, upstreamTimeout } from '../errors.ts'
import type { ValidHead } from '../http/head.ts'
import { readRequestBody } from '../http/request-body.ts'
import { upstreamHead } from '../http/request-headers.ts'
import { GATEWAY_APP } from '../upstream/directory.ts'
import type { Instance } from '../upstream/instance.ts'
import { Attempt } from './attempt.ts'
import type { Routed } from './classify.ts'
import type { Exchange } from './exchange.ts'

export type Forwarding = Extract<Verdict, { readonly kind: 'local' | 'hop' }>

export type Outcome =
  | { readonly kind: 'answered' }
  /** 421 with the promise that nothing was done. */
  | { readonly kind: 'not-executed' }
  /** Nothing of an answer has reached the client. */
  | { readonly kind: 'failed'; readonly error: CellwayError; readonly sent: 'nothing' | 'unknown' }
  /** No instance has heard of it, and none shall: the client's body broke a rule. */
  | { readonly kind: 'refused'; readonly error: CellwayError }
  | { readonly kind: 'gone' }

/** What is sent, where, and who wants to know what became of it. */
export interface Shipment {
  readonly plane: DataPlane
  readonly exchange: Exchange
  readonly classification: Routed
  readonly verdict: Forwarding
  readonly settle: (outcome: Outcome) => void
}

/**
 * Phase 5: one attempt at one instance. Sent afterwards: nothing if the connection failed, unknown otherwise.
 * Without a body to wait for, it is on its way when this returns.
 * @throws GW_NO_UPSTREAM
 */
export function forward(shipment: Shipment): void {
  const { plane, exchange, classification, verdict, settle } = shipment
  const cell = verdict.kind === 'local' ? plane.selfCell : verdict.cell
  const app = verdict.kind === 'local' ? classification.route.app : GATEWAY_APP
  const instance = pickInstance(plane, exchange, cell, app)
  exchange.servedBy = cell
  const head = exchange.head as ValidHead
  if (exchange.body !== undefined || head.bodyKind === 'none') {
    dispatch(shipment, instance)
    return
  }
  if (head.expectContinue) exchange.response.sendContinue()
  const { replayBytesMax } = plane.config.limits
  readRequestBody(
    exchange.request,
    head,
    { replayBytesMax, bytesMax: classification.route.bodyBytesMax },
    {
      onBody: (body) => {
        exchange.body = body
        try {
          dispatch(shipment, instance)
        } catch (error) {
          settle(refusedFor(error))
        }
      },
      onBodyError: (error) => settle(refusedFor(error))
    }
  )
}

function refusedFor(error: unknown): Outcome {
  return { kind: 'refused', error: isCellwayError(error) ? error : internalError({}, { cause: error }) }
}

function pickInstance(plane: DataPlane, exchange: Exchange, cell: string, app: string): Instance {
  const instance = plane.directory.pick(cell, app, plane.clock.monotonicMs(), exchange.tried)
  if (instance !== undefined) return instance
  const reason = plane.directory.has(cell, app) ? 'every instance is down or its breaker is open' : 'the topology names no instance'
  throw noUpstream({ cell, app, reason })
}

function dispatch({ plane, exchange, classification, verdict, settle }: Shipment, instance: Instance): void {
  if (exchange.gone) {
    settle({ kind: 'gone' })
    return
  }
  exchange.attempts += 1
  exchange.tried.push(instance)
  const head = exchange.head as ValidHead
  const { body } = exchange
  const context = plane.signer.lines(requestContext(plane, exchange, verdict, instance.cell), plane.clock.nowMs())
  const attempt = new Attempt({ plane, exchange, classification, instance, settle })
  const contentLength = body?.kind === 'whole' ? body.bytes.length : body?.kind === 'stream' ? body.contentLength : undefined
  exchange.cancel = canceller(attempt)
  instance.onSend(plane.clock.monotonicMs())
  attempt.onDispatched(
    instance.pool.dispatch(
      {
        method: head.method,
        head: upstreamHead(head, context, facts(exchange), contentLength),
        body: body?.kind === 'whole' ? body.bytes : body?.kind === 'stream' ? body.stream : null,
        contentLength,
        answerTimeoutMs: classification.route.timeoutMs,
        bodyIdleTimeoutMs: head.wantsEvents ? 0 : plane.config.upstream.bodyIdleTimeoutMs,
        expectsUpgrade: false
      },
      attempt
    )
  )
}

/** On its own, because a closure made in `dispatch` would keep alive everything that function holds: measured as 10 MB more per scavenge. */
function canceller(attempt: Attempt): () => void {
  return () => attempt.abandon()
}

/** The context headers of one request, as the next process will see them. */
export function requestContext(plane: DataPlane, exchange: Exchange, verdict: Forwarding, cell: string): RequestContext {
  const hop = verdict.kind === 'hop' ? { count: 1, from: plane.selfCell } : { count: 0, from: undefined }
  const { classification, bucket } = exchange
  if (classification?.kind !== 'bucket') return { cell, space: undefined, bucket: undefined, epoch: undefined, key: undefined, hop }
  return { cell, space: classification.space, bucket, epoch: verdict.epoch, key: classification.key, hop }
}

export function facts(exchange: Exchange): Parameters<typeof upstreamHead>[2] {
  const { encrypted } = exchange.request
  // Behind a hop the entry gateway knows the protocol; it has told us in a header that only it may set.
  const told = exchange.hop === undefined ? undefined : exchange.head?.rebuilt?.get('x-forwarded-proto')
  return {
    clientIp: exchange.clientIp,
    protocol: told === 'https' || (told === undefined && encrypted) ? 'https' : 'http',
    requestId: exchange.requestId
  }
}

/** What went wrong, for the user. Only before `onSent` is it certain that nothing was sent. */
export function attemptError(error: unknown, cell: string, sent: 'nothing' | 'unknown', timeoutMs: number): CellwayError {
  if (isCellwayError(error)) return error
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'UNKNOWN'
  const executed = sent === 'nothing' ? 'no' : 'unknown'
  if (code === 'ANSWER_TIMEOUT' || code === 'BODY_TIMEOUT' || code === 'POOL_TIMEOUT')
    return upstreamTimeout({ cell, timeoutMs, executed }, { cause: error })
  return upstreamFailed({ cell, reason: code, executed }, { cause: error })
}

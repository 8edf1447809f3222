import { isCellwayError } from '@cellway/base'
import type { Verdict } from '@cellway/topology'
import type { Adopted, DataPlane } from './data-plane.ts'
import { internalError, noSnapshot } from './errors.ts'
import { refuse } from './http/answer.ts'
import type { ClientRequest, ClientResponse } from './http/client.ts'
import { classify, type Routed } from './phases/classify.ts'
import { bucketLabel, type Exchange, openExchange } from './phases/exchange.ts'
import { finish } from './phases/finish.ts'
import { type Forwarding, forward, type Outcome } from './phases/forward.ts'
import { judge } from './phases/judge.ts'
import { catchUp, recover } from './phases/recover.ts'
import { validate } from './phases/validate.ts'
import { isUpgrade, upgrade } from './websocket/upgrade.ts'

/**
 * One request from its head to its last byte: validate → classify → (judge → hold | forward → recover)… → finish.
 * An ordinary one is on its way to its instance when this returns, without a promise; whatever has to wait goes on later.
 */
export function handleRequest(plane: DataPlane, request: ClientRequest, response: ClientResponse, wire: 'h1' | 'h2'): void {
  const exchange = openExchange(plane, request, response, wire)
  plane.inFlight += 1
  response.onGone(() => onClientGone(exchange))
  try {
    validate(plane, exchange)
    if (isUpgrade(exchange)) {
      upgrade(plane, exchange, (error) => conclude(plane, exchange, error))
      return
    }
    const adopted = adoptedNow(plane)
    const classification = classify(plane, exchange, adopted)
    plane.admission.admit(classification.route, plane.inFlight, plane.clock.monotonicMs())
    plane.retryBudget.onRequest()
    serve(plane, exchange, adopted, classification)
  } catch (error) {
    conclude(plane, exchange, error)
  }
}

function onClientGone(exchange: Exchange): void {
  if (exchange.ended) return
  exchange.gone = true
  exchange.cancel?.()
}

/** The end of every request, exactly once. @param error why it was not answered by an instance. */
function conclude(plane: DataPlane, exchange: Exchange, error?: unknown): void {
  if (error !== undefined) {
    // Behind a handshake that failed there may be bytes of the protocol that was asked for.
    const closing = plane.draining || isUpgrade(exchange)
    refuse(exchange, isCellwayError(error) ? error : internalError({}, { cause: error }), { closing })
    if (!isCellwayError(error)) plane.log.error({ err: error, requestId: exchange.requestId }, 'request failed by a mistake of ours')
  }
  plane.inFlight -= 1
  finish(plane, exchange)
}

/** One round of the phases 3 to 6; what ends without an answer may come round again. @throws GW_NO_UPSTREAM */
function serve(plane: DataPlane, exchange: Exchange, adopted: Adopted, classification: Routed): void {
  const verdict = judge(plane, exchange, classification, adopted)
  exchange.verdict = verdict
  if (verdict.kind === 'local' || verdict.kind === 'hop') send(plane, exchange, classification, verdict)
  else goOn(plane, exchange, waitForVerdict(plane, exchange, adopted, verdict))
}

function send(plane: DataPlane, exchange: Exchange, classification: Routed, verdict: Forwarding): void {
  const counted = classification.kind === 'bucket' && classification.operation === 'write' ? bucketLabel(exchange) : undefined
  if (counted !== undefined) countWrite(plane, counted, 1)
  const settle = (outcome: Outcome): void => {
    if (counted !== undefined) countWrite(plane, counted, -1)
    if (outcome.kind === 'answered' || outcome.kind === 'gone') conclude(plane, exchange)
    else goOn(plane, exchange, recoverFrom(plane, exchange, outcome))
  }
  try {
    forward({ plane, exchange, classification, verdict, settle })
  } catch (error) {
    // Nothing was dispatched, so nobody will settle it.
    if (counted !== undefined) countWrite(plane, counted, -1)
    throw error
  }
}

type Next = 'again' | 'done'

/** @throws why the request is given up */
async function waitForVerdict(
  plane: DataPlane,
  exchange: Exchange,
  adopted: Adopted,
  verdict: Extract<Verdict, { readonly kind: 'refuse' | 'hold' }>
): Promise<Next> {
  if (verdict.kind === 'hold') await holdWrite(plane, exchange)
  else if (!(await catchUp(plane, exchange, adopted))) throw verdict.error
  return 'again'
}

/** @throws why the request is given up */
async function recoverFrom(plane: DataPlane, exchange: Exchange, outcome: Outcome): Promise<Next> {
  const recovery = await recover(plane, exchange, outcome)
  if (recovery.kind === 'give-up') throw recovery.error
  return recovery.kind
}

/** How a request goes on after it had to wait. */
function goOn(plane: DataPlane, exchange: Exchange, waiting: Promise<Next>): void {
  waiting.then(
    (next) => {
      if (next === 'done' || exchange.gone) conclude(plane, exchange)
      else serveAgain(plane, exchange)
    },
    (error: unknown) => conclude(plane, exchange, error)
  )
}

/** Judged anew by the newest snapshot: what was true before a hold or a 421 need not be true now. */
function serveAgain(plane: DataPlane, exchange: Exchange): void {
  try {
    const adopted = adoptedNow(plane)
    serve(plane, exchange, adopted, classify(plane, exchange, adopted))
  } catch (error) {
    conclude(plane, exchange, error)
  }
}

/** A snapshot, once adopted, is only ever replaced. @throws GW_NO_SNAPSHOT */
function adoptedNow(plane: DataPlane): Adopted {
  if (plane.current === undefined) throw noSnapshot({})
  return plane.current
}

async function holdWrite(plane: DataPlane, exchange: Exchange): Promise<void> {
  const startedMs = plane.clock.monotonicMs()
  let outcome: string = 'refused'
  try {
    outcome = await plane.hold.wait(bucketLabel(exchange), exchange.heldMs, (cancel) => {
      exchange.cancel = cancel
    })
  } finally {
    const waitedMs = plane.clock.monotonicMs() - startedMs
    exchange.heldMs += waitedMs
    exchange.cancel = undefined
    plane.metrics.onHeld(outcome, waitedMs / 1000)
  }
}

function countWrite(plane: DataPlane, bucket: string, step: 1 | -1): void {
  const count = (plane.inFlightWrites.get(bucket) ?? 0) + step
  if (count === 0) plane.inFlightWrites.delete(bucket)
  else plane.inFlightWrites.set(bucket, count)
}

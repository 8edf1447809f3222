import { isCellwayError } from '@cellway/base'
import type { Adopted, DataPlane } from './data-plane.ts'
import { internalError, noSnapshot } from './errors.ts'
import { refuse } from './http/answer.ts'
import type { ClientRequest } from './http/request-body.ts'
import { classify, type Routed } from './phases/classify.ts'
import { bucketLabel, type ClientResponse, type Exchange } from './phases/exchange.ts'
import { finish } from './phases/finish.ts'
import { forward } from './phases/forward.ts'
import { judge } from './phases/judge.ts'
import { catchUp, recover } from './phases/recover.ts'
import { validate } from './phases/validate.ts'

/** One request from its head to its last byte: validate → classify → (judge → hold | forward → recover)… → finish. */
export async function handleRequest(plane: DataPlane, request: ClientRequest, response: ClientResponse, wire: 'h1' | 'h2'): Promise<void> {
  const exchange = openExchange(plane, request, response, wire)
  plane.inFlight += 1
  response.once('close', () => onClientClosed(exchange))
  try {
    // Without a pause from the head to the routing decision: node may already hold the next request of this connection in its
    // buffer, and a refusal has to be known before that one is looked at.
    validate(plane, exchange)
    const adopted = adoptedNow(plane)
    const classification = classify(plane, exchange, adopted)
    plane.admission.admit(classification.route, plane.inFlight, plane.clock.monotonicMs())
    plane.retryBudget.onRequest()
    await serve(plane, exchange, adopted, classification)
  } catch (error) {
    refuse(exchange, isCellwayError(error) ? error : internalError({}, { cause: error }), { closing: plane.draining })
    if (!isCellwayError(error)) plane.log.error({ err: error, requestId: exchange.requestId }, 'request failed by a mistake of ours')
  } finally {
    plane.inFlight -= 1
    finish(plane, exchange)
  }
}

export function openExchange(plane: DataPlane, request: ClientRequest, response: ClientResponse, wire: 'h1' | 'h2'): Exchange {
  plane.nextRequest = (plane.nextRequest + 1) % 0x7fffffff
  return {
    request,
    response,
    wire,
    startedMs: plane.clock.monotonicMs(),
    requestId: `${plane.config.member}-${process.pid.toString(36)}-${plane.nextRequest.toString(36)}`,
    clientIp: '',
    head: undefined,
    hop: undefined,
    classification: undefined,
    bucket: undefined,
    verdict: undefined,
    judgedVersion: 0,
    body: undefined,
    tried: [],
    attempts: 0,
    rejudged: 0,
    heldMs: 0,
    sent: 'nothing',
    error: undefined,
    statusCode: 0,
    servedBy: undefined,
    ended: false,
    gone: false,
    cancel: undefined
  }
}

function onClientClosed(exchange: Exchange): void {
  if (exchange.ended) return
  exchange.gone = true
  exchange.cancel?.()
}

/** Phases 3 to 6, round and round until somebody has answered. */
async function serve(plane: DataPlane, exchange: Exchange, first: Adopted, placed: Routed): Promise<void> {
  let adopted = first
  let classification = placed
  while (!exchange.gone) {
    // Judged anew each time round, by the newest snapshot: what was true before a hold or a 421 need not be true now.
    if (adopted !== plane.current) {
      adopted = adoptedNow(plane)
      classification = classify(plane, exchange, adopted)
    }
    const verdict = judge(plane, exchange, classification, adopted)
    exchange.verdict = verdict
    if (verdict.kind === 'refuse') {
      if (await catchUp(plane, exchange, adopted)) continue
      throw verdict.error
    }
    if (verdict.kind === 'hold') {
      await holdWrite(plane, exchange)
      continue
    }
    const counted = classification.kind === 'bucket' && classification.operation === 'write' ? bucketLabel(exchange) : undefined
    countWrite(plane, counted, 1)
    let outcome: Awaited<ReturnType<typeof forward>>
    try {
      outcome = await forward(plane, exchange, classification, verdict)
    } finally {
      countWrite(plane, counted, -1)
    }
    if (outcome.kind === 'answered') return
    const recovery = await recover(plane, exchange, outcome)
    if (recovery.kind === 'give-up') throw recovery.error
    if (recovery.kind === 'done') return
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

function countWrite(plane: DataPlane, bucket: string | undefined, step: 1 | -1): void {
  if (bucket === undefined) return
  const count = (plane.inFlightWrites.get(bucket) ?? 0) + step
  if (count === 0) plane.inFlightWrites.delete(bucket)
  else plane.inFlightWrites.set(bucket, count)
}

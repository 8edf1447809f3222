import type { CellwayError } from '@cellway/base'
import { bucketView } from '@cellway/topology'
import type { Adopted, DataPlane } from '../data-plane.ts'
import { notOwnerHere, ownerUnsettled } from '../errors.ts'
import { bucketLabel, type Exchange } from './exchange.ts'
import type { Outcome } from './forward.ts'

export type Recovery =
  | { readonly kind: 'done' }
  /** Judge again under the newest snapshot, then send. */
  | { readonly kind: 'again' }
  | { readonly kind: 'give-up'; readonly error: CellwayError }

/** Judgements of one request after 421s: the owner may move while we ask, but not for ever. */
const REJUDGED_MAX = 3

/** Methods that change nothing by definition (RFC 9110 9.2.1), so that sending them twice is harmless. */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PROPFIND', 'REPORT', 'QUERY'])

/** Phase 6: may it be sent again? Only what has certainly had no effect, or never has one, and whose body is still at hand. */
export async function recover(plane: DataPlane, exchange: Exchange, outcome: Outcome): Promise<Recovery> {
  if (outcome.kind === 'answered' || outcome.kind === 'gone' || exchange.gone) return { kind: 'done' }
  if (outcome.kind === 'refused') return { kind: 'give-up', error: outcome.error }
  if (outcome.kind === 'not-executed') {
    // Behind a hop only the gateway that sent it may choose another cell; it gets the 421 and judges again.
    return exchange.hop === undefined ? rejudge(plane, exchange) : { kind: 'give-up', error: notOwnerHere({ cell: plane.selfCell }) }
  }
  if (exchange.response.begun) return { kind: 'done' }
  // An instance that was too slow once would only get more to do, and the client would wait several times the route's timeout.
  const isLate = outcome.error.code === 'GW_UPSTREAM_TIMEOUT'
  const repeatable = !isLate && (outcome.sent === 'nothing' || SAFE_METHODS.has(exchange.head?.method ?? ''))
  if (
    !repeatable ||
    !bodyAtHand(exchange, outcome.sent) ||
    outcome.error.origin === 'client' ||
    exchange.attempts >= plane.config.retry.attemptsMax
  ) {
    return { kind: 'give-up', error: outcome.error }
  }
  if (!plane.retryBudget.take()) {
    plane.metrics.onRetry('budget-empty')
    return { kind: 'give-up', error: outcome.error }
  }
  plane.metrics.onRetry(outcome.sent === 'nothing' ? 'not-sent' : 'safe-method')
  return { kind: 'again' }
}

/** A stream can be sent once; it is still whole only if no attempt has begun. */
function bodyAtHand(exchange: Exchange, sent: 'nothing' | 'unknown'): boolean {
  return exchange.body?.kind !== 'stream' || (sent === 'nothing' && !exchange.body.stream.destroyed)
}

async function rejudge(plane: DataPlane, exchange: Exchange): Promise<Recovery> {
  exchange.sent = 'nothing'
  const unsettled = (): Recovery => ({ kind: 'give-up', error: ownerUnsettled({ attempts: exchange.rejudged }) })
  if (exchange.rejudged >= REJUDGED_MAX || !bodyAtHand(exchange, 'unknown')) return give(plane, unsettled())
  exchange.rejudged += 1
  exchange.tried.length = 0
  if ((plane.current?.snapshot.version ?? 0) > exchange.judgedVersion) return give(plane, { kind: 'again' })
  // We were judging by the newest snapshot we have, so the other side knows more: wait for it to reach us.
  try {
    return give(plane, (await settled(plane, exchange)) === 'gone' ? { kind: 'done' } : { kind: 'again' })
  } catch {
    return give(plane, unsettled())
  }
}

/**
 * A hop that we refuse as not ours, while its sender knows a later epoch of the bucket: that snapshot is on its way to us too.
 * @returns whether a newer one has come, so that the request is judged again; otherwise the refusal stands.
 */
export async function catchUp(plane: DataPlane, exchange: Exchange, { compiled }: Adopted): Promise<boolean> {
  const { classification, hop } = exchange
  if (hop?.epoch === undefined || classification?.kind !== 'bucket' || exchange.rejudged >= REJUDGED_MAX) return false
  if (hop.epoch <= bucketView(compiled, classification.spaceIndex, classification.bucketIndex).epoch) return false
  exchange.rejudged += 1
  return settled(plane, exchange).then(
    () => true,
    () => false
  )
}

async function settled(plane: DataPlane, exchange: Exchange): Promise<'released' | 'gone'> {
  try {
    return await plane.settle.wait(bucketLabel(exchange), 0, (cancel) => {
      exchange.cancel = cancel
    })
  } finally {
    exchange.cancel = undefined
  }
}

function give(plane: DataPlane, recovery: Recovery): Recovery {
  plane.metrics.onRejudged(recovery.kind)
  return recovery
}

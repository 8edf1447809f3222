import { verifyContext } from '@cellway/topology'
import type { DataPlane } from '../data-plane.ts'
import { headerForbidden, hopInvalid, noSnapshot } from '../errors.ts'
import { clientAddress } from '../http/client-ip.ts'
import { type ValidHead, validateHead } from '../http/head.ts'
import { usableRequestId } from '../http/request-headers.ts'
import type { Exchange, VerifiedHop } from './exchange.ts'

/** Phase 1: nothing ambiguous gets past here. Sent so far: nothing. @throws the refusals of `validateHead`, GW_HOP_INVALID, GW_NO_SNAPSHOT */
export function validate(plane: DataPlane, exchange: Exchange): void {
  const { request, wire } = exchange
  const { method, target, version, rawHeaders, bodyFollows } = request
  const head = validateHead({ method, target, version, wire, rawHeaders, bodyFollows }, plane.config.limits)
  request.accept(head)
  exchange.head = head
  exchange.hop = verifyHop(plane, head)
  // Behind a verified hop the other gateway has already found out who the client is.
  const forwardedFor = head.rebuilt?.get('x-forwarded-for')
  const { peer } = request
  exchange.clientIp = exchange.hop === undefined ? clientAddress(peer, forwardedFor, plane.trustedProxies) : (forwardedFor ?? peer)
  exchange.requestId = usableRequestId(head.rebuilt?.get('x-request-id')) ?? exchange.requestId
  if (plane.current === undefined) throw noSnapshot({})
}

/**
 * A request from another cell's gateway carries a signed context with hop count 1. Internal headers without a hop are a client's
 * and are dropped; with a hop they must verify, or somebody pretends to be a gateway.
 */
function verifyHop(plane: DataPlane, head: ValidHead): VerifiedHop | undefined {
  const internal = head.internal
  if (internal === undefined || !internal.has('x-cellway-hop') || !internal.has('x-cellway-sig')) return undefined
  for (const [name, value] of internal) if (value === null) throw headerForbidden({ rule: 'given twice', header: name.slice(0, 64) })
  const verified = verifyContext((name) => internal.get(name) ?? undefined, {
    signingKey: plane.signingKey,
    nowSeconds: Math.floor(plane.clock.nowMs() / 1000)
  })
  if (!verified.ok) throw hopInvalid({ reason: verified.reason })
  const { context } = verified
  if (context.hop.count !== 1 || context.cell !== plane.selfCell) throw hopInvalid({ reason: `made for ${context.cell}, hop ${context.hop.count}` })
  return { from: context.hop.from ?? '', space: context.space, bucket: context.bucket, epoch: context.epoch, key: context.key }
}

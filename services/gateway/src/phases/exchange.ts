import type { CellwayError } from '@cellway/base'
import type { Classification, Verdict } from '@cellway/topology'
import type { DataPlane } from '../data-plane.ts'
import type { ClientRequest, ClientResponse } from '../http/client.ts'
import type { ValidHead } from '../http/head.ts'
import type { RequestBody } from '../http/request-body.ts'
import type { Instance } from '../upstream/instance.ts'

/** Why a request that came from another gateway is trusted: its signed context. */
export interface VerifiedHop {
  readonly from: string
  readonly space: string | undefined
  readonly bucket: string | undefined
  /** Of the bucket in the sender's snapshot. */
  readonly epoch: number | undefined
  readonly key: string | undefined
}

/** One request on its way through the phases. Each phase adds what it found; nothing is taken back. */
export interface Exchange {
  readonly request: ClientRequest
  readonly response: ClientResponse
  readonly wire: 'h1' | 'h2'
  readonly startedMs: number
  requestId: string
  clientIp: string
  head: ValidHead | undefined
  hop: VerifiedHop | undefined
  classification: Classification | undefined
  /** Public name of the bucket, if there is one. */
  bucket: string | undefined
  verdict: Verdict | undefined
  /** Version of the snapshot that the verdict stands on. */
  judgedVersion: number
  body: RequestBody | undefined
  readonly tried: Instance[]
  attempts: number
  rejudged: number
  heldMs: number
  /** What the upstream may have received: decides whether anything may be sent again. */
  sent: 'nothing' | 'unknown'
  error: CellwayError | undefined
  statusCode: number
  /** The cell that served it, once known. */
  servedBy: string | undefined
  /** The last byte of the answer has been written by us; node's own flags say so too early on a reset HTTP/2 stream. */
  ended: boolean
  /** The client is gone; whoever waits for it stops. */
  gone: boolean
  /** Ends the phase that waits now (hold, forward). */
  cancel: (() => void) | undefined
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

/** `space/bucket` for logs, metrics and counters; `''` without a bucket. */
export function bucketLabel(exchange: Pick<Exchange, 'classification' | 'bucket'>): string {
  return exchange.classification?.kind === 'bucket' ? `${exchange.classification.space}/${exchange.bucket}` : ''
}

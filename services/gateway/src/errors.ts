import { defineError } from '@cellway/base'

/** Every refusal of the gateway. `docs/errors.md` lists them for users; a test holds both together. */

export const badRequest = defineError<{ rule: string }>({
  code: 'GW_BAD_REQUEST',
  message: 'The request breaks a rule of HTTP that leaves room for two readings',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})
export const headerForbidden = defineError<{ rule: string; header: string }>({
  code: 'GW_HEADER_FORBIDDEN',
  message: 'A header names or imitates one that only Cellway or the connection may set',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})
export const methodNotAllowed = defineError<{ method: string }>({
  code: 'GW_METHOD_REFUSED',
  message: 'This method is not forwarded',
  statusCode: 405,
  origin: 'client',
  retry: 'never'
})
export const expectationFailed = defineError<Record<string, never>>({
  code: 'GW_EXPECTATION_FAILED',
  message: 'Only "Expect: 100-continue" is understood',
  statusCode: 417,
  origin: 'client',
  retry: 'never'
})
export const urlTooLong = defineError<{ bytesMax: number }>({
  code: 'GW_URL_TOO_LONG',
  message: 'The request target is longer than the limit',
  statusCode: 414,
  origin: 'client',
  retry: 'never'
})
export const headersTooLarge = defineError<{ headersMax: number; bytesMax: number }>({
  code: 'GW_HEADERS_TOO_LARGE',
  message: 'There are more headers, or more bytes of headers, than the limit',
  statusCode: 431,
  origin: 'client',
  retry: 'never'
})
export const bodyTooLarge = defineError<{ bytesMax: number }>({
  code: 'GW_BODY_TOO_LARGE',
  message: 'The body is larger than this route allows',
  statusCode: 413,
  origin: 'client',
  retry: 'never'
})
export const versionNotSupported = defineError<{ version: string }>({
  code: 'GW_VERSION_REFUSED',
  message: 'Only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here',
  statusCode: 505,
  origin: 'client',
  retry: 'never'
})
export const requestTimeout = defineError<Record<string, never>>({
  code: 'GW_REQUEST_TIMEOUT',
  message: 'The request did not arrive within the time limit',
  statusCode: 408,
  origin: 'client',
  retry: 'later'
})
export const upgradeRefused = defineError<{ rule: string }>({
  code: 'GW_UPGRADE_REFUSED',
  message: 'This upgrade is not allowed here',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})
export const hopInvalid = defineError<{ reason: string }>({
  code: 'GW_HOP_INVALID',
  message: 'The hop header was not made by a gateway of this installation, or is too old',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})
export const rateLimited = defineError<{ route: string; perSecond: number }>({
  code: 'GW_RATE_LIMITED',
  message: 'This route has a rate limit, and it is used up',
  statusCode: 429,
  origin: 'client',
  retry: 'later'
})
export const overloaded = defineError<{ priority: string; reason: string }>({
  code: 'GW_OVERLOADED',
  message: 'The gateway sheds requests of this priority because it is overloaded',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})
export const noSnapshot = defineError<Record<string, never>>({
  code: 'GW_NO_SNAPSHOT',
  message: 'No topology has been received yet',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})
export const holdFull = defineError<{ bucket: string; heldMax: number }>({
  code: 'GW_HOLD_FULL',
  message: 'The bucket is moving, and the queue of held writes is full',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})
export const holdTimeout = defineError<{ bucket: string; waitedMs: number }>({
  code: 'GW_HOLD_TIMEOUT',
  message: 'The bucket has been moving for longer than a write is held',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})
export const ownerUnsettled = defineError<{ attempts: number }>({
  code: 'GW_OWNER_UNSETTLED',
  message: 'The owner said it does not own this bucket, and no newer topology arrived in time',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})
export const notOwnerHere = defineError<{ cell: string }>({
  code: 'GW_NOT_OWNER',
  message: 'The app of this cell refused the request as not its own, and did nothing',
  statusCode: 421,
  origin: 'operator',
  retry: 'after-change'
})
export const noUpstream = defineError<{ cell: string; app: string; reason: string }>({
  code: 'GW_NO_UPSTREAM',
  message: 'No healthy instance can take this request',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})
export const upstreamFailed = defineError<{ cell: string; reason: string; executed: 'no' | 'unknown' }>({
  code: 'GW_UPSTREAM_FAILED',
  message: 'The instance failed before it answered',
  statusCode: 502,
  origin: 'operator',
  retry: 'later'
})
export const upstreamTimeout = defineError<{ cell: string; timeoutMs: number; executed: 'no' | 'unknown' }>({
  code: 'GW_UPSTREAM_TIMEOUT',
  message: 'The instance did not answer in time',
  statusCode: 504,
  origin: 'operator',
  retry: 'later'
})
export const upstreamInvalid = defineError<{ cell: string; rule: string }>({
  code: 'GW_UPSTREAM_INVALID',
  message: 'The instance answered with something that is not safe to pass on',
  statusCode: 502,
  origin: 'operator',
  retry: 'never'
})
export const draining = defineError<Record<string, never>>({
  code: 'GW_DRAINING',
  message: 'This gateway is shutting down; connect again to reach another one',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})
export const internalError = defineError<Record<string, never>>({
  code: 'GW_INTERNAL',
  message: 'The gateway made a mistake; the log has the request id',
  statusCode: 500,
  origin: 'internal',
  retry: 'later'
})
export const configInvalid = defineError<{ problems: readonly string[] }>({
  code: 'GW_CONFIG_INVALID',
  message: 'The configuration of the gateway is not valid',
  statusCode: 500,
  origin: 'operator',
  retry: 'after-change'
})

import { defineError } from '@cellway/base'

export const configInvalid = defineError<{ problems: readonly string[] }>({
  code: 'CTR_CONFIG_INVALID',
  message: 'The configuration of the center is wrong',
  statusCode: 500,
  origin: 'operator',
  retry: 'after-change'
})

export const tokenMissing = defineError<Record<string, never>>({
  code: 'CTR_TOKEN_MISSING',
  message: 'The call needs a bearer token',
  statusCode: 401,
  origin: 'client',
  retry: 'never'
})

export const tokenInvalid = defineError<Record<string, never>>({
  code: 'CTR_TOKEN_INVALID',
  message: 'The center does not know the token',
  statusCode: 401,
  origin: 'operator',
  retry: 'after-change'
})

export const forbidden = defineError<{ name: string; what: string; needed: string }>({
  code: 'CTR_FORBIDDEN',
  message: 'The token may not do this: a cell writes its own streams and speaks for its own readers',
  statusCode: 403,
  origin: 'client',
  retry: 'never'
})

export const callUnknown = defineError<{ method: string; path: string }>({
  code: 'CTR_CALL_UNKNOWN',
  message: 'The center has no such call',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const requestInvalid = defineError<{ problem: string }>({
  code: 'CTR_REQUEST_INVALID',
  message: 'The center cannot read the call',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const overloaded = defineError<{ what: 'uploads' | 'reads' | 'reports'; limit: number }>({
  code: 'CTR_OVERLOADED',
  message: 'The center serves as many of these as it may',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** Else what the older link still holds would come in behind what the newer one brings. */
export const superseded = defineError<{ stream: string }>({
  code: 'CTR_SUPERSEDED',
  message: 'The same writer has opened a newer link to the stream',
  statusCode: 409,
  origin: 'client',
  retry: 'later'
})

export const stopping = defineError<Record<string, never>>({
  code: 'CTR_STOPPING',
  message: 'The center is stopping',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const internal = defineError<{ requestId: string }>({
  code: 'CTR_INTERNAL',
  message: 'The center failed at this call; its log has the cause under the request id',
  statusCode: 500,
  origin: 'internal',
  retry: 'later'
})

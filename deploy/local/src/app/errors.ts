import { defineError } from '@cellway/base'

export const configInvalid = defineError<{ file: string; problems: readonly string[] }>({
  code: 'APP_CONFIG_INVALID',
  message: 'The configuration file of the application is not usable',
  statusCode: 500,
  origin: 'operator',
  retry: 'after-change'
})

/** Answered with 421 and `x-cellway-not-executed: 1`: nothing was done, the gateway may judge the request again. */
export const noContext = defineError<{ reason: string; hint: string }>({
  code: 'APP_NO_CONTEXT',
  message: 'This data is served only to requests with a verified Cellway context',
  statusCode: 421,
  origin: 'client',
  retry: 'after-change'
})

/** Answered with 421 and `x-cellway-not-executed: 1`. */
export const wrongCell = defineError<{ cell: string; wanted: string }>({
  code: 'APP_WRONG_CELL',
  message: 'The request is addressed to another cell',
  statusCode: 421,
  origin: 'operator',
  retry: 'later'
})

/** Answered with 421 and `x-cellway-not-executed: 1`: the store's fence refused, the transaction was rolled back. */
export const notOwner = defineError<{ fence: string }>({
  code: 'APP_NOT_OWNER',
  message: 'This cell does not own the data',
  statusCode: 421,
  origin: 'operator',
  retry: 'later'
})

export const keyMismatch = defineError<{ routedBy: string; requested: string; fix: string }>({
  code: 'APP_KEY_MISMATCH',
  message: 'The request was routed by another key than the data it asks for',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const notFound = defineError<{ what: string; id: string }>({
  code: 'APP_NOT_FOUND',
  message: 'There is no such thing',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const noSuchRoute = defineError<{ method: string; path: string }>({
  code: 'APP_NO_ROUTE',
  message: 'The application has no such path',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const invalidRequest = defineError<{ problem: string }>({
  code: 'APP_INVALID',
  message: 'The request does not fit its schema',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const unknownProduct = defineError<{ productId: string }>({
  code: 'APP_UNKNOWN_PRODUCT',
  message: 'The order names a product that does not exist',
  statusCode: 422,
  origin: 'client',
  retry: 'never'
})

export const stockTooLow = defineError<{ productId: string; available: number; delta: number }>({
  code: 'APP_STOCK_TOO_LOW',
  message: 'There is not enough stock',
  statusCode: 409,
  origin: 'client',
  retry: 'after-change'
})

/** Answered with 503 and `x-cellway-not-executed: 1`: another instance takes it. */
export const draining = defineError<Record<string, never>>({
  code: 'APP_DRAINING',
  message: 'This instance is about to stop',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const storeUnavailable = defineError<{ store: string; reason: string }>({
  code: 'APP_STORE_UNAVAILABLE',
  message: 'A store of this cell does not answer; the outcome of a write is unknown',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const internalError = defineError<Record<string, never>>({
  code: 'APP_INTERNAL',
  message: 'The application failed; the log has the cause',
  statusCode: 500,
  origin: 'internal',
  retry: 'later'
})

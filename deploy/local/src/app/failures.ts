import { type CellwayError, isCellwayError } from '@cellway/base'
import { NOT_EXECUTED_HEADER } from '@cellway/topology'
import type { FastifyInstance } from 'fastify'
import { internalError, invalidRequest, noSuchRoute, notOwner, storeUnavailable } from './errors.ts'

/** Codes of mysql2 and of sockets that mean: the store, not the request, is the problem. */
const UNAVAILABLE = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|PROTOCOL_|POOL_|ER_CON_COUNT_ERROR|ER_SERVER_SHUTDOWN|ER_LOCK_WAIT_TIMEOUT)/

/** Every error leaves in one shape: `{error: {code, message, retry, details}, servedBy}`. */
export function installFailures(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => {
    const failure = noSuchRoute({ method: request.method, path: request.url })
    return reply.status(failure.statusCode).send({ error: failure })
  })
  app.setErrorHandler((error, request, reply) => {
    const failure = toFailure(error)
    if (failure.statusCode >= 500) request.log.error({ err: error, code: failure.code }, 'request failed')
    if (failure.code === notOwner.definition.code) reply.header(NOT_EXECUTED_HEADER, '1')
    return reply.status(failure.statusCode).send({ error: failure })
  })
}

function toFailure(error: unknown): CellwayError {
  if (isCellwayError(error)) return error
  if (!(error instanceof Error)) return internalError({}, { cause: error })
  if ('validation' in error) return invalidRequest({ problem: error.message })
  // The fence in the database refuses with SQLSTATE 45000; each handler writes to one store once, so nothing was done.
  if (error.message.startsWith('CELLWAY_NOT_OWNER')) return notOwner({ fence: error.message })
  if (isStoreFailure(error)) return storeUnavailable({ store: isRedisFailure(error) ? 'redis' : 'mysql', reason: error.message }, { cause: error })
  if ('statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500) return invalidRequest({ problem: error.message })
  return internalError({}, { cause: error })
}

function isStoreFailure(error: Error): boolean {
  return (
    isRedisFailure(error) ||
    error.message === 'Queue limit reached.' ||
    ('code' in error && typeof error.code === 'string' && UNAVAILABLE.test(error.code))
  )
}

function isRedisFailure(error: Error): boolean {
  return error.name === 'MaxRetriesPerRequestError' || error.message === 'Command timed out' || error.message === 'Connection is closed.'
}

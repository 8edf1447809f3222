import { type CellwayError, isCellwayError } from '@cellway/base'
import type { FastifyError } from 'fastify'
import { internal, requestInvalid } from '../errors.ts'

/** Every failure as one of ours; what we did not expect becomes a sentence without content. */
export function asCellwayError(error: unknown, requestId: string): CellwayError {
  if (isCellwayError(error)) return error
  if (isFastifyError(error)) {
    if (error.validation !== undefined) {
      const [finding] = error.validation
      const problem = `${error.validationContext ?? 'request'}${finding?.instancePath ?? ''} ${finding?.message ?? 'does not fit'}`
      return requestInvalid({ problem })
    }
    const status = error.statusCode ?? 500
    if (status >= 400 && status < 500) return requestInvalid({ problem: error.code })
  }
  return internal({ requestId }, { cause: error })
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'code' in error && ('statusCode' in error || 'validation' in error)
}

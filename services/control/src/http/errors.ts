import { type CellwayError, isCellwayError } from '@cellway/base'
import type { FastifyError, FastifyRequest } from 'fastify'
import { bodyTooLarge, internal, mediaTypeUnknown, requestInvalid } from '../errors.ts'

/** Every failure as one of ours; what we did not expect becomes a sentence without content. */
export function asCellwayError(error: unknown, request: FastifyRequest): CellwayError {
  if (isCellwayError(error)) return error
  if (!isFastifyError(error)) return internal({ requestId: request.id }, { cause: error })
  if (error.validation !== undefined)
    return requestInvalid({
      problems: error.validation.map((finding) => ({ path: pathOf(error.validationContext, finding), problem: finding.message ?? 'does not fit' }))
    })
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return bodyTooLarge({ bytesMax: request.routeOptions.bodyLimit ?? 0 })
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return mediaTypeUnknown({ wanted: 'application/json' })
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500) return requestInvalid({ problems: [{ path: 'body', problem: 'it is not JSON that this call can read' }] })
  return internal({ requestId: request.id }, { cause: error })
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'code' in error && ('statusCode' in error || 'validation' in error)
}

/** `/changes/0/owner` → `body.changes[0].owner`. */
function pathOf(context: string | undefined, finding: { instancePath: string; params?: Record<string, unknown> }): string {
  const inside = finding.instancePath
    .split('/')
    .slice(1)
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part.replaceAll('~1', '/').replaceAll('~0', '~')}`))
    .join('')
  const unknown = typeof finding.params?.additionalProperty === 'string' ? `.${finding.params.additionalProperty.slice(0, 64)}` : ''
  return `${context ?? 'request'}${inside}${unknown}`
}

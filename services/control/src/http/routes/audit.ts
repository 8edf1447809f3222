import type { FastifyInstance } from 'fastify'
import { readAudit, verifyAudit } from '../../audit/audit-log.ts'
import type { ControlParts } from '../../parts.ts'
import { VIEWERS } from '../access.ts'
import { AUDIT_RECORD, array, COUNT, object, QUERY_NUMBER, responses, TEXT } from '../schemas.ts'

const RECORDS_DEFAULT = 100
const RECORDS_MAX = 500

export function addAuditRoutes(app: FastifyInstance, { store }: ControlParts): void {
  app.get<{ Querystring: { after?: string; limit?: string } }>(
    '/v1/audit',
    {
      config: { access: VIEWERS },
      schema: {
        summary: 'The audit log in order; next is the `after` of the following page',
        querystring: object({ after: QUERY_NUMBER, limit: QUERY_NUMBER }, ['after', 'limit']),
        response: responses({ 200: object({ records: array(AUDIT_RECORD), next: { type: ['integer', 'null'] } }) })
      }
    },
    async (request) => {
      const limit = Math.min(RECORDS_MAX, Math.max(1, Number(request.query.limit ?? RECORDS_DEFAULT)))
      return readAudit(store, { after: Number(request.query.after ?? 0), limit })
    }
  )

  app.get(
    '/v1/audit/verify',
    {
      config: { access: VIEWERS },
      schema: {
        summary: 'Walks the hash chain of the audit log and names the first broken link',
        response: responses({
          200: object(
            { ok: { type: 'boolean' }, records: COUNT, head: object({ seq: COUNT, hash: TEXT }), broken: object({ seq: COUNT, problem: TEXT }) },
            ['head', 'broken']
          )
        })
      }
    },
    async () => verifyAudit(store)
  )
}

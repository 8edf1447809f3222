import type { FastifyInstance } from 'fastify'
import type { ControlParts } from '../../parts.ts'
import type { ReplicatorReport } from '../../reports.ts'
import { AGENTS, checkCell } from '../access.ts'
import { REPLICATOR_STATUS, REPORT_BODY_BYTES_MAX } from '../report-schemas.ts'
import { COUNT, MEMBER, NAME, object, responses } from '../schemas.ts'

export function addReportRoutes(app: FastifyInstance, { state, reports, clock }: ControlParts): void {
  app.post<{ Body: ReplicatorReport }>(
    '/v1/reports',
    {
      config: { access: AGENTS },
      bodyLimit: REPORT_BODY_BYTES_MAX,
      schema: {
        summary: 'A replicator tells how it is, each second, and where it takes commands',
        body: object({
          kind: { const: 'replicator' },
          member: MEMBER,
          cell: NAME,
          adminUrl: { type: 'string', pattern: '^https?://[A-Za-z0-9.:\\[\\]-]{1,300}$' },
          adminSecret: { type: 'string', pattern: '^[\\w-]{32,128}$' },
          status: REPLICATOR_STATUS
        }),
        response: responses({ 200: object({ version: COUNT }) })
      }
    },
    async (request) => {
      checkCell(request, request.body.cell)
      reports.received(request.body, clock.nowMs())
      return { version: state.published()?.snapshot.version ?? 0 }
    }
  )
}

import { explain, parseCellId, type RoutingQuestion, routingRequestOf } from '@cellway/topology'
import type { FastifyInstance } from 'fastify'
import { cellUnknown, noTopology } from '../../errors.ts'
import type { ControlParts } from '../../parts.ts'
import { VIEWERS } from '../access.ts'
import { array, NAME, OPEN, object, responses, type Schema } from '../schemas.ts'

const HEADERS_MAX = 200
const HEADER: Schema = { type: 'string', maxLength: 16_384 }
const EXPLAIN_BODY = object(
  {
    method: { type: 'string', pattern: '^[A-Za-z]{1,20}$' },
    url: { type: 'string', minLength: 1, maxLength: 8192, description: 'Path with query, or a whole URL' },
    headers: {
      oneOf: [
        array(array(HEADER, { minItems: 2, maxItems: 2 }), { maxItems: HEADERS_MAX }),
        { type: 'object', additionalProperties: HEADER, maxProperties: HEADERS_MAX }
      ]
    },
    clientIp: { type: 'string', maxLength: 45 },
    cell: { ...NAME, description: 'The cell whose gateway gets the request; the first one if absent' }
  },
  ['headers', 'clientIp', 'cell']
)

export function addRoutingRoutes(app: FastifyInstance, { state }: ControlParts): void {
  app.post<{ Body: RoutingQuestion & { readonly cell?: string } }>(
    '/v1/route/explain',
    {
      config: { access: VIEWERS },
      schema: {
        summary: 'Which rule, key, bucket, owner and upstream a request would get, and why',
        body: EXPLAIN_BODY,
        response: responses({ 200: OPEN })
      }
    },
    async (request) => {
      const published = state.published()
      if (published === undefined) throw noTopology({ version: 0 })
      const cells = Object.keys(published.snapshot.topology.cells)
      const wanted = request.body.cell ?? cells[0] ?? ''
      const selfCell = Object.keys(published.snapshot.topology.cells).find((cell) => cell === wanted)
      if (selfCell === undefined) throw cellUnknown({ cell: wanted, known: cells })
      return explain(published.compiled(), routingRequestOf(request.body), { selfCell: parseCellId(selfCell) })
    }
  )
}

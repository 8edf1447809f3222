import type { LedgerEntry } from '@cellway/topology'
import type { FastifyInstance } from 'fastify'
import type { ControlParts } from '../../parts.ts'
import { type LedgerChange, planLedgerChanges } from '../../state/change-ledger.ts'
import { OPERATORS, VIEWERS } from '../access.ts'
import { runCommand } from '../command-context.ts'
import {
  array,
  COUNT,
  IDEMPOTENCY_HEADERS,
  LEDGER_BODY_BYTES_MAX,
  LEDGER_CHANGES,
  LEDGER_ENTRY,
  NAME,
  object,
  QUERY_NUMBER,
  REASON,
  responses
} from '../schemas.ts'

const BUCKETS_DEFAULT = 10_000

interface BucketQuery {
  readonly space?: string
  readonly owner?: string
  readonly state?: string
  readonly limit?: string
}

export function addLedgerRoutes(app: FastifyInstance, { state, commands }: ControlParts): void {
  app.get<{ Querystring: BucketQuery }>(
    '/v1/buckets',
    {
      config: { access: VIEWERS },
      schema: {
        summary: 'Rows of the ledger; total counts those that fit, also beyond the limit',
        querystring: object({ space: NAME, owner: NAME, state: { enum: ['owned', 'moving', 'frozen'] }, limit: QUERY_NUMBER }, [
          'space',
          'owner',
          'state',
          'limit'
        ]),
        response: responses({ 200: object({ version: COUNT, total: COUNT, buckets: array(LEDGER_ENTRY) }) })
      }
    },
    async (request) => {
      const { limit, ...filter } = request.query
      const published = state.published()
      const found = (published?.snapshot.ledger ?? []).filter((entry) => fits(entry, filter))
      return {
        version: published?.snapshot.version ?? 0,
        total: found.length,
        buckets: found.slice(0, limit === undefined ? BUCKETS_DEFAULT : Number(limit))
      }
    }
  )

  app.post<{ Body: { changes: readonly LedgerChange[]; reason: string } }>(
    '/v1/ledger/changes',
    {
      config: { access: OPERATORS, action: 'ledger.change' },
      bodyLimit: LEDGER_BODY_BYTES_MAX,
      schema: {
        summary: 'Change rows of the ledger, all or none; each must be in the expected epoch and gets the next one',
        headers: IDEMPOTENCY_HEADERS,
        body: object({ changes: LEDGER_CHANGES, reason: REASON }),
        response: responses({ 200: object({ version: COUNT, entries: array(LEDGER_ENTRY) }) })
      }
    },
    async (request, reply) => runCommand({ commands, request, reply, plan: (current) => planLedgerChanges(request.body.changes, current) })
  )
}

function fits(entry: LedgerEntry, { space, owner, state }: BucketQuery): boolean {
  return (
    (space === undefined || entry.space === space) &&
    (owner === undefined || entry.owner === owner) &&
    (state === undefined || entry.state.kind === state)
  )
}

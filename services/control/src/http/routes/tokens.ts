import type { FastifyInstance } from 'fastify'
import type { ControlParts } from '../../parts.ts'
import { describeToken, ROLES } from '../../tokens/token.ts'
import { type NewToken, planCreateToken, planDeleteToken } from '../../tokens/token-commands.ts'
import { ADMINS } from '../access.ts'
import { commandContext, runCommand } from '../command-context.ts'
import { array, IDEMPOTENCY_HEADERS, NAME, NEW_TOKEN, object, REASON, responses, TEXT, TOKEN } from '../schemas.ts'

const EXPIRES_SECONDS_MAX = 10 * 366 * 24 * 3600

export function addTokenRoutes(app: FastifyInstance, { tokens, commands, clock }: ControlParts): void {
  app.get(
    '/v1/tokens',
    {
      config: { access: ADMINS },
      schema: { summary: 'All tokens, without their secrets', response: responses({ 200: object({ tokens: array(TOKEN) }) }) }
    },
    async () => ({
      tokens: tokens
        .all()
        .map(describeToken)
        .sort((left, right) => (left.createdAt < right.createdAt ? -1 : 1))
    })
  )

  app.post<{ Body: NewToken & { reason?: string } }>(
    '/v1/tokens',
    {
      config: { access: ADMINS, action: 'token.create' },
      schema: {
        summary: 'Make a token; its secret is in this answer and nowhere else',
        headers: IDEMPOTENCY_HEADERS,
        body: object(
          {
            name: { type: 'string', minLength: 1, maxLength: 100 },
            role: { enum: ROLES },
            cell: NAME,
            expiresInSeconds: { type: 'integer', minimum: 1, maximum: EXPIRES_SECONDS_MAX },
            reason: REASON
          },
          ['cell', 'expiresInSeconds', 'reason']
        ),
        response: responses({ 201: NEW_TOKEN })
      }
    },
    async (request, reply) => {
      const { actor } = commandContext(request)
      return runCommand({ commands, request, reply, plan: () => planCreateToken(request.body, { actor, nowMs: clock.nowMs() }) })
    }
  )

  app.delete<{ Params: { id: string }; Querystring: { reason?: string } }>(
    '/v1/tokens/:id',
    {
      config: { access: ADMINS, action: 'token.delete' },
      schema: {
        summary: 'Revoke a token; its open streams end within seconds',
        headers: IDEMPOTENCY_HEADERS,
        params: object({ id: { type: 'string', pattern: '^[a-z0-9]{1,32}$' } }),
        querystring: object({ reason: REASON }, ['reason']),
        response: responses({ 200: object({ deleted: TEXT }) })
      }
    },
    async (request, reply) =>
      runCommand({ commands, request, reply, plan: () => planDeleteToken(request.params.id, { tokens, nowMs: clock.nowMs() }) })
  )
}

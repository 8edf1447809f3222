import type { FastifyInstance } from 'fastify'
import type { ControlParts } from '../../parts.ts'
import { OPEN, object, responses, TEXT } from '../schemas.ts'

export function addHealthRoutes(app: FastifyInstance, { notReady }: ControlParts): void {
  app.get(
    '/health/live',
    {
      config: { access: 'public' },
      schema: { summary: 'Whether the process answers at all', response: responses({ 200: object({ status: TEXT }) }) }
    },
    async () => ({ status: 'ok' })
  )

  const ready = object({ ready: { type: 'boolean' }, reason: TEXT }, ['reason'])
  app.get(
    '/health/ready',
    {
      config: { access: 'public' },
      schema: { summary: 'Whether the process takes calls', response: { ...responses({ 200: ready }), 503: { description: 'Not ready', ...ready } } }
    },
    async (_request, reply) => {
      const reason = notReady()
      return reason === undefined ? { ready: true } : reply.code(503).send({ ready: false, reason })
    }
  )

  app.get(
    '/openapi.json',
    { config: { access: 'public' }, schema: { summary: 'This API as an OpenAPI document', response: responses({ 200: OPEN }) } },
    async () => app.swagger()
  )
}

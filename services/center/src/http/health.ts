import type { FastifyInstance } from 'fastify'
import type { CenterParts } from '../parts.ts'

export function addHealthRoutes(app: FastifyInstance, { notReady }: CenterParts): void {
  app.get('/health/live', { config: { public: true } }, async () => ({ status: 'ok' }))
  app.get('/health/ready', { config: { public: true } }, async (_request, reply) => {
    const found = await notReady()
    return found === undefined ? { ready: true } : reply.code(503).send({ ready: false, ...found })
  })
}

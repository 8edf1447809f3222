import type { FastifyReply, FastifyRequest } from 'fastify'
import { type CommandContext, type CommandPlan, type Commands, fingerprintOf } from '../commands.ts'
import { tokenMissing } from '../errors.ts'
import type { Published } from '../state/current.ts'
import { actorOf } from '../tokens/token.ts'

/** Who wants what and why, from an authenticated request. */
export function commandContext(request: FastifyRequest): CommandContext {
  if (request.token === null) throw tokenMissing({})
  const key = headerOf(request, 'idempotency-key')
  const fingerprint = fingerprintOf({ method: request.method, url: request.url, ifMatch: headerOf(request, 'if-match'), body: request.body ?? null })
  return {
    actor: actorOf(request.token),
    action: request.routeOptions.config.action ?? request.method,
    reason: reasonOf(request),
    requestId: request.id,
    ...(key === undefined ? {} : { idempotency: { key, fingerprint } })
  }
}

export async function runCommand(options: {
  commands: Commands
  request: FastifyRequest
  reply: FastifyReply
  plan: (current: Published | undefined) => CommandPlan
}): Promise<FastifyReply> {
  const { commands, request, reply, plan } = options
  const { status, body, replayed } = await commands.run(commandContext(request), plan)
  if (replayed) reply.header('idempotency-replayed', 'true')
  return reply.code(status).send(body)
}

export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

const REASON_MAX = 500

/** Also of requests that did not pass their schema: the attempt is audited anyway. */
function reasonOf(request: FastifyRequest): string | null {
  for (const part of [request.body, request.query]) {
    if (typeof part === 'object' && part !== null && 'reason' in part && typeof part.reason === 'string') return part.reason.slice(0, REASON_MAX)
  }
  return null
}

import type { FastifyInstance } from 'fastify'
import { stopping } from '../../errors.ts'
import { MEMBER_KINDS, type MemberIdentity, type MemberView } from '../../members.ts'
import type { ControlParts } from '../../parts.ts'
import { describeStatus } from '../../status.ts'
import { AGENTS, AGENTS_AND_VIEWERS, checkCell, VIEWERS } from '../access.ts'
import { STATUS } from '../report-schemas.ts'
import { array, COUNT, MEMBER, MEMBER_VIEW, NAME, object, QUERY_NUMBER, responses, TIME } from '../schemas.ts'

const KIND = { enum: MEMBER_KINDS }

export function addMemberRoutes(app: FastifyInstance, { state, members, reports, hub, tokens, clock, notReady }: ControlParts): void {
  const view = (): readonly MemberView[] => members.view(state.published()?.snapshot, clock.nowMs())

  app.get(
    '/v1/status',
    {
      config: { access: VIEWERS },
      schema: { summary: 'Cells with their share, and who has adopted which version', response: responses({ 200: STATUS }) }
    },
    async () => describeStatus({ current: state.published(), members: view(), reports: reports.all(clock.nowMs()), nowMs: clock.nowMs() })
  )

  app.get(
    '/v1/members',
    {
      config: { access: VIEWERS },
      schema: {
        summary: 'Processes that watch or have acknowledged',
        response: responses({ 200: object({ version: COUNT, members: array(MEMBER_VIEW), time: TIME }) })
      }
    },
    async () => ({
      version: state.published()?.snapshot.version ?? 0,
      members: view(),
      time: new Date(clock.nowMs()).toISOString()
    })
  )

  app.get<{ Querystring: MemberIdentity & { have: string } }>(
    '/v1/watch',
    {
      config: { access: AGENTS_AND_VIEWERS },
      schema: {
        summary: 'Stream of lines: the newest snapshot whenever it is newer than what the caller has, and a heartbeat every 2 s',
        querystring: object({ have: QUERY_NUMBER, member: MEMBER, kind: KIND, cell: NAME }),
        response: responses({
          200: {
            description: 'NDJSON: {"type":"snapshot","snapshot":…} and {"type":"heartbeat","version":…}',
            type: 'object',
            additionalProperties: true
          }
        })
      }
    },
    async (request, reply) => {
      checkCell(request, request.query.cell)
      if (notReady() !== undefined) throw stopping({})
      const { member, kind, cell, have } = request.query
      const tokenId = request.token?.id ?? ''
      const response = reply.raw
      // A stream that has ended leaves no connection behind that somebody might take for a live watch.
      const headers = { ...reply.getHeaders(), connection: 'close', 'content-type': 'application/x-ndjson; charset=utf-8' }
      hub.open(response, {
        member,
        kind,
        cell,
        have: Number(have),
        isAllowed: () => tokens.isGood(tokenId),
        onAccepted: () => response.writeHead(200, headers as Record<string, string>)
      })
      reply.hijack()
    }
  )

  app.post<{ Body: MemberIdentity & { version: number; checksum: string } }>(
    '/v1/acks',
    {
      config: { access: AGENTS },
      schema: {
        summary: 'A process tells which snapshot it has adopted',
        body: object({
          member: MEMBER,
          kind: KIND,
          cell: NAME,
          version: { type: 'integer', minimum: 1 },
          checksum: { type: 'string', pattern: '^[0-9a-f]{64}$' }
        }),
        response: responses({ 200: object({ version: COUNT }) })
      }
    },
    async (request) => {
      checkCell(request, request.body.cell)
      const { version, checksum } = request.body
      members.acknowledged(request.body, { version, checksum }, clock.nowMs())
      return { version: state.published()?.snapshot.version ?? 0 }
    }
  )
}

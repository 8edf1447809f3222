import { diffTopologies, extendLedger, formatDiff, planRebalance, type Topology } from '@cellway/topology'
import type { FastifyInstance } from 'fastify'
import { noTopology, topologyRefused } from '../../errors.ts'
import { topologyHistoryKey } from '../../keys.ts'
import type { ControlParts } from '../../parts.ts'
import { checkNextTopology, planApplyTopology } from '../../state/apply-topology.ts'
import type { Published, StoredSource } from '../../state/current.ts'
import { ADMINS, AGENTS_AND_VIEWERS, VIEWERS } from '../access.ts'
import { headerOf, runCommand } from '../command-context.ts'
import {
  array,
  COUNT,
  IDEMPOTENCY_HEADERS,
  NAME,
  OPEN,
  object,
  PROBLEMS,
  REASON,
  responses,
  TEXT,
  TOPOLOGY_BODY_BYTES_MAX,
  TOPOLOGY_TEXT
} from '../schemas.ts'

export function addTopologyRoutes(app: FastifyInstance, { store, state, commands }: ControlParts): void {
  app.get(
    '/v1/topology',
    {
      config: { access: VIEWERS },
      schema: {
        summary: 'The current topology and the text it came from; its version is the ETag',
        response: responses({ 200: object({ version: COUNT, topology: OPEN, source: TEXT }, ['source']) })
      }
    },
    async (_request, reply) => {
      const { snapshot, topologyVersion } = requirePublished(state.published())
      const stored = await store.get(topologyHistoryKey(topologyVersion))
      const source = stored === undefined ? undefined : (JSON.parse(stored.value) as StoredSource).source
      return reply.header('etag', `"${topologyVersion}"`).send({ version: topologyVersion, topology: snapshot.topology, source })
    }
  )

  app.put<{ Body: { text: string; reason: string } }>(
    '/v1/topology',
    {
      config: { access: ADMINS, action: 'topology.apply' },
      bodyLimit: TOPOLOGY_BODY_BYTES_MAX,
      schema: {
        summary: 'Apply a topology; If-Match holds the version it was made from ("0" for the first)',
        headers: { ...IDEMPOTENCY_HEADERS },
        body: object({ text: TOPOLOGY_TEXT, reason: REASON }),
        response: responses({ 200: object({ version: COUNT, changed: { type: 'boolean' }, warnings: PROBLEMS }) })
      }
    },
    async (request, reply) => {
      const ifMatch = headerOf(request, 'if-match')
      return runCommand({ commands, request, reply, plan: (current) => planApplyTopology({ text: request.body.text, ifMatch }, current) })
    }
  )

  app.post<{ Body: { text: string } }>(
    '/v1/topology/validate',
    {
      config: { access: VIEWERS },
      bodyLimit: TOPOLOGY_BODY_BYTES_MAX,
      schema: {
        summary: 'Everything that speaks against this text as the next topology',
        body: object({ text: TOPOLOGY_TEXT }),
        response: responses({ 200: object({ ok: { type: 'boolean' }, problems: PROBLEMS, warnings: PROBLEMS }) })
      }
    },
    async (request) => {
      const { problems, warnings } = checkNextTopology(request.body.text, state.published())
      return { ok: problems.length === 0, problems, warnings }
    }
  )

  const move = object({ space: NAME, bucket: TEXT, from: NAME, to: NAME })
  app.post<{ Body: { text: string } }>(
    '/v1/topology/diff',
    {
      config: { access: VIEWERS },
      bodyLimit: TOPOLOGY_BODY_BYTES_MAX,
      schema: {
        summary: 'What would change, and which moves of buckets would then balance the cells',
        body: object({ text: TOPOLOGY_TEXT }),
        response: responses({ 200: object({ version: COUNT, diff: OPEN, rebalance: array(move), text: TEXT }) })
      }
    },
    async (request) => {
      const current = state.published()
      const { topology, problems } = checkNextTopology(request.body.text, current)
      if (topology === undefined || problems.length > 0) throw topologyRefused({ problems })
      return describeDiff(topology, current)
    }
  )

  app.get(
    '/v1/snapshot',
    {
      config: { access: AGENTS_AND_VIEWERS },
      schema: { summary: 'The newest snapshot, as gateways keep it in their file', response: responses({ 200: OPEN }) }
    },
    async (_request, reply) => {
      const { text, snapshot } = requirePublished(state.published())
      return reply
        .header('etag', `"${snapshot.version}"`)
        .type('application/json; charset=utf-8')
        .serializer((body) => String(body))
        .send(text)
    }
  )
}

function describeDiff(topology: Topology, current: Published | undefined): unknown {
  const diff = diffTopologies(current?.snapshot.topology, topology)
  const ledger = extendLedger(current?.snapshot.ledger ?? [], topology)
  return { version: current?.topologyVersion ?? 0, diff, rebalance: planRebalance(topology, ledger), text: formatDiff(diff) }
}

function requirePublished(published: Published | undefined): Published {
  if (published === undefined) throw noTopology({ version: 0 })
  return published
}

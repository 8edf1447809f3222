import { isCellwayError } from '@cellway/base'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { cellUnknown } from '../../errors.ts'
import type { ControlParts } from '../../parts.ts'
import { callReplicator } from '../../replicator-proxy.ts'
import { type Access, AGENTS, OPERATORS, VIEWERS } from '../access.ts'
import { commandContext } from '../command-context.ts'
import { IDEMPOTENCY_HEADERS, NAME, OPEN, object, QUERY_NUMBER, REASON, responses, type Schema } from '../schemas.ts'

type Params = Readonly<Record<string, string>>

/** What can be asked of a cell's replicator: a look at something, or a command. Its own admin API has the same paths. */
interface Look {
  /** A look that needs a body is a POST all the same; it changes nothing. */
  readonly method?: 'POST'
  readonly path: string
  readonly summary: string
  readonly params?: Readonly<Record<string, Schema>>
  readonly query?: Readonly<Record<string, Schema>>
  readonly body?: Readonly<Record<string, Schema>>
  /** People who may look, unless said otherwise. */
  readonly access?: Access
}

interface Order extends Look {
  /** Its name in the audit log. */
  readonly action: string
  readonly body: Readonly<Record<string, Schema>>
  readonly optional?: readonly string[]
}

const ID: Schema = { type: 'string', pattern: '^[0-9]{1,20}$' }
const TABLE: Schema = { type: 'string', pattern: '^[^.\\s`]{1,64}\\.[^.\\s`]{1,64}$', description: 'schema.table' }
const GTID: Schema = { type: 'string', minLength: 1, maxLength: 128 }
/** An edited row, as the replicator shows rows: JSON text. */
const ROW: Schema = { type: 'string', maxLength: 4 * 1024 * 1024 }
const BODY_BYTES_MAX = 8 * 1024 * 1024

const LOOKS: readonly Look[] = [
  { path: '/status', summary: 'The whole picture of one replicator' },
  {
    path: '/conflicts',
    summary: 'Conflicts, newest first',
    query: { state: { enum: ['open', 'all'] }, table: TABLE, source: NAME, before: QUERY_NUMBER, limit: QUERY_NUMBER }
  },
  { path: '/conflicts/:id', summary: 'One conflict with its images and its decision', params: { id: ID } },
  { path: '/schema', summary: 'The declared tables of this cell, as its database describes them' },
  {
    method: 'POST',
    path: '/schema/compare',
    summary: 'What has to be run here so that rows of the given tables, described by another cell, can be taken',
    body: { cell: NAME, tables: { type: 'array', items: OPEN, maxItems: 2000 } }
  },
  {
    method: 'POST',
    path: '/question',
    summary: 'What the replicator of another cell asks while it compares the rows of the two; about declared tables only',
    body: { question: OPEN },
    access: AGENTS
  },
  { path: '/preflight', summary: 'Every precondition, with the statement that fixes it' },
  { path: '/grants', summary: 'Statements that make the accounts of the replicator, with the least rights' },
  { path: '/verification', summary: 'How far the comparison with the other cells is, and what it found' },
  { path: '/bootstrap', summary: 'How far the copy of another cell is' }
]

const ORDERS: readonly Order[] = [
  {
    path: '/streams/:source/pause',
    summary: 'Stop to apply the changes of one cell, until it is resumed',
    params: { source: NAME },
    action: 'stream.pause',
    body: { reason: REASON }
  },
  {
    path: '/streams/:source/resume',
    summary: 'Go on applying the changes of one cell',
    params: { source: NAME },
    action: 'stream.resume',
    body: { reason: REASON }
  },
  {
    path: '/streams/:source/skip',
    summary: 'Leave out one transaction that cannot be applied; its content is kept',
    params: { source: NAME },
    action: 'stream.skip',
    body: { gtid: GTID, reason: REASON }
  },
  {
    path: '/conflicts/:id/resolve',
    summary: 'Decide a conflict: the row of the other cell, the one that is here, or an edited one',
    params: { id: ID },
    action: 'conflict.resolve',
    body: { resolution: { enum: ['apply', 'keep', 'edit'] }, row: ROW, reason: REASON },
    optional: ['row']
  },
  {
    path: '/verification',
    summary: 'Compare the tables of this cell with another one, row by row where they differ; may repair',
    action: 'verification.start',
    body: { from: NAME, table: TABLE, repair: { type: 'boolean' }, reason: REASON },
    optional: ['from', 'table', 'repair']
  },
  {
    path: '/bootstrap',
    summary: 'Fill this cell from another one while traffic runs',
    action: 'cell.bootstrap',
    body: {
      from: NAME,
      wipe: { type: 'boolean' },
      force: { type: 'boolean' },
      rowsPerSecond: { type: 'integer', minimum: 0 },
      reason: REASON
    },
    optional: ['from', 'wipe', 'force', 'rowsPerSecond']
  },
  {
    path: '/bootstrap/cancel',
    summary: 'Break the copy off; the cell is incomplete until it is filled again',
    action: 'cell.bootstrap.cancel',
    body: { reason: REASON }
  }
]

export function addReplicatorRoutes(app: FastifyInstance, parts: ControlParts): void {
  for (const look of LOOKS) addLook(app, look, parts)
  for (const order of ORDERS) addOrder(app, order, parts)
}

function addLook(app: FastifyInstance, { method, path, summary, params = {}, query, body, access = VIEWERS }: Look, parts: ControlParts): void {
  app.route<{ Params: Params }>({
    method: method ?? 'GET',
    url: `/v1/cells/:cell/replicator${path}`,
    config: { access },
    bodyLimit: BODY_BYTES_MAX,
    schema: {
      summary,
      params: object({ cell: NAME, ...params }),
      ...(query === undefined ? {} : { querystring: object(query, Object.keys(query)) }),
      ...(body === undefined ? {} : { body: object(body) }),
      response: responses({ 200: OPEN })
    },
    handler: async (request, reply) => {
      const search = request.url.indexOf('?')
      const asked = `${fill(path, request.params)}${search === -1 ? '' : request.url.slice(search)}`
      return call({ request, reply }, { method: method ?? 'GET', path: asked, body: request.body }, parts)
    }
  })
}

function addOrder(app: FastifyInstance, { path, summary, params = {}, action, body, optional = [] }: Order, parts: ControlParts): void {
  app.post<{ Params: Params; Body: Record<string, unknown> }>(
    `/v1/cells/:cell/replicator${path}`,
    {
      config: { access: OPERATORS, action },
      bodyLimit: BODY_BYTES_MAX,
      schema: {
        summary,
        headers: IDEMPOTENCY_HEADERS,
        params: object({ cell: NAME, ...params }),
        body: object(body, optional),
        response: responses({ 200: OPEN })
      }
    },
    async (request, reply) => {
      const { cell = '' } = request.params
      requireCell(cell, parts)
      const context = commandContext(request)
      const target = `replicator ${cell} ${fill(path, request.params)}`
      // Recorded before it leaves: a crash in between leaves an order that was never given, never one that nobody recorded.
      await parts.commands.recordOrder({ ...context, target, after: withoutReason(request.body) })
      const by = context.actor.kind === 'token' ? context.actor.name : context.actor.kind
      try {
        return await call({ request, reply }, { method: 'POST', path: fill(path, request.params), body: { ...request.body, by } }, parts)
      } catch (error) {
        // Refusals below 500 are recorded for every call; here also that an order got no answer.
        if (isCellwayError(error) && error.statusCode >= 500) await parts.commands.recordRefusal({ ...context, target }, error)
        throw error
      }
    }
  )
}

interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: unknown
}

interface Caller {
  readonly request: FastifyRequest<{ Params: Params }>
  readonly reply: FastifyReply
}

async function call({ request, reply }: Caller, { method, path, body }: Call, parts: ControlParts): Promise<unknown> {
  const { cell = '' } = request.params
  requireCell(cell, parts)
  const report = parts.reports.of(cell, parts.clock.nowMs())
  return callReplicator({ method, path: `/v1${path}`, body }, { cell, report, signal: clientGone(reply) })
}

/** Of the connection, not of the request: a request is over once its body was read. */
function clientGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort(new Error('the caller went away')))
  return gone.signal
}

function requireCell(cell: string, { state }: ControlParts): void {
  const known = Object.keys(state.published()?.snapshot.topology.cells ?? {})
  if (!known.includes(cell)) throw cellUnknown({ cell, known })
}

/** Only what passed its pattern comes here, and none of the patterns lets a slash through. */
function fill(path: string, params: Params): string {
  return path.replaceAll(/:([a-z]+)/g, (_all, name: string) => encodeURIComponent(params[name] ?? ''))
}

function withoutReason({ reason: _reason, ...rest }: Record<string, unknown>): unknown {
  return rest
}

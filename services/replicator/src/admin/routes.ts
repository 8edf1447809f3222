import type { FastifyInstance } from 'fastify'

/** What can be asked of a replicator, and ordered; the paths are those behind control's `/v1/cells/:cell/replicator`. */
export interface AdminActions {
  status(): unknown
  pause(source: string, order: Order): Promise<void>
  resume(source: string, order: Order): Promise<void>
  skip(source: string, order: Order & { readonly gtid: string }): Promise<void>
  conflicts(filter: ConflictQuery): Promise<unknown>
  conflict(id: string): Promise<unknown>
  resolve(id: string, order: Order & { readonly resolution: 'apply' | 'keep' | 'edit'; readonly row?: string }): Promise<void>
  schema(): Promise<unknown>
  compareSchema(reference: { readonly cell: string; readonly tables: readonly unknown[] }): Promise<unknown>
  /** What another replicator asks while it compares. */
  question(question: object): Promise<unknown>
  verification(): unknown
  verify(order: Order & { readonly from?: string; readonly table?: string; readonly repair?: boolean }): Promise<unknown>
  preflight(): Promise<unknown>
  grants(): Promise<unknown>
  bootstrap(): unknown
  startBootstrap(order: BootstrapOrder): Promise<unknown>
  cancelBootstrap(order: Order): Promise<unknown>
}

/** Who gave it, and why; control has checked the role and has put it into the audit log. */
export interface Order {
  readonly by: string
  readonly reason: string
}

export interface BootstrapOrder extends Order {
  readonly from?: string
  readonly wipe?: boolean
  readonly force?: boolean
  readonly rowsPerSecond?: number
}

export interface ConflictQuery {
  readonly state?: 'open' | 'all'
  readonly table?: string
  readonly source?: string
  readonly before?: string
  readonly limit?: string
}

const TEXT = { type: 'string', minLength: 1, maxLength: 500 } as const
const TABLE = { type: 'string', pattern: '^[^.\\s`]{1,64}\\.[^.\\s`]{1,64}$' } as const
const NUMBER = { type: 'string', pattern: '^[0-9]{1,20}$' } as const
const ORDER = { by: TEXT, reason: TEXT } as const

function body(properties: object, optional: readonly string[] = []): object {
  const required = Object.keys({ ...ORDER, ...properties }).filter((name) => !optional.includes(name))
  return { type: 'object', additionalProperties: false, required, properties: { ...ORDER, ...properties } }
}

export function addRoutes(app: FastifyInstance, actions: AdminActions): void {
  app.get('/v1/status', async () => actions.status())
  addStreamRoutes(app, actions)
  addConflictRoutes(app, actions)
  app.get('/v1/schema', async () => actions.schema())
  app.post<{ Body: { cell: string; tables: unknown[] } }>(
    '/v1/schema/compare',
    {
      schema: {
        body: {
          type: 'object',
          additionalProperties: false,
          required: ['cell', 'tables'],
          properties: { cell: TEXT, tables: { type: 'array', items: { type: 'object' }, maxItems: 2000 } }
        }
      }
    },
    async (request) => actions.compareSchema(request.body)
  )
  app.post<{ Body: { question: object } }>(
    '/v1/question',
    { schema: { body: { type: 'object', additionalProperties: false, required: ['question'], properties: { question: { type: 'object' } } } } },
    async (request) => ({ answer: await actions.question(request.body.question) })
  )
  app.get('/v1/verification', async () => actions.verification())
  app.post<{ Body: Order & { from?: string; table?: string; repair?: boolean } }>(
    '/v1/verification',
    { schema: { body: body({ from: TEXT, table: TABLE, repair: { type: 'boolean' } }, ['from', 'table', 'repair']) } },
    async (request) => actions.verify(request.body)
  )
  app.get('/v1/preflight', async () => actions.preflight())
  app.get('/v1/grants', async () => actions.grants())
  app.get('/v1/bootstrap', async () => actions.bootstrap())
  const options = { from: TEXT, wipe: { type: 'boolean' }, force: { type: 'boolean' }, rowsPerSecond: { type: 'integer', minimum: 0 } }
  app.post<{ Body: BootstrapOrder }>('/v1/bootstrap', { schema: { body: body(options, Object.keys(options)) } }, async (request) =>
    actions.startBootstrap(request.body)
  )
  app.post<{ Body: Order }>('/v1/bootstrap/cancel', { schema: { body: body({}) } }, async (request) => actions.cancelBootstrap(request.body))
}

function addStreamRoutes(app: FastifyInstance, actions: AdminActions): void {
  app.post<{ Params: { source: string }; Body: Order }>('/v1/streams/:source/pause', { schema: { body: body({}) } }, async (request) => {
    await actions.pause(request.params.source, request.body)
    return { source: request.params.source, state: 'paused' }
  })
  app.post<{ Params: { source: string }; Body: Order }>('/v1/streams/:source/resume', { schema: { body: body({}) } }, async (request) => {
    await actions.resume(request.params.source, request.body)
    return { source: request.params.source, state: 'running' }
  })
  app.post<{ Params: { source: string }; Body: Order & { gtid: string } }>(
    '/v1/streams/:source/skip',
    { schema: { body: body({ gtid: { type: 'string', minLength: 1, maxLength: 128 } }) } },
    async (request) => {
      await actions.skip(request.params.source, request.body)
      return { source: request.params.source, skipped: request.body.gtid }
    }
  )
}

function addConflictRoutes(app: FastifyInstance, actions: AdminActions): void {
  app.get<{ Querystring: ConflictQuery }>(
    '/v1/conflicts',
    {
      schema: {
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: { state: { enum: ['open', 'all'] }, table: TABLE, source: TEXT, before: NUMBER, limit: NUMBER }
        }
      }
    },
    async (request) => actions.conflicts(request.query)
  )
  app.get<{ Params: { id: string } }>('/v1/conflicts/:id', { schema: { params: { type: 'object', properties: { id: NUMBER } } } }, async (request) =>
    actions.conflict(request.params.id)
  )
  app.post<{ Params: { id: string }; Body: Order & { resolution: 'apply' | 'keep' | 'edit'; row?: string } }>(
    '/v1/conflicts/:id/resolve',
    {
      schema: {
        params: { type: 'object', properties: { id: NUMBER } },
        body: body({ resolution: { enum: ['apply', 'keep', 'edit'] }, row: { type: 'string' } }, ['row'])
      }
    },
    async (request) => {
      await actions.resolve(request.params.id, request.body)
      return { resolved: request.params.id }
    }
  )
}

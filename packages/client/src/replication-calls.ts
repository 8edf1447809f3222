import type { CallOptions } from './client.ts'
import type {
  BootstrapProgress,
  ConflictDetails,
  ConflictFilter,
  ConflictList,
  PreflightFinding,
  ReplicatorReport,
  ReplicatorStatus,
  ResolveConflict,
  SchemaDifference,
  SchemaOfCell,
  StartBootstrap,
  StartVerification,
  Verification
} from './replication-api.ts'
import type { Call } from './transport.ts'

/** Looks and commands of a cell's replicator, through control. @throws CTL_REPLICATOR_*, CTL_CELL_UNKNOWN, and what the replicator refuses with */
export interface ReplicationCalls {
  /** For replicators. */
  report(report: ReplicatorReport, options?: CallOptions): Promise<void>
  status(cell: string, options?: CallOptions): Promise<ReplicatorStatus>
  pause(cell: string, order: { readonly source: string; readonly reason: string }, options?: CallOptions): Promise<void>
  resume(cell: string, order: { readonly source: string; readonly reason: string }, options?: CallOptions): Promise<void>
  skip(cell: string, order: { readonly source: string; readonly gtid: string; readonly reason: string }, options?: CallOptions): Promise<void>
  conflicts(cell: string, filter: ConflictFilter, options?: CallOptions): Promise<ConflictList>
  conflict(cell: string, id: string, options?: CallOptions): Promise<ConflictDetails>
  resolve(cell: string, order: ResolveConflict & { readonly id: string }, options?: CallOptions): Promise<void>
  schema(cell: string, options?: CallOptions): Promise<SchemaOfCell>
  /** What has to be run in `cell`, so that it takes the rows of the given tables. */
  compareSchema(cell: string, reference: SchemaOfCell, options?: CallOptions): Promise<readonly SchemaDifference[]>
  /** For replicators, of each other. */
  ask(cell: string, question: object, options?: CallOptions): Promise<unknown>
  preflight(cell: string, options?: CallOptions): Promise<readonly PreflightFinding[]>
  grants(cell: string, options?: CallOptions): Promise<readonly string[]>
  verification(cell: string, options?: CallOptions): Promise<Verification>
  verify(cell: string, order: StartVerification, options?: CallOptions): Promise<Verification>
  bootstrapProgress(cell: string, options?: CallOptions): Promise<BootstrapProgress>
  bootstrap(cell: string, order: StartBootstrap, options?: CallOptions): Promise<BootstrapProgress>
  cancelBootstrap(cell: string, order: { readonly reason: string }, options?: CallOptions): Promise<BootstrapProgress>
}

type Send = <Answer>(call: Call) => Promise<Answer>

export function replicationCalls(send: Send): ReplicationCalls {
  const at = (cell: string, path: string): string => `/v1/cells/${encodeURIComponent(cell)}/replicator${path}`
  const look = <Answer>(cell: string, path: string, { signal }: CallOptions = {}): Promise<Answer> =>
    send<Answer>({ method: 'GET', path: at(cell, path), signal })
  const order = <Answer>(cell: string, path: string, { body, signal }: CallOptions & { readonly body: unknown }): Promise<Answer> =>
    send<Answer>({ method: 'POST', path: at(cell, path), body, command: true, signal })
  const stream = (source: string, what: string): string => `/streams/${encodeURIComponent(source)}/${what}`

  return {
    report: async (report, { signal } = {}) => {
      await send({ method: 'POST', path: '/v1/reports', body: report, signal })
    },
    status: (cell, options) => look(cell, '/status', options),
    pause: async (cell, { source, reason }, options) => {
      await order(cell, stream(source, 'pause'), { body: { reason }, ...options })
    },
    resume: async (cell, { source, reason }, options) => {
      await order(cell, stream(source, 'resume'), { body: { reason }, ...options })
    },
    skip: async (cell, { source, gtid, reason }, options) => {
      await order(cell, stream(source, 'skip'), { body: { gtid, reason }, ...options })
    },
    conflicts: (cell, filter, { signal } = {}) => send({ method: 'GET', path: at(cell, '/conflicts'), query: { ...filter }, signal }),
    conflict: (cell, id, options) => look(cell, `/conflicts/${encodeURIComponent(id)}`, options),
    resolve: async (cell, { id, ...body }, options) => {
      await order(cell, `/conflicts/${encodeURIComponent(id)}/resolve`, { body, ...options })
    },
    schema: (cell, options) => look(cell, '/schema', options),
    compareSchema: async (cell, reference, { signal } = {}) => {
      const path = at(cell, '/schema/compare')
      const body = { cell: reference.cell, tables: reference.tables }
      return (await send<{ differences: readonly SchemaDifference[] }>({ method: 'POST', path, body, signal })).differences
    },
    ask: async (cell, question, { signal } = {}) => {
      const call: Call = { method: 'POST', path: at(cell, '/question'), body: { question }, signal }
      return (await send<{ answer: unknown }>(call)).answer
    },
    preflight: async (cell, options) => (await look<{ findings: readonly PreflightFinding[] }>(cell, '/preflight', options)).findings,
    grants: async (cell, options) => (await look<{ statements: readonly string[] }>(cell, '/grants', options)).statements,
    verification: (cell, options) => look(cell, '/verification', options),
    verify: (cell, body, options) => order(cell, '/verification', { body, ...options }),
    bootstrapProgress: (cell, options) => look(cell, '/bootstrap', options),
    bootstrap: (cell, body, options) => order(cell, '/bootstrap', { body, ...options }),
    cancelBootstrap: (cell, body, options) => order(cell, '/bootstrap/cancel', { body, ...options })
  }
}

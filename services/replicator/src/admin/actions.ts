import { setTimeout as delay } from 'node:timers/promises'
import type { SchemaDifference, SchemaOfCell } from '@cellway/client'
import { describeTables, schemaDifferences, type TableDescription } from '@cellway/mysql-value'
import { notStarted, requestInvalid, streamUnknown } from '../errors.ts'
import { grants, type ReplicatorAccount } from '../preflight/preflight.ts'
import { type Life, statusOf } from '../process/life.ts'
import { examine } from '../process/startup.ts'
import { listConflicts, showConflict } from '../repair/conflicts.ts'
import { resolveConflict } from '../repair/resolve.ts'
import { openSession, type Session } from '../store/session.ts'
import { bootstrapActions } from './bootstrap-actions.ts'
import type { AdminActions } from './routes.ts'
import { verifyActions } from './verify-actions.ts'

const SKIP_WAIT_MS = 5_000

/** What the calls of the admin listener do. Each opens a session of its own and closes it: people call rarely. */
export function adminActions(life: Life, signal: AbortSignal): AdminActions {
  const { config, secrets } = life

  async function withSession<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    await using session = await openSession(secrets.applier, { role: 'plain', signal })
    return await work(session)
  }

  return {
    status: () => statusOf(life),
    ...streamActions(life),
    conflicts: ({ before, limit, ...filter }) => {
      const page = { ...(before === undefined ? {} : { before: Number(before) }), ...(limit === undefined ? {} : { limit: Number(limit) }) }
      return withSession((session) => listConflicts(session, { ...filter, ...page }))
    },
    conflict: (id) => withSession((session) => showConflict(session, id)),
    resolve: async (id, order) => {
      const { context } = requireStarted(life)
      await withSession((session) => resolveConflict(session, context, { id, ...order }))
    },
    ...bootstrapActions(life),
    ...verifyActions(life, signal),
    schema: async (): Promise<SchemaOfCell> => ({
      cell: config.cell,
      tables: (await withSession((session) => describeDeclared(session, life))) as unknown as SchemaOfCell['tables']
    }),
    compareSchema: async ({ tables }): Promise<{ differences: readonly SchemaDifference[] }> => {
      const theirs = tables.map(parseDescription)
      const own = await withSession((session) => describeDeclared(session, life))
      return { differences: schemaDifferences(theirs, own) }
    },
    preflight: async () => ({ findings: await examine({ config, secrets, compiled: life.topology.current(), signal }) }),
    grants: async () => ({ statements: grantStatements(life) })
  }
}

function streamActions(life: Life): Pick<AdminActions, 'pause' | 'resume' | 'skip'> {
  const { cell } = life.config
  const applierOf = (source: string) => {
    const { appliers } = requireStarted(life)
    const part = appliers.partOf(source)
    if (part?.work === undefined) throw streamUnknown({ source, known: appliers.parts().map(([name]) => name) })
    return { part, applier: part.work.applier }
  }
  return {
    pause: (source) => applierOf(source).applier.pause(),
    resume: async (source) => {
      // The stream of the own cell is its capture: it cannot pause, but it can have stopped.
      if (source === cell) {
        requireStarted(life).capture.runAgain()
        return
      }
      const { part, applier } = applierOf(source)
      await applier.resume()
      part.runAgain()
    },
    skip: async (source, { gtid, by, reason }) => {
      if (source === cell) {
        const { capture } = requireStarted(life)
        capture.work?.skip({ gtid, by, reason })
        capture.runAgain()
        return
      }
      const { part, applier } = applierOf(source)
      const skipping = applier.skip(gtid, by, reason)
      part.runAgain()
      // Done once the stream gets there; whoever waits longer looks at the status.
      skipping.catch((error: unknown) => life.log.warn({ err: error, source, gtid }, 'a transaction could not be skipped'))
      await Promise.race([skipping, delay(SKIP_WAIT_MS)])
    }
  }
}

function requireStarted({ engine, phase, why }: Life): NonNullable<Life['engine']> {
  if (engine === undefined) throw notStarted({ phase, reason: why.reason ?? '' })
  return engine
}

async function describeDeclared(session: Session, { topology }: Life): Promise<readonly TableDescription[]> {
  const declared = new Set(topology.current().snapshot.topology.data.mysql.flatMap(({ kind, table }) => (kind === 'space' ? [table] : [])))
  const schemas = [...new Set([...declared].map((table) => table.slice(0, table.indexOf('.'))))]
  if (schemas.length === 0) return []
  const tables = await describeTables((sql) => session.records(sql), { flavour: session.flavour, schemas })
  return tables.filter(({ schema, name }) => declared.has(`${schema}.${name}`))
}

/** As another replicator has sent it: the parts that are compared have to be there. */
function parseDescription(value: unknown): TableDescription {
  const table = value as Partial<TableDescription> | null
  const whole =
    typeof table === 'object' &&
    table !== null &&
    typeof table.schema === 'string' &&
    typeof table.name === 'string' &&
    [table.columns, table.keys, table.keyColumns, table.foreignKeys, table.triggers].every(Array.isArray)
  if (!whole) throw requestInvalid({ problems: ['a table is not as a replicator describes it'] })
  return table as TableDescription
}

/** For the accounts of the configuration; also before they exist, when no session can be opened. */
function grantStatements({ config, started, topology }: Life): readonly string[] {
  const tables = topology.version() === 0 ? [] : topology.current().snapshot.topology.data.mysql
  const schemas = [...new Set(tables.flatMap(({ kind, table }) => (kind === 'space' ? [table.slice(0, table.indexOf('.'))] : [])))]
  const flavour = started?.flavour ?? 'mariadb'
  const account = (user: string): ReplicatorAccount => ({ user, host: '%', schemas })
  const { user, applier } = config.mysql
  const statements =
    applier === undefined || applier.user === user
      ? grants('both', flavour, account(user))
      : [...grants('capture', flavour, account(user)), ...grants('apply', flavour, account(applier.user))]
  return statements.map((statement) => statement.replace(/;$/, ''))
}

import type { ControlClient, PreflightFinding, ReplicatorView } from '@cellway/client'
import { reasonOf } from '../connection.ts'
import { type Finding, fail, ok, unknown, warn } from './finding.ts'

export interface ReplicationExamination {
  readonly client: ControlClient
  readonly replicators: readonly ReplicatorView[]
  readonly cells: readonly string[]
  readonly signal: AbortSignal
}

/** What the replicators themselves say about their stores: they look with the accounts that do the work. */
export async function examineReplication({ client, replicators, cells, signal }: ReplicationExamination): Promise<readonly Finding[]> {
  const found = await Promise.all(
    cells.map(async (cell): Promise<readonly Finding[]> => {
      const subject = `${cell}/replicator`
      const replicator = replicators.find((one) => one.cell === cell)
      if (replicator === undefined)
        return replicators.length === 0 ? [] : [fail(subject, 'reports', { measured: 'nobody reports', wanted: 'one replicator', fix: ['start it'] })]
      try {
        return [judgePhase(subject, replicator), ...(await client.replication.preflight(cell, { signal })).map((one) => judgePreflight(subject, one))]
      } catch (error) {
        signal.throwIfAborted()
        return [
          judgePhase(subject, replicator),
          unknown(subject, 'preconditions', { measured: reasonOf(error), fix: ['read the log of the replicator'] })
        ]
      }
    })
  )
  return found.flat()
}

function judgePhase(subject: string, { phase, stale, reason, statement, lastSeen }: ReplicatorView): Finding {
  if (stale) return fail(subject, 'reports', { measured: `not since ${lastSeen}`, wanted: 'each second', fix: ['look at its process and its log'] })
  if (phase === 'running') return ok(subject, 'reports', 'running')
  return fail(subject, 'reports', {
    measured: `${phase}${reason === null ? '' : `: ${reason}`}`,
    wanted: 'running',
    fix: statement === null ? ['read its log'] : statement.split('\n')
  })
}

function judgePreflight(subject: string, { code, level, what, fixSql }: PreflightFinding): Finding {
  const failure = { measured: what, wanted: '', fix: fixSql === undefined ? [] : fixSql.split('\n') }
  return level === 'error' ? fail(subject, code, failure) : warn(subject, code, failure)
}

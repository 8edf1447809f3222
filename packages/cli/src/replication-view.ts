import type { CaptureReport, ReplicatorView, StreamView } from '@cellway/client'
import type { Alarm } from './status-view.ts'

/** An edge further behind than this is in trouble, not busy. */
export const LAG_TOLERATED_MS = 10_000

export interface ReplicationFacts {
  readonly replicators: readonly ReplicatorView[]
  readonly streams: readonly StreamView[]
  /** Of the topology; a cell among several that has no replicator takes part in nothing. */
  readonly cells: readonly string[]
}

/** What is wrong with replication, each with what to do. Pure. */
export function replicationAlarms({ replicators, streams, cells }: ReplicationFacts): readonly Alarm[] {
  const known = new Set(replicators.map(({ cell }) => cell))
  const missing = replicators.length === 0 || cells.length < 2 ? [] : cells.filter((cell) => !known.has(cell))
  return [
    ...missing.map(
      (cell): Alarm => problem(`no replicator of ${cell} reports: its changes stay there, and none arrive`, `start it; cellway doctor --cell ${cell}`)
    ),
    ...replicators.flatMap(replicatorAlarms),
    ...streams.filter(({ to }) => isAlive(to, replicators)).flatMap(streamAlarms)
  ]
}

/** Of a replicator that is silent or has not started, one alarm is enough. */
function isAlive(cell: string, replicators: readonly ReplicatorView[]): boolean {
  const replicator = replicators.find((one) => one.cell === cell)
  return replicator !== undefined && !replicator.stale && replicator.phase === 'running'
}

function replicatorAlarms(replicator: ReplicatorView): readonly Alarm[] {
  const { cell, member, phase, stale, reason, statement, capture, conflicts } = replicator
  const name = `replicator ${member} of ${cell}`
  if (stale)
    return [problem(`${name} has not reported since ${replicator.lastSeen}`, `look at its process and its log; cellway doctor --cell ${cell}`)]
  if (phase === 'blocked') return [problem(`${name} cannot start: ${reason ?? 'a precondition is missing'}`, toRun(statement, cell))]
  if (phase === 'starting') return [notice(`${name} is starting: ${reason ?? 'it connects'}`, 'wait; if it stays so, read its log')]
  if (phase === 'stopping') return [notice(`${name} is stopping`, 'start it again when its machine is back')]
  const alarms = [...captureAlarms(cell, capture)]
  if (capture.echoes > 0)
    alarms.push(problem(`${capture.echoes} changes came back to ${cell}, where they began`, 'it must be 0: stop the replicators and report it to us'))
  if (conflicts.open > 0)
    alarms.push(
      problem(`${conflicts.open} conflicts were recorded in ${cell}, and nobody has looked at them yet`, `cellway conflicts list --cell ${cell}`)
    )
  return alarms
}

function captureAlarms(cell: string, { state, reason, code, statement }: CaptureReport): readonly Alarm[] {
  const what = `the capture of ${cell} is ${state}${reason === null ? '' : `: ${reason}`}${code === null ? '' : ` (${code})`}`
  if (state === 'running') return reason === null ? [] : [problem(what, toRun(statement, cell))]
  return [state === 'starting' ? notice(what, 'wait; if it stays so, read the log') : problem(what, toRun(statement, cell))]
}

function streamAlarms({ from, to, state, reason, code, statement, lagMs }: StreamView): readonly Alarm[] {
  const why = `${reason === null ? '' : `: ${reason}`}${code === null ? '' : ` (${code})`}`
  const what = `${from} → ${to} is ${state}${why}`
  switch (state) {
    case 'running':
      if (lagMs !== null && lagMs > LAG_TOLERATED_MS)
        return [
          problem(
            `${from} → ${to} is ${Math.round(lagMs / 1000)} s behind${why}`,
            `cellway status shows in which stage; cellway doctor --cell ${from}`
          )
        ]
      return []
    case 'paused':
      return [notice(what, `cellway streams resume --cell ${to} ${from} --reason "…"`)]
    case 'starting':
      return [notice(what, 'wait; if it stays so, read the log')]
    case 'unknown':
      return [problem(what, toRun(statement, to))]
    case 'parked':
    case 'stopped':
    case 'restarting':
      return [problem(what, toRun(statement, to))]
  }
}

/** The statement that mends it, to be copied; it is for the database of the named cell. */
function toRun(statement: string | null, cell: string): string {
  return statement === null
    ? `read the log of the replicator of ${cell}; cellway doctor --cell ${cell}`
    : `run in the database of ${cell}:  ${statement}`
}

function problem(what: string, todo: string): Alarm {
  return { severity: 'problem', what, todo }
}

function notice(what: string, todo: string): Alarm {
  return { severity: 'notice', what, todo }
}

/** Which processes belong to a run, written down so that another command can find them, and never hits a stranger. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A pid alone may be somebody else's by now; together with the start time it names one process for good. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot, from `/proc/<pid>/stat`. */
  readonly startedAtTicks: string
}

export interface RunProcesses {
  readonly supervisor: ProcessIdentity
  readonly children: Readonly<Record<string, ProcessIdentity & { readonly restarts: number }>>
}

const POLL_MS = 30

/** Undefined when there is no such process, or it is a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets and may hold anything: count from the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state] = fields
    const startedAtTicks = fields[19]
    return state === 'Z' || state === 'X' || startedAtTicks === undefined ? undefined : { pid, startedAtTicks }
  } catch {
    return undefined
  }
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startedAtTicks === identity.startedAtTicks
}

/** Asks the process alone: it passes the wish on to its workers as it sees fit. False when it is gone, or a stranger has its pid. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return isRunning(identity) && signalPid(identity.pid, signal)
}

/** The process and everybody in its group (our children lead one each). */
export function killGroup(identity: ProcessIdentity): boolean {
  if (!isRunning(identity)) return false
  return signalPid(-identity.pid, 'SIGKILL') || signalPid(identity.pid, 'SIGKILL')
}

/** Resolves to whether it is gone within the time. */
export async function waitUntilGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (isRunning(identity)) {
    if (performance.now() > deadline) return false
    await sleep(POLL_MS)
  }
  return true
}

export function readProcesses(file: string): RunProcesses | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RunProcesses
  } catch {
    return undefined
  }
}

export function writeProcesses(file: string, processes: RunProcesses): void {
  // Whole or not at all: a reader in another process must never see half a file.
  writeFileSync(`${file}.new`, `${JSON.stringify(processes, null, 2)}\n`)
  renameSync(`${file}.new`, file)
}

function signalPid(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { processFailed, processNotReady } from './errors.ts'
import { identify, type ProcessIdentity } from './processes.ts'

/** What to run, how to see that it is ready, how to stop it. */
export interface ProcessSpec {
  /** `control`, `beijing/mysql`, `beijing/gateway`, … */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd: string
  readonly logFile: string
  /** Stop order: higher tiers first, one tier at a time. */
  readonly tier: number
  readonly stopMs: number
  readonly readyMs: number
  /** Rejects as long as it is not ready. */
  readonly probe: (signal: AbortSignal) => Promise<void>
}

export interface Child {
  readonly identity: ProcessIdentity
  /** Never rejects; `exit code 1`, `SIGKILL`. */
  readonly exited: Promise<string>
}

const PROBE_EVERY_MS = 50
const PROBE_MS_MAX = 2_000
const TAIL_BYTES = 4_000
const TAIL_LINES = 25

/**
 * Each child leads a process group (and session) of its own: a Ctrl-C in the terminal reaches the supervisor only, which then
 * stops everything in order.
 */
export async function startChild(spec: ProcessSpec): Promise<Child> {
  const log = openSync(spec.logFile, 'a')
  try {
    const child = spawn(spec.command, spec.args, { cwd: spec.cwd, env: { ...process.env, ...spec.env }, stdio: ['ignore', log, log], detached: true })
    const exited = ending(child)
    const identity = child.pid === undefined ? undefined : identify(child.pid)
    if (identity === undefined) throw processFailed({ process: spec.name, ending: await exited, log: spec.logFile, tail: tailOf(spec.logFile) })
    return { identity, exited }
  } finally {
    closeSync(log)
  }
}

/** @throws LOCAL_PROCESS_FAILED when it ends first, LOCAL_PROCESS_NOT_READY at the deadline, the signal's reason. */
export async function untilReady(spec: ProcessSpec, child: Child, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now()
  let ended: string | undefined
  void child.exited.then((how) => {
    ended = how
  })
  for (let last = 'not asked yet'; ; ) {
    signal.throwIfAborted()
    if (ended !== undefined) throw processFailed({ process: spec.name, ending: ended, log: spec.logFile, tail: tailOf(spec.logFile) })
    const waitedMs = Math.round(performance.now() - startedAt)
    if (waitedMs > spec.readyMs) throw processNotReady({ process: spec.name, waitedMs, last, log: spec.logFile, tail: tailOf(spec.logFile) })
    try {
      return await spec.probe(AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS_MAX)]))
    } catch (error) {
      last = error instanceof Error ? error.message : String(error)
    }
    await sleep(PROBE_EVERY_MS)
  }
}

/** The last lines of a log; `''` when there is none. */
export function tailOf(file: string): string {
  try {
    const handle = openSync(file, 'r')
    try {
      const size = fstatSync(handle).size
      const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES))
      readSync(handle, buffer, 0, buffer.length, size - buffer.length)
      return buffer.toString('utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
    } finally {
      closeSync(handle)
    }
  } catch {
    return ''
  }
}

function ending(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
}

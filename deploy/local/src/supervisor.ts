import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, type ProcessSpec, startChild, untilReady } from './child.ts'
import { processUnknown } from './errors.ts'
import { identify, killGroup, type ProcessIdentity, signalProcess, waitUntilGone, writeProcesses } from './processes.ts'

interface Supervised {
  readonly spec: ProcessSpec
  child: Child | undefined
  restarts: number
  startedAtMs: number
  /** Set while we stop it ourselves: its end is then no crash. */
  stopping: boolean
}

interface SupervisorOptions {
  readonly processesFile: string
  /** Folder of marks: `beijing-app-1` in it keeps `beijing/app-1` down. */
  readonly downFolder: string
  readonly say: (line: string) => void
}

const BACKOFF_MS_MIN = 500
const BACKOFF_MS_MAX = 10_000
/** Who has run this long starts again with the shortest pause. */
const HEALTHY_MS = 30_000
const DOWN_POLL_MS = 250
const KILL_WAIT_MS = 5_000

/** Starts processes, starts crashed ones again, and stops what it started: nothing else, and all of it. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #processes = new Map<string, Supervised>()
  readonly #ended = new AbortController()
  /** Every restart loop, so that stopping can wait for them. */
  readonly #watching = new Set<Promise<void>>()

  constructor(options: SupervisorOptions) {
    this.#options = options
    mkdirSync(options.downFolder, { recursive: true })
    this.#write()
  }

  /** Starts it, and keeps it running until `stop` or `stopAll`. @throws LOCAL_PROCESS_FAILED, LOCAL_PROCESS_NOT_READY */
  async start(spec: ProcessSpec): Promise<void> {
    const supervised: Supervised = { spec, child: undefined, restarts: 0, startedAtMs: 0, stopping: false }
    this.#processes.set(spec.name, supervised)
    await this.#startOnce(supervised)
    this.#watch(supervised)
  }

  /** Asks with SIGTERM (or the given signal), insists with SIGKILL, and keeps it down. @throws LOCAL_PROCESS_UNKNOWN */
  async stop(name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const supervised = this.#find(name)
    supervised.stopping = true
    if (supervised.child !== undefined) await stopGroup(supervised.child.identity, { signal, timeoutMs: supervised.spec.stopMs })
    supervised.child = undefined
    this.#write()
  }

  /** After `stop`. @throws LOCAL_PROCESS_UNKNOWN, LOCAL_PROCESS_FAILED, LOCAL_PROCESS_NOT_READY */
  async startAgain(name: string): Promise<void> {
    const supervised = this.#find(name)
    await this.#startOnce(supervised)
    supervised.stopping = false
    this.#watch(supervised)
  }

  pidOf(name: string): number | undefined {
    return this.#find(name).child?.identity.pid
  }

  names(): readonly string[] {
    return [...this.#processes.keys()]
  }

  /** Higher tiers first; within a tier at the same time. */
  async stopAll(): Promise<void> {
    this.#ended.abort(new Error('the run is being stopped'))
    const tiers = [...new Set([...this.#processes.values()].map(({ spec }) => spec.tier))].sort((left, right) => right - left)
    for (const tier of tiers) {
      const members = [...this.#processes.values()].filter(({ spec }) => spec.tier === tier)
      await Promise.all(members.map(({ spec }) => this.stop(spec.name)))
    }
    await Promise.all(this.#watching)
    // A process that was being started again while we stopped: its loop has ended now, and left it to us.
    await Promise.all([...this.#processes.values()].map(({ spec }) => this.stop(spec.name)))
  }

  /** For the second Ctrl-C: no order, no waiting. */
  killAll(): void {
    for (const { child } of this.#processes.values()) if (child !== undefined) killGroup(child.identity)
  }

  async #startOnce(supervised: Supervised): Promise<void> {
    this.#ended.signal.throwIfAborted()
    const child = await startChild(supervised.spec)
    supervised.child = child
    supervised.startedAtMs = performance.now()
    this.#write()
    await untilReady(supervised.spec, child, this.#ended.signal)
  }

  #watch(supervised: Supervised): void {
    const loop = this.#keepRunning(supervised).finally(() => this.#watching.delete(loop))
    this.#watching.add(loop)
  }

  async #keepRunning(supervised: Supervised): Promise<void> {
    const { name, logFile } = supervised.spec
    let backoffMs = BACKOFF_MS_MIN
    while (supervised.child !== undefined) {
      const { identity, exited } = supervised.child
      const how = await exited
      // Workers that outlived their parent would hold its port.
      sweepGroup(identity.pid)
      if (supervised.stopping || this.#ended.signal.aborted) return
      supervised.child = undefined
      this.#write()
      if (performance.now() - supervised.startedAtMs > HEALTHY_MS) backoffMs = BACKOFF_MS_MIN
      const held = existsSync(this.#downMark(name))
      this.#options.say(
        held ? `${name} ended (${how}) and stays down` : `${name} ended (${how}); starting it again in ${backoffMs} ms; log: ${logFile}`
      )
      if (!(await this.#pause(name, held ? 0 : backoffMs))) return
      if (supervised.stopping) return
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX)
      supervised.restarts += 1
      try {
        await this.#startOnce(supervised)
        this.#options.say(`${name} is back (pid ${this.pidOf(name)})`)
      } catch (error) {
        if (this.#ended.signal.aborted) return
        // It runs but is not ready, or it has ended again: either way the next round sees its end.
        this.#options.say(`${name} did not come back: ${error instanceof Error ? error.message : String(error)}`)
        if (supervised.child === undefined) return
      }
    }
  }

  /** Back-off, then as long as the process is marked to stay down; false when the run ends meanwhile. */
  async #pause(name: string, backoffMs: number): Promise<boolean> {
    try {
      await sleep(backoffMs, undefined, { signal: this.#ended.signal })
      while (existsSync(this.#downMark(name))) await sleep(DOWN_POLL_MS, undefined, { signal: this.#ended.signal })
      return true
    } catch {
      return false
    }
  }

  #downMark(name: string): string {
    return downMark(this.#options.downFolder, name)
  }

  #find(name: string): Supervised {
    const supervised = this.#processes.get(name)
    if (supervised === undefined) throw processUnknown({ process: name, fix: `one of ${this.names().join(', ')}` })
    return supervised
  }

  #write(): void {
    const supervisor = identify(process.pid)
    if (supervisor === undefined) return
    const running = [...this.#processes].flatMap(([name, { child, restarts }]) =>
      child === undefined ? [] : [[name, { ...child.identity, restarts }] as const]
    )
    try {
      writeProcesses(this.#options.processesFile, { supervisor, children: Object.fromEntries(running) })
    } catch (error) {
      // Somebody removed our folder: that must not keep anything from being stopped.
      if (!this.#ended.signal.aborted) this.#options.say(`cannot note who runs: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

/** Says to the supervisor of another process that this one is to stay down; `clearDown` takes it back. */
export function markDown(folder: string, name: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(downMark(folder, name), '')
}

export function clearDown(folder: string, name: string): void {
  rmSync(downMark(folder, name), { force: true })
}

/** TERM, wait, KILL, wait. Does nothing to a pid that is a stranger's by now. */
export async function stopGroup(identity: ProcessIdentity, { signal, timeoutMs }: { signal: NodeJS.Signals; timeoutMs: number }): Promise<void> {
  if (!signalProcess(identity, signal)) return
  if (await waitUntilGone(identity, timeoutMs)) return
  killGroup(identity)
  await waitUntilGone(identity, KILL_WAIT_MS)
}

function sweepGroup(leaderPid: number): void {
  try {
    process.kill(-leaderPid, 'SIGKILL')
  } catch {
    // Nobody is left, which is how it should be.
  }
}

function downMark(folder: string, name: string): string {
  return join(folder, name.replaceAll('/', '-'))
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** One of our services as it is run for real; it can be killed, frozen and started again. */
export interface ServiceProcess extends AsyncDisposable {
  readonly pid: number
  start(): Promise<void>
  kill(): Promise<void>
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>
  freeze(): void
  thaw(): void
  /** The newest lines it has printed. */
  log(): string
  /** Resolves with the exit code of the process that runs now. */
  ended(): Promise<number | null>
}

export interface ServiceOptions {
  readonly program: 'center' | 'replicator' | 'control'
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Constant message of the line that says it is up. */
  readonly up: string
}

const START_MS = 60_000
const LINES_KEPT = 2_000

export function makeService({ program, args, env = {}, up }: ServiceOptions): ServiceProcess {
  const main = fileURLToPath(new URL(`../../../services/${program}/src/main.ts`, import.meta.url))
  const lines: string[] = []
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const started = spawn(process.execPath, [main, ...args], { env: { PATH: process.env.PATH ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    const ready = Promise.withResolvers<void>()
    const timer = setTimeout(() => ready.reject(new Error(`${program} did not start in time:\n${tail(lines)}`)), START_MS)
    started.once('exit', (code, signal) => ready.reject(new Error(`${program} ended with ${code ?? signal}:\n${tail(lines)}`)))
    for (const stream of [started.stdout, started.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        if (lines.length > LINES_KEPT) lines.splice(0, lines.length - LINES_KEPT)
        if (line.includes(`"msg":"${up}"`)) ready.resolve()
      })
    }
    try {
      await ready.promise
    } finally {
      clearTimeout(timer)
    }
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const exited = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await exited
    return child.exitCode
  }

  return {
    get pid() {
      return child?.pid ?? 0
    },
    start,
    kill: async () => {
      await end('SIGKILL')
    },
    stop: () => end('SIGTERM'),
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
    log: () => tail(lines),
    ended: async () => {
      if (child !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      return child?.exitCode ?? null
    },
    [Symbol.asyncDispose]: async () => {
      await end('SIGKILL')
    }
  }
}

function tail(lines: readonly string[]): string {
  return lines.slice(-60).join('\n')
}

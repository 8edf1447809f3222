import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childrenOf, hasEnded, type Started, startProcess, waitUntil, waitUntilAnswers } from '../../bench/gateway/processes.ts'
import { GATEWAY_MAIN, writeRoutedCell } from '../../bench/gateway/routed-cell.ts'

/** A gateway under load must be empty long before. */
export const DRAIN_DEADLINE_MS = 10_000

const APP_MAIN = fileURLToPath(new URL('app-main.ts', import.meta.url))

export interface App extends AsyncDisposable {
  readonly pid: number
  /** SIGKILL, and the wait until it is gone. */
  kill(): Promise<void>
}

export interface AppPlace {
  readonly port: number
  readonly logFile: string
}

export async function startApp({ port, logFile }: AppPlace): Promise<App> {
  const started = await startProcess({ command: process.execPath, args: [APP_MAIN, String(port), logFile] })
  await readyOrStopped(started, `http://127.0.0.1:${port}/health`)
  return { pid: started.pid, kill: () => kill(started), [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() }
}

/** Ids of the requests of one method that any of the instances has seen, each as often as it was seen. */
export async function seenIds(method: string, logFiles: readonly string[]): Promise<readonly string[]> {
  const texts = await Promise.all(logFiles.map((file) => readFile(file, 'utf8')))
  return texts
    .join('')
    .split('\n')
    .filter((line) => line.startsWith(`${method} `))
    .map((line) => line.slice(method.length + 1))
}

export interface Gateway extends AsyncDisposable {
  readonly port: number
  readonly adminUrl: string
  readonly started: Started
  workerPid(): number
  /** Sum of a counter over its labels. */
  counter(name: string): Promise<number>
  /** SIGTERM, and the wait for the end. @returns the exit code. */
  drain(): Promise<number | null>
}

export interface GatewayPlace {
  readonly folder: string
  readonly name: string
  readonly port: number
  readonly adminPort: number
  readonly apps: readonly string[]
  readonly config?: Readonly<Record<string, unknown>>
}

/** A gateway without control plane and with timings that suit a shared machine: a probe that is late is not yet an outage. */
export async function startGateway({ folder, name, port, adminPort, apps, config }: GatewayPlace): Promise<Gateway> {
  const own = join(folder, name)
  await mkdir(own)
  const file = await writeRoutedCell({
    folder: own,
    port,
    adminPort,
    apps,
    config: {
      member: name,
      accessLog: 'errors',
      health: { intervalMs: 1_000, timeoutMs: 1_000, failuresToDown: 3 },
      drain: { readinessWaitMs: 200, deadlineMs: DRAIN_DEADLINE_MS },
      ...config
    }
  })
  const started = await startProcess({ command: process.execPath, args: [GATEWAY_MAIN, '--config', file] })
  const adminUrl = `http://127.0.0.1:${adminPort}`
  await readyOrStopped(started, `${adminUrl}/health/ready`)
  return {
    port,
    adminUrl,
    started,
    workerPid: () => childrenOf(started.pid)[0] ?? 0,
    counter: (counter) => readCounter(`${adminUrl}/metrics`, counter),
    drain: async () => {
      started.process.kill('SIGTERM')
      await waitUntil(`the end of ${name}`, 20_000, () => hasEnded(started.process))
      return started.process.exitCode
    },
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]()
  }
}

async function readCounter(url: string, name: string): Promise<number> {
  const answer = await fetch(url)
  const lines = (await answer.text()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

async function kill(started: Started): Promise<void> {
  started.process.kill('SIGKILL')
  await waitUntil('the end of a killed process', 5_000, () => hasEnded(started.process))
}

async function readyOrStopped(started: Started, url: string): Promise<void> {
  try {
    await waitUntilAnswers(started, url)
  } catch (cause) {
    await started[Symbol.asyncDispose]()
    throw cause
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Answer, type SendOptions, send } from './http-client.ts'
import { until } from './until.ts'

const MAIN = fileURLToPath(new URL('../../../services/gateway/src/main.ts', import.meta.url))
const START_MS = 60_000
const STOP_MS = 10_000
/** Compiling the same modules for each process of each test would be half of the time that a start takes. */
const NODE_COMPILE_CACHE = join(tmpdir(), 'cellway-test-compile-cache')
/** Enough to tell why a start failed. */
const OUTPUT_CHARS = 64 * 1024

export interface GatewayProcess extends AsyncDisposable {
  readonly pid: number
  readonly adminOrigin: string
  /** Standard output and error so far. */
  output(): string
  /** Exit code, or the signal that ended it; undefined while it runs. */
  exit(): number | string | undefined
  admin(path: string, options?: SendOptions): Promise<Answer>
  /** Of one metric as `/metrics` shows it, summed over the rows whose labels contain all of these. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
  kill(signal: NodeJS.Signals): void
  /** Resident bytes of the supervisor's children. */
  workersRssBytes(): Promise<number>
}

export interface StartOptions {
  readonly configFile: string
  readonly adminPort: number
  /** Wait for the listener only: there is no snapshot yet. */
  readonly unready?: boolean
  /** PEM file of a certificate that the gateway trusts when it sends to other cells. */
  readonly caFile?: string | undefined
}

/** A real gateway; resolves when it takes requests. */
export async function startGatewayProcess({ configFile, adminPort, unready = false, caFile }: StartOptions): Promise<GatewayProcess> {
  const run = runMain(['--config', configFile], caFile === undefined ? {} : { env: { NODE_EXTRA_CA_CERTS: caFile } })
  const { child } = run
  const adminOrigin = `http://127.0.0.1:${adminPort}`
  try {
    await until(
      'the gateway is ready',
      async () => {
        if (run.exit() !== undefined) throw new Error(`the gateway ended with ${run.exit()}`)
        const answer = await send(adminOrigin, '/health/ready').catch(() => undefined)
        return unready ? answer !== undefined : answer?.status === 200
      },
      START_MS
    )
  } catch (cause) {
    await stop(child)
    throw new Error(`the gateway did not start:\n${run.output()}`, { cause })
  }
  const admin = (path: string, options?: SendOptions): Promise<Answer> => send(adminOrigin, path, options)
  return {
    pid: child.pid ?? 0,
    adminOrigin,
    output: run.output,
    exit: run.exit,
    admin,
    metric: async (name, labels = {}) => metricValue((await admin('/metrics')).text, name, labels),
    kill: (signal) => child.kill(signal),
    workersRssBytes: () => childrenRssBytes(child.pid ?? 0),
    [Symbol.asyncDispose]: () => stop(child)
  }
}

export interface Run {
  readonly child: ChildProcess
  output(): string
  exit(): number | string | undefined
}

/** The entry file under any flags, for starts that must fail. */
export function runMain(args: readonly string[], options: { readonly nodeFlags?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {}): Run {
  const child = spawn(process.execPath, [...(options.nodeFlags ?? []), MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE, ...options.env }
  })
  let output = ''
  const keep = (piece: Buffer): void => {
    output = (output + piece.toString('utf8')).slice(-OUTPUT_CHARS)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  return { child, output: () => output, exit: () => child.exitCode ?? child.signalCode ?? undefined }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const forced = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await exited
  clearTimeout(forced)
}

/** Rows of the Prometheus text whose labels contain all of `labels`, added up; NaN without any row. */
export function metricValue(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  let sum = Number.NaN
  for (const line of text.split('\n')) {
    const [, rowName, rowLabels = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (rowName !== name || !Object.entries(labels).every(([label, wanted]) => rowLabels.includes(`${label}="${wanted}"`))) continue
    sum = (Number.isNaN(sum) ? 0 : sum) + Number(value)
  }
  return sum
}

async function childrenRssBytes(pid: number): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean)
  const sizes = await Promise.all(
    children.map(async (child) => {
      const status = await readFile(`/proc/${child}/status`, 'utf8').catch(() => '')
      return Number(/VmRSS:\s+([0-9]+) kB/.exec(status)?.[1] ?? 0) * 1024
    })
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Whole or not at all, as the control plane's snapshots are written: the gateway may be reading. */
export async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

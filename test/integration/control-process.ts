import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../services/control/src/main.ts', import.meta.url))
const START_TIMEOUT_MS = 30_000

/** A control process as it is run for real; it can be killed and started again on the same data. */
export interface ControlProcess extends AsyncDisposable {
  readonly url: string
  readonly metricsUrl: string
  readonly tokenFile: string
  start(): Promise<void>
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>
  /** SIGSTOP and SIGCONT: the connections stay open, and nobody answers. */
  freeze(): void
  thaw(): void
  /** Everything it has printed. */
  log(): string
}

export interface ControlProcessOptions {
  readonly folder: string
}

export async function makeControlProcess({ folder }: ControlProcessOptions): Promise<ControlProcess> {
  const [port, metricsPort] = [await freePort(), await freePort()]
  const tokenFile = `${folder}/admin.token`
  let child: ChildProcess | undefined
  let printed = ''

  async function start(): Promise<void> {
    child = spawnControl({
      CELLWAY_CONTROL_PORT: String(port),
      CELLWAY_CONTROL_METRICS_PORT: String(metricsPort),
      CELLWAY_CONTROL_DATA: `${folder}/data`,
      CELLWAY_CONTROL_ADMIN_TOKEN_FILE: tokenFile
    })
    await listening(child, (line) => {
      printed += `${line}\n`
    })
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
    return child.exitCode
  }

  return {
    url: `http://127.0.0.1:${port}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}`,
    tokenFile,
    start,
    kill: async () => {
      await end('SIGKILL')
    },
    stop: () => end('SIGTERM'),
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
    log: () => printed,
    [Symbol.asyncDispose]: async () => {
      await end('SIGKILL')
    }
  }
}

export function spawnControl(environment: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, [MAIN], { env: { PATH: process.env.PATH ?? '', ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Runs it to its end, for starts that must fail. */
export async function runControl(environment: Readonly<Record<string, string>>): Promise<{ code: number | null; output: string }> {
  const child = spawnControl(environment)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  }
  await once(child, 'close')
  return { code: child.exitCode, output }
}

async function listening(child: ChildProcess, onLine: (line: string) => void): Promise<void> {
  const ready = Promise.withResolvers<void>()
  const timer = setTimeout(() => ready.reject(new Error('control did not start in time')), START_TIMEOUT_MS)
  child.once('exit', (code) => ready.reject(new Error(`control ended with ${code} before it listened`)))
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', (line) => {
      onLine(line)
      if (line.includes('"msg":"control listening"')) ready.resolve()
    })
  }
  try {
    await ready.promise
  } finally {
    clearTimeout(timer)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export function exampleTopology({ weight = 1 }: { weight?: number } = {}): string {
  return `
apiVersion: cellway/v1
cells:
  beijing: {region: cn-north, weight: ${weight}, gateway: "http://127.0.0.1:7100", apps: {default: ["http://127.0.0.1:7102"]}}
  shanghai: {region: cn-east, gateway: "http://127.0.0.1:7200", apps: {default: ["http://127.0.0.1:7202"]}}
spaces:
  users: {kind: hash, buckets: 1024}
  areas: {kind: list, values: [bj, sh, gd, zj], assign: {bj: beijing, sh: shanghai, gd: shanghai, zj: beijing}}
routes:
  - {match: {path: /api/orders/**}, space: users, key: [{header: x-user-id}], missing: reject}
`
}

import { type ChildProcess, fork, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Log, RemoteLog, RemoteLogOptions } from '@cellway/log'
import { createRemoteLog } from '@cellway/log'
import { freePort } from '../servers.ts'

const MAIN = fileURLToPath(new URL('../../../services/center/src/main.ts', import.meta.url))
const HOST = fileURLToPath(new URL('./center-host.ts', import.meta.url))
const START_MS_MAX = 30_000
export const CELLS = ['beijing', 'shanghai', 'shenzhen', 'tokyo'] as const

/** A center as it is run for real; it can be killed and started again on the same data and the same port. */
export interface CenterProcess extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly metricsUrl: string
  readonly folder: string
  readonly dataFolder: string
  /** @param fileBytesMax no file of it may grow beyond: a write that fails as a broken disk's does */
  start(options?: { readonly fileBytesMax?: number }): Promise<void>
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** The same, sent and not waited for. */
  killNow(): void
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>
  /** SIGSTOP and SIGCONT: the connections stay open, and nobody answers. */
  freeze(): void
  thaw(): void
  rssBytes(): Promise<number>
  /** Everything it has printed. */
  log(): string
}

const TOKENS = [
  ...CELLS.map((cell) => ({ name: cell, role: 'cell', cell, tokenEnv: `TOKEN_${cell.toUpperCase()}` })),
  { name: 'operator', role: 'operator', tokenEnv: 'TOKEN_OPERATOR' }
]

function tokenEnvironment(): Record<string, string> {
  return Object.fromEntries([...CELLS, 'operator'].map((name) => [`TOKEN_${name.toUpperCase()}`, tokenOf(name)]))
}

/** Of a cell, or of the operator; not guessed, and good for nothing outside of the test. */
export function tokenOf(name: string): string {
  return `cwt_${name}_${'0123456789abcdef'.repeat(3)}`
}

export interface CenterProcessOptions {
  readonly folder: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly tls?: { readonly certFile: string; readonly keyFile: string }
}

export async function makeCenterProcess({ folder, config = {}, tls }: CenterProcessOptions): Promise<CenterProcess> {
  const [port, metricsPort] = [await freePort(), await freePort()]
  const dataFolder = path.join(folder, 'data')
  const configFile = path.join(folder, 'center.json')
  mkdirSync(folder, { recursive: true })
  const listen = { host: '127.0.0.1', port, ...(tls === undefined ? {} : { tls }) }
  writeFileSync(configFile, JSON.stringify({ listen, metrics: { port: metricsPort }, dataFolder, tokens: TOKENS, ...config }))
  let child: ChildProcess | undefined
  let printed = ''

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
    return child.exitCode
  }

  return {
    port,
    url: `http://127.0.0.1:${port}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}`,
    folder,
    dataFolder,
    async start({ fileBytesMax } = {}) {
      await end('SIGKILL')
      child = spawnCenter(configFile, fileBytesMax)
      await listening(child, (line) => {
        printed += `${line}\n`
      })
    },
    kill: async () => {
      await end('SIGKILL')
    },
    killNow: () => child?.kill('SIGKILL'),
    stop: () => end('SIGTERM'),
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
    async rssBytes() {
      const { readFile } = await import('node:fs/promises')
      const text = await readFile(`/proc/${child?.pid}/status`, 'utf8')
      return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]) * 1024
    },
    log: () => printed,
    [Symbol.asyncDispose]: async () => {
      await end('SIGKILL')
    }
  }
}

function spawnCenter(configFile: string, fileBytesMax: number | undefined): ChildProcess {
  const options: SpawnOptions = { env: { PATH: process.env.PATH ?? '', ...tokenEnvironment() }, stdio: ['ignore', 'pipe', 'pipe'] }
  const command = [process.execPath, MAIN, '--config', configFile]
  if (fileBytesMax === undefined) return spawn(process.execPath, command.slice(1), options)
  const BLOCK_BYTES = 512
  return spawn('sh', ['-c', `ulimit -f ${Math.ceil(fileBytesMax / BLOCK_BYTES)}; exec "$@"`, 'sh', ...command], options)
}

export interface CenterHost extends AsyncDisposable {
  /** Gives its url. */
  open(config: Readonly<Record<string, unknown>>): Promise<string>
  close(url: string): Promise<void>
}

/** Centers in a process of their own, without a start of the process for each. */
export function startCenterHost(): CenterHost {
  const child = fork(HOST, { env: { PATH: process.env.PATH ?? '', ...tokenEnvironment() }, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ask = async (question: object): Promise<{ readonly url?: string }> => {
    const answered = once(child, 'message')
    child.send(question)
    const [answer] = (await answered) as [{ readonly url?: string; readonly error?: string }]
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
  return {
    open: async (config) => (await ask({ open: { listen: { port: 0 }, tokens: TOKENS, ...config } })).url ?? '',
    close: async (url) => {
      await ask({ close: url })
    },
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
  }
}

/** Runs the program to its end. */
export async function runCenter(parameters: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [MAIN, ...parameters], { env: { PATH: process.env.PATH ?? '' }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  }
  await once(child, 'close')
  return { code: child.exitCode, output }
}

async function listening(child: ChildProcess, onLine: (line: string) => void): Promise<void> {
  const ready = Promise.withResolvers<void>()
  const timer = setTimeout(() => ready.reject(new Error('the center did not start in time')), START_MS_MAX)
  let last = ''
  child.once('exit', (code) => ready.reject(new Error(`the center ended with ${code} before it listened: ${last}`)))
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', (line) => {
      last = line
      onLine(line)
      if (line.includes('"msg":"center listening"')) ready.resolve()
    })
  }
  try {
    await ready.promise
  } finally {
    clearTimeout(timer)
  }
}

/** A client of one cell. Dead links are noticed soon, so that tests are short. */
export function clientOf(name: string, url: string, options: Partial<RemoteLogOptions> = {}): RemoteLog {
  const { tuning, ...rest } = options
  return createRemoteLog({ url, token: tokenOf(name), tuning: { silenceMsMax: 3000, backoffMsMax: 300, ...tuning }, ...rest })
}

/** One client for each cell, closed with the scope. */
export function clientsOf(
  cells: readonly string[],
  urlOf: (cell: string) => string,
  options: Partial<RemoteLogOptions> = {}
): AsyncDisposable & { of(cell: string): RemoteLog } {
  const clients = new Map(cells.map((cell) => [cell, clientOf(cell, urlOf(cell), options)]))
  return {
    of(cell) {
      const client = clients.get(cell)
      if (client === undefined) throw new Error(`no client of ${cell}`)
      return client
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients.values()) await client[Symbol.asyncDispose]()
    }
  }
}

/** The value of a metric whose line begins so. */
export async function metricOf(center: CenterProcess, line: string): Promise<number> {
  const text = await (await fetch(`${center.metricsUrl}/metrics`)).text()
  const found = text.split('\n').find((one) => one.startsWith(line))
  return found === undefined ? Number.NaN : Number(found.slice(found.lastIndexOf(' ')))
}

/** All cells and the operator at one center, each call under the token that may make it: what the suite of the port needs. */
export function everybody(url: string): Log {
  const clients = new Map([...CELLS, 'operator'].map((name) => [name, clientOf(name, url)]))
  const operator = clientOf('operator', url)
  const as = (name: string): RemoteLog => clients.get(name.split('/')[0] ?? '') ?? operator
  return {
    adapter: 'remote',
    append: (stream, batch, options) => as(stream).append(stream, batch, options),
    read: (stream, from, options) => as('shenzhen').read(stream, from, options),
    bounds: (stream) => as('shanghai').bounds(stream),
    identity: (stream) => as('beijing').identity(stream),
    trim: (stream, before) => as('operator').trim(stream, before),
    streams: () => as('tokyo').streams(),
    retain: (stream, reader, from) => as(reader).retain(stream, reader, from),
    release: (stream, reader) => as(reader).release(stream, reader),
    async [Symbol.asyncDispose]() {
      for (const client of [...clients.values(), operator]) await client[Symbol.asyncDispose]()
    }
  }
}

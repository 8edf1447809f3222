import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { buildSnapshot, encodeSnapshot, initialLedger, parseTopology, type Snapshot } from '@cellway/topology'
import { generate } from 'selfsigned'
import { goodAnswers } from './good-answers.ts'
import type { World } from './judge.ts'
import { listen, type RecordingUpstream, startRecordingUpstream } from './recording-upstream.ts'

const MAIN = fileURLToPath(new URL('../../services/gateway/src/main.ts', import.meta.url))
const START_MS = 20_000
const STOP_MS = 10_000

/** One gateway process (cell `beijing`) in front of recording upstreams, without a control plane. */
export interface GatewayFixture extends AsyncDisposable {
  readonly port: number
  readonly adminPort: number
  readonly upstreams: readonly RecordingUpstream[]
  readonly world: World
  /** PEM of the certificate, with `tls`. */
  readonly ca: string
  /** The last 16 KiB of what the process wrote: tells why a test failed. */
  output(): string
  /** Resident memory of the gateway's processes. */
  rssBytes(): Promise<number>
}

export interface FixtureOptions {
  readonly tls?: boolean
  /** Merged over the configuration by section. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Origin of an app to use in place of the recording one. */
  readonly app?: string
}

export async function startGateway(options: FixtureOptions = {}): Promise<GatewayFixture> {
  await using stack = new AsyncDisposableStack()
  const beijing = stack.use(await startRecordingUpstream('beijing', goodAnswers))
  // Plays the gateway of the other cell: what reaches it has made a hop.
  const shanghai = stack.use(await startRecordingUpstream('shanghai', goodAnswers))
  const folder = await mkdtemp(join(tmpdir(), 'cellway-conformance-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const [port, adminPort] = [await freePort(), await freePort()]
  const snapshot = makeSnapshot({ app: options.app ?? origin(beijing.port), gateway: origin(port), other: origin(shanghai.port) })
  const signingKey = randomBytes(32)
  const { config, ca } = await writeFiles(folder, { port, adminPort, snapshot, signingKey, options })
  const gateway = stack.use(await startProcess(config, adminPort))
  const resources = stack.move()
  return {
    port,
    adminPort,
    ca,
    upstreams: [beijing, shanghai],
    world: { signingKey, snapshot },
    output: gateway.output,
    rssBytes: () => rssBytesOf(gateway.pid),
    [Symbol.asyncDispose]: () => resources.disposeAsync()
  }
}

export function makeSnapshot(origins: { readonly app: string; readonly gateway: string; readonly other: string }): Snapshot {
  const topology = parseTopology(topologyText(origins))
  if (!topology.ok) throw new Error(`the fixture's topology is wrong: ${JSON.stringify(topology.problems)}`)
  return buildSnapshot({ version: 1, topology: topology.value, ledger: initialLedger(topology.value) })
}

export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

function origin(port: number): string {
  return `http://127.0.0.1:${port}`
}

function topologyText({ app, gateway, other }: { readonly app: string; readonly gateway: string; readonly other: string }): string {
  return `
apiVersion: cellway/v1
cells:
  beijing: {region: cn-north, weight: 1, gateway: "${gateway}", apps: {default: ["${app}"]}}
  shanghai: {region: cn-east, weight: 1, gateway: "${other}", apps: {default: ["${other}"]}}
spaces:
  users: {kind: hash, buckets: 1024}
routes:
  - {name: by-query, match: {path: /api/query/**}, space: users, key: [{query: user_id}], missing: reject}
  - {name: by-cookie, match: {path: /api/cookie/**}, space: users, key: [{cookie: uid}], missing: reject}
  - {name: by-path, match: {path: /api/users/:id/**}, space: users, key: [{path: "/api/users/:id/**"}], missing: reject}
  - {name: by-header, match: {path: /api/**}, space: users, key: [{header: x-user-id}], missing: reject}
  - {name: socket, match: {path: /ws/**}, class: local, websocket: true}
  - {name: slow, match: {path: /open/slow/**}, class: local, timeout: 1s}
  - {name: open, match: {path: /open/**}, class: local}
`
}

interface Files {
  readonly port: number
  readonly adminPort: number
  readonly snapshot: Snapshot
  readonly signingKey: Buffer
  readonly options: FixtureOptions
}

async function writeFiles(folder: string, { port, adminPort, snapshot, signingKey, options }: Files): Promise<{ config: string; ca: string }> {
  const file = (name: string): string => join(folder, name)
  await writeFile(file('snapshot.json'), encodeSnapshot(snapshot))
  await writeFile(file('signing.key'), signingKey.toString('hex'), { mode: 0o600 })
  let ca = ''
  if (options.tls) {
    const made = await generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048, algorithm: 'sha256' })
    ca = made.cert
    await writeFile(file('tls.crt'), made.cert)
    await writeFile(file('tls.key'), made.private, { mode: 0o600 })
  }
  const listenOn = { host: '127.0.0.1', port }
  const config = {
    cell: 'beijing',
    member: 'beijing-conformance',
    listen: options.tls ? { ...listenOn, tls: { certFile: file('tls.crt'), keyFile: file('tls.key') } } : listenOn,
    admin: { host: '127.0.0.1', port: adminPort },
    snapshotFile: file('snapshot.json'),
    workers: 1,
    signing: { keyFile: file('signing.key'), mode: 'all' },
    accessLog: 'off',
    // Hostile upstreams fail on purpose, many times in a row; the breaker has tests of its own.
    breaker: { failuresToOpen: 1_000_000 },
    drain: { readinessWaitMs: 0, deadlineMs: 1_000 },
    ...options.config
  }
  await writeFile(file('gateway.json'), JSON.stringify(config, null, 2))
  return { config: file('gateway.json'), ca }
}

interface GatewayProcess extends AsyncDisposable {
  readonly pid: number
  readonly output: () => string
}

async function startProcess(config: string, adminPort: number): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [MAIN, '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const keep = (piece: Buffer): void => {
    output = (output + piece.toString()).slice(-16_384)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  try {
    await waitUntilReady(child, adminPort, () => output)
  } catch (cause) {
    await stop(child)
    throw cause
  }
  return { pid: child.pid ?? 0, output: () => output, [Symbol.asyncDispose]: () => stop(child) }
}

async function waitUntilReady(child: ChildProcess, adminPort: number, output: () => string): Promise<void> {
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the gateway exited with ${child.exitCode}: ${output()}`)
    const ready = await fetch(`${origin(adminPort)}/health/ready`).then(
      (answer) => answer.ok,
      () => false
    )
    if (ready) return
    await delay(50)
  }
  throw new Error(`the gateway was not ready within ${START_MS} ms: ${output()}`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const forced = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await exited
  clearTimeout(forced)
}

/** Sums the process and its children, since workers may be processes. */
async function rssBytesOf(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  const pids = [pid, ...children.split(' ').filter(Boolean).map(Number)]
  const sizes = await Promise.all(
    pids.map(async (each) => {
      const status = await readFile(`/proc/${each}/status`, 'utf8').catch(() => '')
      return Number(/VmRSS:\s+([0-9]+) kB/.exec(status)?.[1] ?? 0) * 1024
    })
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Cells for the tests of the gateway: real gateway processes before recording apps, with snapshots written as files. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  buildSnapshot,
  checkTopology,
  encodeSnapshot,
  initialLedger,
  type LedgerEntry,
  type RequestContext,
  type Snapshot,
  verifyContext
} from '@cellway/topology'
import { generate } from 'selfsigned'
import t from 'tap'
import { type GatewayProcess, replaceFile, startGatewayProcess } from './gateway-process.ts'
import { type Answer, type SendOptions, send } from './http-client.ts'
import { claimPort } from './ports.ts'
import { headerValue, headerValues, type RecordingApp, type SeenRequest, startApp } from './recording-app.ts'
import { until } from './until.ts'

/** Starting the gateways is most of the time, and depends on what else the machine does. */
const TEST_FILE_MS = 300_000
t.setTimeout(TEST_FILE_MS)

type Json = Readonly<Record<string, unknown>>

export interface WorldOptions {
  readonly cells: readonly string[]
  /** App instances per cell. */
  readonly instances?: number
  /** Before the routes that every world has. */
  readonly routes?: readonly Json[]
  readonly spaces?: Json
  /** Merged over the gateways' configuration by section. */
  readonly config?: Json
  /** The same for single cells. */
  readonly cellConfig?: Readonly<Record<string, Json>>
  readonly tls?: boolean
  /** Start without a snapshot file. */
  readonly withoutSnapshot?: boolean
}

export interface Cell {
  readonly name: string
  readonly port: number
  readonly adminPort: number
  readonly origin: string
  readonly apps: readonly RecordingApp[]
  /** The first of `apps`. */
  readonly app: RecordingApp
  readonly snapshotFile: string
  readonly configFile: string
  readonly caFile: string | undefined
  gateway: GatewayProcess
  send(path: string, options?: SendOptions): Promise<Answer>
}

export interface World extends AsyncDisposable {
  readonly signingKey: Buffer
  /** PEM of the certificate, with `tls`. */
  readonly ca: string
  /** What the first snapshot was made from. */
  readonly topologyText: string
  readonly folder: string
  /** The first cell. */
  readonly first: Cell
  cell(name: string): Cell
  cells(): readonly Cell[]
  snapshot(): Snapshot
  /** Publishes a snapshot in which one bucket has changed (and its epoch has grown); resolves when the gateways have adopted it. */
  setBucket(
    space: string,
    bucket: string,
    change: Partial<Pick<LedgerEntry, 'state'>> & { readonly owner?: string },
    only?: string
  ): Promise<Snapshot>
  /** Writes a text as the snapshot file of these cells. */
  writeSnapshot(text: string, only?: string): Promise<void>
  /** Everything that the apps got since the last call, by cell. */
  take(): Record<string, SeenRequest[]>
  /** Starts the gateway of a cell again, as a new process with the same configuration. */
  restart(name: string): Promise<void>
}

/** The bucket of the key `at-<cell>`, which is pinned there. */
export const bucketAt = (cell: string): string => `pin:at-${cell}`
export const userAt = (cell: string): Record<string, string> => ({ 'x-user-id': `at-${cell}` })

export async function startWorld(options: WorldOptions): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'cellway-gateway-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const signingKey = randomBytes(32)
  await writeFile(join(folder, 'signing.key'), signingKey.toString('hex'), { mode: 0o600 })
  const ca = options.tls === true ? await writeCertificate(folder) : ''
  const plans = await Promise.all(options.cells.map((name) => planCell(name, folder, options, stack)))
  const document = topologyDocument(plans, options)
  const checked = checkTopology(document)
  if (!checked.ok) throw new Error(`the fixture's topology is wrong: ${JSON.stringify(checked.problems, null, 2)}`)
  let current = buildSnapshot({ version: 1, topology: checked.value, ledger: initialLedger(checked.value) })
  if (options.withoutSnapshot !== true) for (const plan of plans) await writeFile(plan.snapshotFile, encodeSnapshot(current))
  const cells = new Map<string, Cell>()
  await Promise.all(plans.map(async (plan) => cells.set(plan.name, await startCell(plan, { folder, options, stack }))))
  const resources = stack.move()
  const cell = (name: string): Cell => {
    const found = cells.get(name)
    if (found === undefined) throw new Error(`there is no cell ${name}`)
    return found
  }
  const writeSnapshot = async (text: string, only?: string): Promise<void> => {
    for (const each of cells.values()) if (only === undefined || only === each.name) await replaceFile(each.snapshotFile, text)
  }
  return {
    signingKey,
    ca,
    topologyText: JSON.stringify(document),
    folder,
    first: cell(options.cells[0] ?? ''),
    cell,
    cells: () => [...cells.values()],
    snapshot: () => current,
    setBucket: async (space, bucket, change, only) => {
      current = changedSnapshot(current, space, bucket, change)
      await writeSnapshot(encodeSnapshot(current), only)
      const waiting = [...cells.values()].filter((each) => only === undefined || only === each.name)
      await Promise.all(waiting.map((each) => untilAdopted(each.gateway, current.version)))
      return current
    },
    writeSnapshot,
    take: () => Object.fromEntries([...cells.values()].map((each) => [each.name, each.apps.flatMap((app) => app.take())])),
    restart: async (name) => {
      const old = cell(name)
      await old.gateway[Symbol.asyncDispose]()
      old.gateway = await startGatewayProcess(old)
      resources.use(old.gateway)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync()
  }
}

export async function untilAdopted(gateway: GatewayProcess, version: number): Promise<void> {
  await until(`every worker has adopted version ${version}`, async () => {
    const { json } = await gateway.admin('/v1/snapshot')
    return json.adopted.version >= version
  })
}

function changedSnapshot(
  before: Snapshot,
  space: string,
  bucket: string,
  change: { readonly owner?: string; readonly state?: LedgerEntry['state'] }
): Snapshot {
  let hits = 0
  const ledger = before.ledger.map((entry): LedgerEntry => {
    if (entry.space !== space || entry.bucket !== bucket) return entry
    hits += 1
    return {
      ...entry,
      owner: (change.owner ?? entry.owner) as LedgerEntry['owner'],
      epoch: (entry.epoch + 1) as LedgerEntry['epoch'],
      state: change.state ?? { kind: 'owned' }
    }
  })
  if (hits !== 1) throw new Error(`bucket ${bucket} of ${space} is there ${hits} times`)
  return buildSnapshot({ version: before.version + 1, topology: before.topology, ledger })
}

export function moving(from: string, to: string): LedgerEntry['state'] {
  return { kind: 'moving', from, to, shift: 'shift-1' } as LedgerEntry['state']
}

interface Plan extends Omit<Cell, 'gateway' | 'send'> {}

async function planCell(name: string, folder: string, options: WorldOptions, stack: AsyncDisposableStack): Promise<Plan> {
  const apps = await Promise.all(Array.from({ length: options.instances ?? 1 }, async () => stack.use(await startApp(name))))
  const [app] = apps
  if (app === undefined) throw new Error('a cell needs an app')
  const port = await claimPort()
  return {
    name,
    port,
    adminPort: await claimPort(),
    origin: `${options.tls === true ? 'https' : 'http'}://127.0.0.1:${port}`,
    apps,
    app,
    snapshotFile: join(folder, `${name}.snapshot.json`),
    configFile: join(folder, `${name}.json`),
    caFile: options.tls === true ? join(folder, 'tls.crt') : undefined
  }
}

async function startCell(
  plan: Plan,
  { folder, options, stack }: { folder: string; options: WorldOptions; stack: AsyncDisposableStack }
): Promise<Cell> {
  await writeFile(plan.configFile, JSON.stringify(gatewayConfig(plan, folder, options), null, 2))
  const gateway = stack.use(await startGatewayProcess({ ...plan, unready: options.withoutSnapshot === true }))
  return { ...plan, gateway, send: (path, sendOptions) => send(plan.origin, path, sendOptions) }
}

/** The configuration of one gateway: the defaults but for probing and draining, overridden by section. */
export function gatewayConfig(
  plan: Pick<Cell, 'name' | 'port' | 'adminPort' | 'snapshotFile'>,
  folder: string,
  options: Pick<WorldOptions, 'config' | 'cellConfig' | 'tls'>
): Json {
  const base: Json = {
    cell: plan.name,
    member: `${plan.name}-gw-1`,
    listen: {
      host: '127.0.0.1',
      port: plan.port,
      ...(options.tls === true ? { tls: { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') } } : {})
    },
    admin: { host: '127.0.0.1', port: plan.adminPort },
    snapshotFile: plan.snapshotFile,
    workers: 1,
    signing: { keyFile: join(folder, 'signing.key'), mode: 'all' },
    accessLog: 'off',
    // Patient: on a busy machine a probe may be late, and only the tests of probing want it quick.
    health: { intervalMs: 1_000, timeoutMs: 1_000, failuresToDown: 5 },
    drain: { readinessWaitMs: 0, deadlineMs: 5_000 }
  }
  const merged: Record<string, unknown> = { ...base }
  for (const [name, value] of [...Object.entries(options.config ?? {}), ...Object.entries(options.cellConfig?.[plan.name] ?? {})]) {
    const before = merged[name]
    const isSection = typeof value === 'object' && value !== null && !Array.isArray(value) && typeof before === 'object'
    merged[name] = isSection ? { ...before, ...value } : value
  }
  return merged
}

const LOCATIONS: Readonly<Record<string, readonly [number, number]>> = { beijing: [39.9, 116.4], shanghai: [31.2, 121.5], shenzhen: [22.5, 114.1] }

function topologyDocument(plans: readonly Plan[], options: WorldOptions): Json {
  const first = plans[0]?.name ?? ''
  return {
    apiVersion: 'cellway/v1',
    cells: Object.fromEntries(
      plans.map((plan) => [
        plan.name,
        { region: 'cn', location: LOCATIONS[plan.name], gateway: plan.origin, apps: { default: plan.apps.map((app) => app.origin) } }
      ])
    ),
    spaces: { users: { kind: 'hash', buckets: 64 }, global: { kind: 'single', primary: first }, ...options.spaces },
    pins: { users: Object.fromEntries(plans.map(({ name }) => [`at-${name}`, name])) },
    routes: [
      ...(options.routes ?? []),
      {
        name: 'users',
        match: { path: '/users/**' },
        space: 'users',
        key: [{ header: 'x-user-id' }],
        missing: 'reject',
        websocket: true,
        timeout: '10s'
      },
      { name: 'products', match: { path: '/products/**' }, space: 'global', reads: 'local', readYourWrites: '2s' },
      { name: 'local', match: { path: '/local/**' }, class: 'local', websocket: true, timeout: '10s' }
    ]
  }
}

async function writeCertificate(folder: string): Promise<string> {
  const altNames = [
    { type: 2 as const, value: 'localhost' },
    { type: 7 as const, ip: '127.0.0.1' }
  ]
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames }]
  })
  await writeFile(join(folder, 'tls.crt'), made.cert)
  await writeFile(join(folder, 'tls.key'), made.private, { mode: 0o600 })
  return made.cert
}

/** The context that an app got, verified as an app would: exactly one of each header, signature good. @throws why not */
export function contextAt(seen: Pick<SeenRequest, 'rawHeaders'> | undefined, signingKey: Buffer): RequestContext {
  if (seen === undefined) throw new Error('the app got no request')
  const names = seen.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
  const internal = names.filter((name) => name.startsWith('x-cellway-'))
  if (new Set(internal).size !== internal.length) throw new Error(`a context header came twice: ${internal.join(', ')}`)
  const verified = verifyContext((name) => headerValue(seen, name), { signingKey, nowSeconds: Math.floor(Date.now() / 1000) })
  if (!verified.ok) throw new Error(verified.reason)
  return verified.context
}

export { headerValue, headerValues }

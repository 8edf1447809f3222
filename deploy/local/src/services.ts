/** Our own processes of a local run: control, center, gateways, replicators, instances of the demo application. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import type { ProcessSpec } from './child.ts'
import { type CellLayout, filesOf, type RunLayout } from './layout.ts'
import { APP_USER, APPLIER_USER, DATABASE, REPLICATOR_USER } from './mariadb.ts'
import { type CellSecrets, operatorCenterToken } from './secrets.ts'

export const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url))

const COMPILE_CACHE = join(REPOSITORY, '.cellway', 'cache', 'node')
/** As it was before the first process of ours made the folder. */
const CACHE_IS_THERE = existsSync(COMPILE_CACHE)
const HOST = '127.0.0.1'
const READY_MS = 45_000
/** Longer than each one's own drain, so that SIGKILL is for those that hang. */
const STOP_MS = 25_000

export interface ServiceOptions {
  readonly layout: RunLayout
  readonly workers: number
}

export function controlSpec({ layout }: ServiceOptions): ProcessSpec {
  const { port, metricsPort, folder } = layout.control
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return {
    ...common(layout, 'control', 'services/control/src/main.ts', []),
    env: {
      ...nodeEnvironment(layout, 'control'),
      CELLWAY_CONTROL_HOST: HOST,
      CELLWAY_CONTROL_PORT: String(port),
      CELLWAY_CONTROL_METRICS_PORT: String(metricsPort),
      CELLWAY_CONTROL_DATA: folder,
      CELLWAY_CONTROL_ADMIN_TOKEN_FILE: filesOf(layout).adminToken
    },
    tier: 1,
    probe: healthy(`http://${HOST}:${port}/health/ready`)
  }
}

export function appSpec(
  { layout }: ServiceOptions,
  cell: CellLayout,
  { secrets, instance }: { secrets: CellSecrets; instance: number }
): ProcessSpec {
  const name = `${cell.name}/app-${instance + 1}`
  const port = cell.ports.apps[instance] ?? 0
  const config = writeConfig(layout, name, {
    cell: cell.name,
    cellNumber: cell.number,
    instance: { index: instance, count: cell.ports.apps.length },
    host: HOST,
    port,
    mysql: { host: HOST, port: cell.ports.mysql, user: APP_USER, password: secrets.mysqlPassword, database: DATABASE },
    redis: { host: HOST, port: cell.ports.redis },
    signingKeyFile: filesOf(layout).signingKey
  })
  return {
    ...common(layout, name, 'deploy/local/src/app/main.ts', ['--config', config]),
    tier: 2,
    probe: healthy(`http://${HOST}:${port}/health`)
  }
}

export function gatewaySpec({ layout, workers }: ServiceOptions, cell: CellLayout): ProcessSpec {
  const name = `${cell.name}/gateway`
  const config = writeConfig(layout, name, {
    cell: cell.name,
    member: `${cell.name}-gw-1`,
    listen: { host: HOST, port: cell.ports.gateway },
    admin: { host: HOST, port: cell.ports.gatewayAdmin },
    control: { urls: [controlUrl(layout)], tokenFile: gatewayTokenFile(layout, cell) },
    snapshotFile: join(cell.folder, 'gateway-snapshot.json'),
    workers,
    signing: { keyFile: filesOf(layout).signingKey, mode: 'all' }
  })
  return {
    ...common(layout, name, 'services/gateway/src/main.ts', ['--config', config]),
    tier: 3,
    probe: healthy(`http://${HOST}:${cell.ports.gatewayAdmin}/health/ready`)
  }
}

/** Its log is the path between the cells; each cell publishes under its own name only. */
export function centerSpec({ layout }: ServiceOptions, secrets: ReadonlyMap<string, CellSecrets>): ProcessSpec {
  const { port, metricsPort, folder } = layout.center
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const cells = layout.cells.map(({ name }) => ({ name, role: 'cell', cell: name, tokenFile: secrets.get(name)?.centerTokenFile }))
  const config = writeConfig(layout, 'center', {
    listen: { host: HOST, port },
    metrics: { host: HOST, port: metricsPort },
    dataFolder: folder,
    tokens: [...cells, { name: 'operator', role: 'operator', tokenFile: operatorCenterToken(filesOf(layout).secrets).file }]
  })
  return {
    ...common(layout, 'center', 'services/center/src/main.ts', ['--config', config]),
    tier: 1,
    probe: healthy(`http://${HOST}:${port}/health/ready`)
  }
}

export function replicatorSpec({ layout }: ServiceOptions, cell: CellLayout, secrets: CellSecrets): ProcessSpec {
  const name = `${cell.name}/replicator`
  const config = writeConfig(layout, name, {
    cell: cell.name,
    member: `${cell.name}-rep-1`,
    mysql: {
      host: HOST,
      port: cell.ports.mysql,
      user: REPLICATOR_USER,
      passwordFile: secrets.replicatorPasswordFile,
      applier: { user: APPLIER_USER, passwordFile: secrets.applierPasswordFile }
    },
    center: { url: `http://${HOST}:${layout.center.port}`, tokenFile: secrets.centerTokenFile },
    control: { urls: [controlUrl(layout)], tokenFile: replicatorTokenFile(layout, cell) },
    snapshotFile: join(cell.folder, 'replicator-snapshot.json'),
    admin: { host: HOST, port: cell.ports.replicatorAdmin },
    spillFolder: join(cell.folder, 'spill')
  })
  return {
    ...common(layout, name, 'services/replicator/src/main.ts', ['--config', config]),
    tier: 2,
    probe: healthy(`http://${HOST}:${cell.ports.replicatorAdmin}/health/ready`)
  }
}

export function controlUrl(layout: RunLayout): string {
  return `http://${HOST}:${layout.control.port}`
}

export function gatewayTokenFile(layout: RunLayout, cell: CellLayout): string {
  return join(filesOf(layout).secrets, `${cell.name}-gateway.token`)
}

export function replicatorTokenFile(layout: RunLayout, cell: CellLayout): string {
  return join(filesOf(layout).secrets, `${cell.name}-replicator.token`)
}

export function logFileOf(layout: RunLayout, name: string): string {
  return join(filesOf(layout).logs, `${name.replaceAll('/', '-')}.log`)
}

function common(layout: RunLayout, name: string, program: string, args: readonly string[]) {
  return {
    name,
    command: process.execPath,
    args: [join(REPOSITORY, program), ...args],
    env: nodeEnvironment(layout, name),
    cwd: REPOSITORY,
    logFile: logFileOf(layout, name),
    stopMs: STOP_MS,
    readyMs: READY_MS
  }
}

/**
 * A dozen Node processes start at once: compiled code is kept between starts of this clone, which halves their CPU. It is written
 * when a process ends; the first time one process of each kind does that, or the first stop would take longer than the start.
 */
function nodeEnvironment(layout: RunLayout, name: string): Readonly<Record<string, string>> {
  const [first] = layout.cells
  const writers = ['control', 'center', `${first?.name}/app-1`, `${first?.name}/gateway`, `${first?.name}/replicator`]
  return CACHE_IS_THERE || writers.includes(name) ? { NODE_COMPILE_CACHE: COMPILE_CACHE } : {}
}

/** Holds passwords, therefore 0600. */
function writeConfig(layout: RunLayout, name: string, config: unknown): string {
  const file = join(layout.folder, 'config', `${name.replaceAll('/', '-')}.json`)
  mkdirSync(join(layout.folder, 'config'), { recursive: true, mode: 0o700 })
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  return file
}

function healthy(url: string): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    const { statusCode, body } = await request(url, { signal })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`${url} says ${statusCode} ${text.slice(0, 300)}`)
  }
}

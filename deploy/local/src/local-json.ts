import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BASE_PORT_DEFAULT, filesOf, type RunLayout, runFolder } from './layout.ts'
import { ADMIN_USER, APP_USER, DATABASE } from './mariadb.ts'
import { isRunning, readProcesses } from './processes.ts'
import type { CellSecrets } from './secrets.ts'

interface StoreAddress {
  readonly host: string
  readonly port: number
}

/** Every endpoint and credential of a run, for scripts and for the CLI. */
export interface LocalJson {
  readonly basePort: number
  readonly folder: string
  /** The topology file that was applied at the first start. */
  readonly topology: string
  readonly control: { readonly url: string; readonly metrics: string; readonly token: string }
  /** The token is the operators'. */
  readonly center: { readonly url: string; readonly metrics: string; readonly token: string }
  readonly cells: Readonly<
    Record<
      string,
      {
        readonly gateway: string
        readonly gatewayAdmin: string
        /** The first instance; `apps` has all of them. */
        readonly app: string
        readonly apps: readonly string[]
        readonly mysql: StoreAddress & {
          readonly user: string
          readonly password: string
          readonly database: string
          readonly adminUser: string
          readonly adminPassword: string
        }
        readonly redis: StoreAddress
        /** Its admin listener; commands go through control. */
        readonly replicator: string
      }
    >
  >
}

const HOST = '127.0.0.1'

interface Credentials {
  readonly token: string
  readonly centerToken: string
  readonly secrets: ReadonlyMap<string, CellSecrets>
}

export function localJsonOf(layout: RunLayout, { token, centerToken, secrets }: Credentials): LocalJson {
  const url = (port: number) => `http://${HOST}:${port}`
  return {
    basePort: layout.basePort,
    folder: layout.folder,
    topology: filesOf(layout).topology,
    control: { url: url(layout.control.port), metrics: `${url(layout.control.metricsPort)}/metrics`, token },
    center: { url: url(layout.center.port), metrics: `${url(layout.center.metricsPort)}/metrics`, token: centerToken },
    cells: Object.fromEntries(
      layout.cells.map(({ name, ports }) => [
        name,
        {
          gateway: url(ports.gateway),
          gatewayAdmin: url(ports.gatewayAdmin),
          app: url(ports.apps[0] ?? 0),
          apps: ports.apps.map(url),
          mysql: {
            host: HOST,
            port: ports.mysql,
            user: APP_USER,
            password: secrets.get(name)?.mysqlPassword ?? '',
            database: DATABASE,
            adminUser: ADMIN_USER,
            adminPassword: secrets.get(name)?.mysqlAdminPassword ?? ''
          },
          redis: { host: HOST, port: ports.redis },
          replicator: url(ports.replicatorAdmin)
        }
      ])
    )
  }
}

/** Into the run's folder; and as the shared file when this is the default run, or nobody else's is there. */
export function publishLocalJson(layout: RunLayout, content: LocalJson): void {
  const files = filesOf(layout)
  writeWhole(files.localJson, content)
  const others = aliveRuns(layout.root).filter((basePort) => basePort !== layout.basePort)
  if (layout.basePort === BASE_PORT_DEFAULT || others.length === 0) writeWhole(files.localJsonShared, content)
}

/** A file that names endpoints nobody serves would send scripts astray. */
export function withdrawLocalJson(layout: Pick<RunLayout, 'root' | 'folder' | 'basePort'>): void {
  const files = filesOf(layout)
  rmSync(files.localJson, { force: true })
  if (readLocalJson(files.localJsonShared)?.basePort === layout.basePort) rmSync(files.localJsonShared, { force: true })
}

export function readLocalJson(file: string): LocalJson | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as LocalJson
  } catch {
    return undefined
  }
}

/** Base ports of the runs whose supervisor lives. */
export function aliveRuns(root: string): number[] {
  if (!existsSync(root)) return []
  return readdirSync(root)
    .flatMap((name) => /^run-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .filter((basePort) => {
      const processes = readProcesses(join(runFolder(root, basePort), 'processes.json'))
      return processes !== undefined && isRunning(processes.supervisor)
    })
}

function writeWhole(file: string, content: LocalJson): void {
  const fresh = `${file}.${process.pid}.new`
  writeFileSync(fresh, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
  renameSync(fresh, file)
}

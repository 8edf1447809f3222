/** A gateway as it runs in production, without a control plane: 50 routes, 1024 buckets, signed context, metrics, access log. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bucketOfKey, buildSnapshot, checkTopology, encodeSnapshot, initialLedger } from '@cellway/topology'

export const GATEWAY_MAIN = fileURLToPath(new URL('../../../services/gateway/src/main.ts', import.meta.url))
export const ROUTES = 50
export const BUCKETS = 1024

export interface RoutedCell {
  readonly folder: string
  readonly port: number
  readonly adminPort: number
  readonly apps: readonly string[]
  /** Merged over the configuration by section. */
  readonly config?: Readonly<Record<string, unknown>>
}

/** Writes snapshot, key and configuration into the folder. @returns the configuration's file. */
export async function writeRoutedCell({ folder, port, adminPort, apps, config = {} }: RoutedCell): Promise<string> {
  const topology = checkTopology(topologyDocument(`http://127.0.0.1:${port}`, apps))
  if (!topology.ok) throw new Error(`the topology is wrong: ${JSON.stringify(topology.problems)}`)
  const snapshot = buildSnapshot({ version: 1, topology: topology.value, ledger: initialLedger(topology.value) })
  const file = (name: string): string => join(folder, name)
  await writeFile(file('snapshot.json'), encodeSnapshot(snapshot))
  await writeFile(file('signing.key'), randomBytes(32).toString('hex'), { mode: 0o600 })
  const complete = {
    cell: 'beijing',
    member: 'beijing-gw-1',
    listen: { host: '127.0.0.1', port },
    admin: { host: '127.0.0.1', port: adminPort },
    snapshotFile: file('snapshot.json'),
    workers: 1,
    signing: { keyFile: file('signing.key'), mode: 'all' },
    accessLog: 'all',
    ...config
  }
  await writeFile(file('gateway.json'), JSON.stringify(complete, null, 2))
  return file('gateway.json')
}

/** The path of the `index`-th request: all routes take their turn. */
export function routedPath(index: number): string {
  return `/api/service-${index % ROUTES}/orders/${1000 + index}`
}

export function bucketOfUser(user: string): string {
  return String(bucketOfKey(user, BUCKETS))
}

/** The other cells are standbys: they own nothing, so every request stays here and costs no hop. */
function topologyDocument(gateway: string, apps: readonly string[]): unknown {
  const standby = (region: string): unknown => ({ region, role: 'standby', gateway, apps: { default: apps } })
  return {
    apiVersion: 'cellway/v1',
    cells: { beijing: { region: 'cn-north', gateway, apps: { default: apps } }, shanghai: standby('cn-east'), shenzhen: standby('cn-south') },
    spaces: { users: { kind: 'hash', buckets: BUCKETS } },
    routes: Array.from({ length: ROUTES }, (_, index) => ({
      name: `service-${index}`,
      match: { path: `/api/service-${index}/**` },
      space: 'users',
      key: [{ header: 'x-user-id' }, { cookie: 'uid' }],
      missing: 'reject'
    }))
  }
}

/** Topologies and sessions for the tests of preflight and bootstrap. */
import { buildSnapshot, checkTopology, initialLedger, type LedgerEntry, type Snapshot, type Topology } from '@cellway/topology'
import { openSession, type Session, type SessionOptions } from '../../../services/replicator/src/store/session.ts'

export interface Declared {
  readonly table: string
  readonly class?: 'local'
  readonly space?: string
  readonly column?: string
}

export const THREE_CELLS = ['beijing', 'shanghai', 'shenzhen'] as const

export function topologyOf(tables: readonly Declared[], cells: readonly string[] = THREE_CELLS): Topology {
  const checked = checkTopology({
    apiVersion: 'cellway/v1',
    cells: Object.fromEntries(
      cells.map((name, at) => [
        name,
        { region: 'r', gateway: `http://127.0.0.1:${7100 + at}`, weight: 1, apps: { default: ['http://127.0.0.1:7102'] } }
      ])
    ),
    spaces: { users: { kind: 'hash', buckets: 64 }, areas: { kind: 'list', values: ['bj', 'sh'], assign: { bj: cells[0], sh: cells[1] } } },
    routes: [{ match: { path: '/**' }, space: 'users', key: [{ header: 'x-user' }], missing: 'reject' }],
    data: { mysql: tables }
  })
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return checked.value
}

export function snapshotOf(topology: Topology, change: (entry: LedgerEntry) => LedgerEntry = (entry) => entry): Snapshot {
  return buildSnapshot({ version: 1, topology, ledger: initialLedger(topology).map(change) })
}

export interface Server {
  readonly host: string
  readonly port: number
}

export function sessionOn(server: Server, options: Partial<SessionOptions> & { readonly user?: string } = {}): Promise<Session> {
  const { user = 'root', role = 'plain', signal = AbortSignal.timeout(120_000), ...rest } = options
  return openSession({ host: server.host, port: server.port, user, password: '' }, { role, signal, ...rest })
}

/**
 * Every precondition of capture and apply, looked at on the server itself. Reads only; needs no privilege that the replicator does not
 * need anyway, and what it may not see it leaves out rather than guess. Settings of a session (time zone, SQL mode, isolation, character
 * sets) are no preconditions: every session of the replicator sets its own. `log_bin_compress` and compressed transactions are fine.
 */
import { cellNumbers, type Snapshot } from '@cellway/topology'
import { type PreflightSession, readFacts, type ServerFacts } from './facts.ts'
import { type Finding, warningFinding } from './finding.ts'
import { judgeGrants } from './grants.ts'
import { judgeServer, type PeerServer, type PreflightRole } from './judge-server.ts'
import { judgeTables } from './judge-tables.ts'

export type { PreflightSession } from './facts.ts'
export type { Finding, FindingCode } from './finding.ts'
export { grants, type ReplicatorAccount } from './grants.ts'
export type { PeerServer, PreflightRole } from './judge-server.ts'

export interface PreflightOptions {
  readonly snapshot: Snapshot
  readonly cell: string
  readonly role: PreflightRole
  /** What marks applied changes on MariaDB. */
  readonly reservedServerId: number
  readonly rpo?: 'default' | 'zero'
  readonly peers?: readonly PeerServer[]
  /** User name of the appliers' account; that of the session when it is left out. */
  readonly applierUser?: string
}

/** Errors first. Nothing found means that capture and apply can start. */
export async function preflight(session: PreflightSession, options: PreflightOptions): Promise<Finding[]> {
  return judge(await readFacts(session), options)
}

/** Pure. */
export function judge(
  facts: ServerFacts,
  { snapshot, cell, role, reservedServerId, rpo = 'default', peers = [], applierUser }: PreflightOptions
): Finding[] {
  const { topology } = snapshot
  const replicated = topology.data.mysql.filter(({ kind }) => kind === 'space').map(({ table }) => table)
  const schemas = [...new Set(replicated.map((table) => table.slice(0, table.indexOf('.'))))]
  const cellNumber = [...cellNumbers(topology)].find(([id]) => id === cell)?.[1] ?? 0
  const countsIds = facts.tables.some(
    ({ schema, name, columns }) => replicated.includes(`${schema}.${name}`) && columns.some(({ autoIncrement }) => autoIncrement)
  )
  const [ownUser = ''] = facts.account.split('@')
  const found = [
    ...judgeServer(facts, { role, cellNumber, cells: Object.keys(topology.cells).length, reservedServerId, rpo, peers, schemas, countsIds }),
    ...judgeGrants(facts.grants, { role, flavour: facts.flavour, account: facts.account, schemas }),
    ...judgeTables(facts, { role, topology, reservedServerId, applierUser: applierUser ?? ownUser }),
    ...judgeAccounts(facts)
  ]
  return found.toSorted((left, right) => Number(left.level === 'warning') - Number(right.level === 'warning'))
}

/** Accounts of the server itself; they are locked or belong to its makers. */
const OWN_OF_SERVER = /^'(?:mariadb\.sys|mysql\.(?:sys|session|infoschema))'@/

function judgeAccounts({ hidingAccounts, account, flavour }: ServerFacts): Finding[] {
  const own = account.replace(/^(.*)@(.*)$/, "'$1'@'$2'")
  return [...hidingAccounts]
    .filter(([name]) => name !== own && !OWN_OF_SERVER.test(name))
    .map(([name, privileges]) => {
      const what = `${name} holds ${privileges.join(', ')}, and so can write with sql_log_bin = 0`
      return warningFinding('PRE_ACCOUNT_HIDES_WRITES', { what, fixSql: `REVOKE ${privileges.join(', ')} ON *.* FROM ${accountOf(name, flavour)};` })
    })
}

/** A role of MariaDB has no host. */
function accountOf(name: string, flavour: ServerFacts['flavour']): string {
  return flavour === 'mariadb' ? name.replace(/@''$/, '') : name
}

import { isCellwayError } from '@cellway/base'
import type { ControlClient, Status } from '@cellway/client'
import type { Topology } from '@cellway/topology'
import { reasonOf } from '../connection.ts'
import { type Finding, fail, ok, unknown } from './finding.ts'
import { examineApp, examineGateway, type Wanted } from './http.ts'
import type { CellInventory } from './inventory.ts'
import { examineMysql, judgeClock, judgeTogether, type MysqlExamination } from './mysql.ts'
import { examineRedis } from './redis.ts'

export interface ControlExamination {
  readonly status: Status | undefined
  readonly topology: Topology | undefined
  readonly findings: readonly Finding[]
}

/** Control first: it says which version everybody should have, and which cells there are. */
export async function examineControl(client: ControlClient, { url, signal }: { url: string; signal: AbortSignal }): Promise<ControlExamination> {
  try {
    const beforeMs = Date.now()
    const status = await client.status({ signal })
    const skewMs = Date.parse(status.time) - (beforeMs + Date.now()) / 2
    const topology = (await client.topology({ signal }))?.topology
    return { status, topology, findings: [ok('control', 'reachable', url), judgeVersion(status), judgeClock('control', skewMs)] }
  } catch (error) {
    signal.throwIfAborted()
    const fix =
      isCellwayError(error) && error.statusCode === 401
        ? ['give the right token: --token-file FILE or CELLWAY_TOKEN']
        : [`curl -sS ${url}/health/ready`, 'start control again; traffic goes on without it']
    return {
      status: undefined,
      topology: undefined,
      findings: [fail('control', 'reachable', { measured: reasonOf(error), wanted: `an answer from ${url}`, fix })]
    }
  }
}

function judgeVersion({ version, checksum }: Status): Finding {
  if (version > 0) return ok('control', 'topology', `version ${version}, ${checksum?.slice(0, 12)}`)
  return fail('control', 'topology', {
    measured: 'none was applied yet',
    wanted: 'a topology',
    fix: ['cellway topology apply FILE --reason "first topology"']
  })
}

export interface CellsExamination {
  readonly inventory: readonly CellInventory[]
  readonly status: Status | undefined
  /** Of the whole installation, also when only one is examined. */
  readonly cells: number
  readonly signal: AbortSignal
}

/** Every part of every cell at once; the slowest bound is a few seconds. */
export async function examineCells({ inventory, status, cells, signal }: CellsExamination): Promise<readonly Finding[]> {
  const wanted: Wanted | undefined =
    status === undefined || status.checksum === null ? undefined : { version: status.version, checksum: status.checksum }
  const mysql = new Map<string, Promise<MysqlExamination>>()
  const findings = await Promise.all(
    inventory.map(async (cell) => {
      if (cell.mysql !== undefined) mysql.set(cell.cell, examineMysql(cell.cell, cell.mysql, { cells, signal }))
      const parts = await Promise.all([
        examineGateways(cell, { status, wanted, signal }),
        ...cell.apps.map(async (origin) => [await examineApp(cell.cell, origin, signal)]),
        mysql.get(cell.cell)?.then((examination) => examination.findings) ?? [],
        cell.redis === undefined ? [] : examineRedis(cell.cell, cell.redis, signal)
      ])
      return [...parts.flat(), ...missingParts(cell)]
    })
  )
  const facts = await Promise.all([...mysql].map(async ([cell, examination]) => [cell, (await examination).facts] as const))
  return [...findings.flat(), ...judgeTogether(new Map(facts.flatMap(([cell, known]) => (known === undefined ? [] : [[cell, known] as const]))))]
}

async function examineGateways(
  { cell, gatewayAdmin }: CellInventory,
  { status, wanted, signal }: { status: Status | undefined; wanted: Wanted | undefined; signal: AbortSignal }
): Promise<readonly Finding[]> {
  if (gatewayAdmin !== undefined) return examineGateway(cell, gatewayAdmin, { wanted, signal })
  return gatewaysAsReported(cell, status)
}

/** Without an admin address, what gateways told control has to do. */
export function gatewaysAsReported(cell: string, status: Status | undefined): readonly Finding[] {
  const subject = `${cell}/gateway`
  if (status === undefined) return [unknown(subject, 'snapshot', { measured: 'neither its admin address nor control is known', fix: [] })]
  const gateways = status.members.filter((member) => member.cell === cell && member.kind === 'gateway')
  if (gateways.length === 0)
    return [
      fail(subject, 'snapshot', {
        measured: 'no gateway of this cell has connected to control',
        wanted: 'at least one',
        fix: ['start a gateway, or look into its log why it cannot reach control']
      })
    ]
  return gateways.map(({ member, version, state }) =>
    state === 'current'
      ? ok(subject, member, `version ${version}`)
      : fail(subject, member, {
          measured: `${state}, version ${version ?? 'none'}`,
          wanted: `version ${status.version}`,
          fix: ['look into its log', 'cellway status --watch']
        })
  )
}

function missingParts({ cell, apps, mysql, redis, notes }: CellInventory): readonly Finding[] {
  const reasons = notes.length === 0 ? 'its address is in neither the topology nor the local run' : notes.join('; ')
  const fixApps = [`in the topology file:  cells.${cell}.apps: {default: ["http://HOST:PORT"]}`]
  const fixMysql = [`in the topology file:  cells.${cell}.stores.mysql: {host: …, port: …, user: …, password: "env:NAME"}, and set NAME here`]
  const fixRedis = [`in the topology file:  cells.${cell}.stores.redis: {host: …, port: …}`]
  return [
    ...(apps.length === 0 ? [unknown(`${cell}/app`, 'instances', { measured: 'none is known', fix: fixApps })] : []),
    ...(mysql === undefined ? [unknown(`${cell}/mysql`, 'settings', { measured: reasons, fix: fixMysql })] : []),
    ...(redis === undefined ? [unknown(`${cell}/redis`, 'settings', { measured: reasons, fix: fixRedis })] : [])
  ]
}

import { readFileSync } from 'node:fs'
import type { CellConfig, Topology } from '@cellway/topology'
import type { LocalCell, LocalFile } from '../connection.ts'
import { reasonOf } from '../connection.ts'
import { secretUnresolved } from '../errors.ts'

/** What there is to examine in one cell, and how to get at it. */
export interface CellInventory {
  readonly cell: string
  readonly number: number | undefined
  readonly gatewayAdmin: string | undefined
  readonly apps: readonly string[]
  readonly mysql: MysqlAccess | undefined
  readonly redis: RedisAccess | undefined
  /** Why a part is missing or cannot be reached, in words. */
  readonly notes: readonly string[]
}

export interface MysqlAccess {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}

export interface RedisAccess {
  readonly host: string
  readonly port: number
  readonly password?: string
}

/** The local run's file knows admin accounts; the topology knows every cell. What both know, the file wins. */
export function takeInventory(topology: Topology | undefined, local: LocalFile | undefined, env: NodeJS.ProcessEnv): readonly CellInventory[] {
  const names = new Set([...Object.keys(topology?.cells ?? {}), ...Object.keys(local?.cells ?? {})])
  return [...names].map((cell) => cellInventory(cell, { config: cellOf(topology, cell), local: local?.cells[cell], env }))
}

interface Sources {
  readonly config: CellConfig | undefined
  readonly local: LocalCell | undefined
  readonly env: NodeJS.ProcessEnv
}

function cellInventory(cell: string, { config, local, env }: Sources): CellInventory {
  const notes: string[] = []
  const apps = local?.apps ?? (local === undefined ? Object.values(config?.apps ?? {}).flat() : [local.app])
  return {
    cell,
    number: config?.number,
    gatewayAdmin: local?.gatewayAdmin,
    apps: [...new Set(apps)],
    mysql: local === undefined ? attempt(() => mysqlOf(config, env), notes) : localMysql(local),
    redis: local === undefined ? attempt(() => redisOf(config, env), notes) : local.redis,
    notes
  }
}

function localMysql({ mysql }: LocalCell): MysqlAccess {
  const { host, port, adminUser, adminPassword } = mysql
  return { host, port, user: adminUser ?? mysql.user, password: adminPassword ?? mysql.password }
}

function mysqlOf(config: CellConfig | undefined, env: NodeJS.ProcessEnv): MysqlAccess | undefined {
  const store = config?.stores.mysql
  if (!isRecord(store) || typeof store.host !== 'string') return undefined
  return {
    host: store.host,
    port: typeof store.port === 'number' ? store.port : 3306,
    user: secret(store.user, env),
    password: secret(store.password, env)
  }
}

function redisOf(config: CellConfig | undefined, env: NodeJS.ProcessEnv): RedisAccess | undefined {
  const store = config?.stores.redis
  if (!isRecord(store) || typeof store.host !== 'string') return undefined
  const password = secret(store.password, env)
  return { host: store.host, port: typeof store.port === 'number' ? store.port : 6379, ...(password === '' ? {} : { password }) }
}

/** `env:NAME` and `file:/path` stand for what is there; other text is itself. @throws CLI_SECRET_UNRESOLVED */
function secret(value: unknown, env: NodeJS.ProcessEnv): string {
  if (typeof value !== 'string') return ''
  if (value.startsWith('env:')) {
    const found = env[value.slice(4)]
    if (found === undefined) throw secretUnresolved({ reference: value, reason: 'the variable is not set here' })
    return found
  }
  if (!value.startsWith('file:')) return value
  try {
    return readFileSync(value.slice(5), 'utf8').trim()
  } catch (cause) {
    throw secretUnresolved({ reference: value, reason: reasonOf(cause) }, { cause })
  }
}

function attempt<Value>(read: () => Value, notes: string[]): Value | undefined {
  try {
    return read()
  } catch (error) {
    notes.push(reasonOf(error))
    return undefined
  }
}

function cellOf(topology: Topology | undefined, cell: string): CellConfig | undefined {
  return topology === undefined ? undefined : Object.entries<CellConfig>(topology.cells).find(([name]) => name === cell)?.[1]
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

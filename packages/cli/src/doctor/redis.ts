import { Redis } from 'ioredis'
import { reasonOf } from '../connection.ts'
import { type Finding, fail, ok, unknown, warn } from './finding.ts'
import type { RedisAccess } from './inventory.ts'
import { judgeClock } from './mysql.ts'

export interface RedisFacts {
  /** `INFO` as name → value. */
  readonly info: Readonly<Record<string, string>>
  /** `CONFIG GET save`, or undefined when CONFIG is forbidden. */
  readonly save: string | undefined
  readonly clockSkewMs: number | undefined
}

const CONNECT_MS = 3000

export async function examineRedis(cell: string, access: RedisAccess, signal: AbortSignal): Promise<readonly Finding[]> {
  const subject = `${cell}/redis`
  const { host, port } = access
  try {
    return judgeRedis(subject, await readFacts(access), access)
  } catch (error) {
    signal.throwIfAborted()
    return [
      fail(subject, 'reachable', { measured: reasonOf(error), wanted: `a PONG from ${host}:${port}`, fix: [`redis-cli -h ${host} -p ${port} ping`] })
    ]
  }
}

async function readFacts(access: RedisAccess): Promise<RedisFacts> {
  let failure: Error | undefined
  const redis = new Redis({
    ...access,
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    commandTimeout: CONNECT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null
  })
  redis.on('error', (error: Error) => {
    failure = error
  })
  try {
    await redis.connect()
    const info = parseInfo(await redis.info())
    const beforeMs = Date.now()
    const [seconds, micros] = await redis.time()
    const clockSkewMs = Number(seconds) * 1000 + Number(micros) / 1000 - (beforeMs + Date.now()) / 2
    return { info, save: await readSave(redis), clockSkewMs }
  } catch (error) {
    // "Connection is closed" is what a command says; why it was closed is in the event.
    throw failure ?? error
  } finally {
    redis.disconnect()
  }
}

async function readSave(redis: Redis): Promise<string | undefined> {
  try {
    // Flat in RESP2, a map in RESP3.
    const answer: unknown = await redis.config('GET', 'save')
    if (Array.isArray(answer)) return String(answer[1] ?? '')
    return typeof answer === 'object' && answer !== null && 'save' in answer ? String(answer.save) : ''
  } catch {
    return undefined
  }
}

/** Pure. */
export function judgeRedis(subject: string, { info, save, clockSkewMs }: RedisFacts, { host, port }: RedisAccess): readonly Finding[] {
  const cli = `redis-cli -h ${host} -p ${port}`
  return [
    ok(subject, 'reachable', `Redis ${info.redis_version ?? '?'}, ${info.role ?? 'unknown role'}`),
    judgePersistence(subject, { info, save, cli }),
    judgeLastWrite(subject, info, cli),
    judgeClock(subject, clockSkewMs)
  ]
}

interface Persistence {
  readonly info: Readonly<Record<string, string>>
  readonly save: string | undefined
  readonly cli: string
}

function judgePersistence(subject: string, { info, save, cli }: Persistence): Finding {
  if (info.aof_enabled === '1') return ok(subject, 'persistence', 'append-only file')
  const fix = [`${cli} CONFIG SET appendonly yes`, `${cli} CONFIG REWRITE   # so that it survives a restart`]
  if (save === undefined) return unknown(subject, 'persistence', { measured: 'no append-only file, and CONFIG is forbidden to this user', fix })
  if (save === '') return fail(subject, 'persistence', { measured: 'none: a restart loses everything', wanted: 'append-only file', fix })
  return warn(subject, 'persistence', {
    measured: `snapshots only (save ${save})`,
    wanted: 'append-only file: a crash loses a second, not minutes',
    fix
  })
}

function judgeLastWrite(subject: string, info: Readonly<Record<string, string>>, cli: string): Finding {
  const failed = ['aof_last_write_status', 'aof_last_bgrewrite_status', 'rdb_last_bgsave_status'].filter(
    (name) => info[name] !== undefined && info[name] !== 'ok'
  )
  if (failed.length === 0) return ok(subject, 'last save', 'ok')
  return fail(subject, 'last save', {
    measured: failed.map((name) => `${name} ${info[name]}`).join(', '),
    wanted: 'ok',
    fix: [`${cli} INFO persistence`, 'df -h   # a full disk is the usual cause']
  })
}

export function parseInfo(text: string): Record<string, string> {
  const pairs = text.split(/\r?\n/).flatMap((line) => {
    const at = line.indexOf(':')
    return line.startsWith('#') || at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const]
  })
  return Object.fromEntries(pairs)
}

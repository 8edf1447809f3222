import { readFileSync } from 'node:fs'
import { configInvalid } from './errors.ts'

export interface AppConfig {
  readonly cell: string
  /** 0 to 15, different in each cell; becomes part of every id this process mints. */
  readonly cellNumber: number
  /** Which of the cell's instances of this application; each mints other ids. */
  readonly instance: { readonly index: number; readonly count: number }
  readonly host: string
  readonly port: number
  readonly mysql: { readonly host: string; readonly port: number; readonly user: string; readonly password: string; readonly database: string }
  readonly redis: { readonly host: string; readonly port: number }
  /** The key the gateways sign contexts with. */
  readonly signingKeyFile: string
  /** Buckets of the space `users`; order numbers carry one. At most 1024, which is what fits into an id. */
  readonly userBuckets: number
  /** How long `/health` says 503 before the listener closes, so that gateways stop sending first. */
  readonly drainMs: number
}

type Row = Readonly<Record<string, unknown>>

/** @throws APP_CONFIG_INVALID with every problem of the file. */
export function readConfig(file: string): AppConfig {
  const problems: string[] = []
  const top = readObject(file, problems)
  const mysql = section(top, 'mysql', problems)
  const redis = section(top, 'redis', problems)
  const instance = section({ instance: { index: 0, count: 1 }, ...top }, 'instance', problems)
  const instances = integer(instance, 'instance.count', { min: 1, max: 16 }, problems)
  const config: AppConfig = {
    cell: text(top, 'cell', problems),
    cellNumber: integer(top, 'cellNumber', { min: 0, max: 15 }, problems),
    instance: { index: integer(instance, 'instance.index', { min: 0, max: instances - 1 }, problems), count: instances },
    host: text(top, 'host', problems, '127.0.0.1'),
    port: integer(top, 'port', { min: 0, max: 65535 }, problems),
    mysql: {
      host: text(mysql, 'mysql.host', problems, '127.0.0.1'),
      port: integer(mysql, 'mysql.port', { min: 1, max: 65535 }, problems),
      user: text(mysql, 'mysql.user', problems),
      password: text(mysql, 'mysql.password', problems, ''),
      database: text(mysql, 'mysql.database', problems, 'shop')
    },
    redis: { host: text(redis, 'redis.host', problems, '127.0.0.1'), port: integer(redis, 'redis.port', { min: 1, max: 65535 }, problems) },
    signingKeyFile: text(top, 'signingKeyFile', problems),
    userBuckets: integer(top, 'userBuckets', { min: 1, max: 1024, fallback: 1024 }, problems),
    drainMs: integer(top, 'drainMs', { min: 0, max: 60_000, fallback: 1000 }, problems)
  }
  problems.push(...unknownFields(top, '', config), ...unknownFields(instance, 'instance.', config.instance))
  problems.push(...unknownFields(mysql, 'mysql.', config.mysql), ...unknownFields(redis, 'redis.', config.redis))
  if (problems.length > 0) throw configInvalid({ file, problems })
  return Object.freeze(config)
}

/** At least 32 bytes; 64 and more hex digits are read as hex, anything else as text, as gateways do it. @throws APP_CONFIG_INVALID */
export function readSigningKey(file: string): Buffer {
  const text = readFileSync(file, 'utf8').trim()
  const key = /^[0-9a-f]{64,}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'utf8')
  if (key.length < 32) throw configInvalid({ file, problems: ['the signing key needs at least 32 bytes; make one with: openssl rand -hex 32'] })
  return key
}

function readObject(file: string, problems: string[]): Row {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isRow(value)) return value
    problems.push('the file must hold one JSON object')
  } catch (cause) {
    problems.push(cause instanceof Error ? cause.message : String(cause))
  }
  return {}
}

function section(row: Row, name: string, problems: string[]): Row {
  const value = row[name]
  if (isRow(value)) return value
  problems.push(`${name}: must be an object`)
  return {}
}

function text(row: Row, path: string, problems: string[], fallback?: string): string {
  const value = row[fieldOf(path)] ?? fallback
  if (typeof value === 'string' && (value !== '' || fallback === '')) return value
  problems.push(`${path}: must be a text`)
  return ''
}

function integer(row: Row, path: string, range: { min: number; max: number; fallback?: number }, problems: string[]): number {
  const value = row[fieldOf(path)] ?? range.fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= range.min && value <= range.max) return value
  problems.push(`${path}: must be an integer from ${range.min} to ${range.max}`)
  return range.min
}

function unknownFields(row: Row, prefix: string, known: object): string[] {
  return Object.keys(row)
    .filter((name) => !Object.hasOwn(known, name))
    .map((name) => `${prefix}${name}: unknown field`)
}

function fieldOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1)
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

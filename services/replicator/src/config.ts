import { readFileSync } from 'node:fs'
import { SETTING_PROBLEMS_MAX, settingProblems } from '@cellway/base'
import { POLICIES, type PolicyConfig } from '@cellway/conflict'
import { type Static, Type } from 'typebox'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import { configInvalid } from './errors.ts'
import type { MysqlConfig } from './store/session.ts'

Settings.Set({ maxErrors: SETTING_PROBLEMS_MAX })

const Port = Type.Integer({ minimum: 0, maximum: 65535 })
const Milliseconds = (byDefault: number, minimum = 1) => Type.Integer({ minimum, maximum: 3_600_000, default: byDefault })
const MEBIBYTE = 1024 * 1024
const Url = Type.String({ pattern: '^https?://' })
const strict = <Properties extends Parameters<typeof Type.Object>[0]>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false })

const Account = { user: Type.String({ minLength: 1 }), passwordFile: Type.Optional(Type.String()), passwordEnv: Type.Optional(Type.String()) }
const Token = { tokenFile: Type.Optional(Type.String()), tokenEnv: Type.Optional(Type.String()) }
const PolicyRow = {
  policy: Type.Union(POLICIES.map((name) => Type.Literal(name))),
  column: Type.Optional(Type.String()),
  columns: Type.Optional(Type.Array(Type.String(), { minItems: 1 }))
}

/** One row per key: unit in the name, range and default here, the reason in `docs/configuration.md`. */
const ReplicatorConfigSchema = strict({
  cell: Type.String({ minLength: 1 }),
  member: Type.String({ minLength: 1, pattern: '^[a-zA-Z0-9._-]{1,64}$' }),
  mysql: strict({
    host: Type.String({ minLength: 1 }),
    port: Port,
    ...Account,
    /** Its own account for the sessions that write what other cells changed; the one above otherwise. */
    applier: Type.Optional(strict(Account)),
    tls: Type.Optional(
      strict({
        caFile: Type.Optional(Type.String()),
        certFile: Type.Optional(Type.String()),
        keyFile: Type.Optional(Type.String()),
        verify: Type.Boolean({ default: true })
      })
    )
  }),
  center: strict({ urls: Type.Optional(Type.Array(Url, { minItems: 1 })), url: Type.Optional(Url), caFile: Type.Optional(Type.String()), ...Token }),
  control: Type.Optional(strict({ urls: Type.Array(Url, { minItems: 1 }), ...Token })),
  snapshotFile: Type.String({ minLength: 1 }),
  admin: strict({
    host: Type.String({ default: '127.0.0.1' }),
    port: Port,
    /** How control reaches it; where it listens otherwise. */
    url: Type.Optional(Url)
  }),
  spillFolder: Type.String({ minLength: 1 }),
  rpo: Type.Union([Type.Literal('default'), Type.Literal('zero')], { default: 'default' }),
  policies: Type.Object(
    { default: Type.Optional(strict(PolicyRow)), tables: Type.Optional(Type.Array(strict({ table: Type.String({ minLength: 1 }), ...PolicyRow }))) },
    { additionalProperties: false, default: {} }
  ),
  logLevel: Type.String({ default: 'info' }),
  limits: Type.Object(
    {
      spillBytesMax: Type.Integer({ minimum: 16 * MEBIBYTE, default: 4096 * MEBIBYTE }),
      restartMs: Milliseconds(200),
      restartMsMax: Milliseconds(10_000),
      heartbeatMs: Milliseconds(1_000, 100),
      /** Of the continuous comparison with other cells; 0: none. */
      verifyRowsPerSecond: Type.Integer({ minimum: 0, default: 1_000 }),
      stopMs: Milliseconds(15_000)
    },
    { additionalProperties: false, default: {} }
  )
})

export type ReplicatorConfig = Static<typeof ReplicatorConfigSchema>

/** Reads and validates the file with all problems at once. @throws RPL_CONFIG_INVALID */
export function loadReplicatorConfig(file: string): ReplicatorConfig {
  let document: unknown
  try {
    document = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw configInvalid({ problems: [`${file}: ${reasonOf(cause)}`] }, { cause })
  }
  return checkReplicatorConfig(document)
}

/** @throws RPL_CONFIG_INVALID with every problem. */
export function checkReplicatorConfig(document: unknown): ReplicatorConfig {
  const filled = Value.Default(ReplicatorConfigSchema, structuredClone(document))
  const problems = settingProblems(Value.Errors(ReplicatorConfigSchema, filled))
  if (problems.length > 0) throw configInvalid({ problems })
  const config = filled as ReplicatorConfig
  const relations = relationProblems(config)
  if (relations.length > 0) throw configInvalid({ problems: relations })
  return deepFreeze(config)
}

/** Everything that the file only refers to. */
export interface ReplicatorSecrets {
  /** Of the capture, and of what asks about the server. */
  readonly mysql: MysqlConfig
  readonly applier: MysqlConfig
  readonly centerToken: string
  readonly centerCa: string | undefined
  /** Empty without control. */
  readonly controlToken: string
}

/** Reads every reference, and names every one that leads nowhere. @throws RPL_CONFIG_INVALID */
export function loadSecrets(config: ReplicatorConfig, environment: NodeJS.ProcessEnv): ReplicatorSecrets {
  const problems: string[] = []
  const file = (path: string, name: string | undefined): string | undefined => {
    try {
      return name === undefined ? undefined : readFileSync(name, 'utf8')
    } catch (cause) {
      problems.push(`${path}: ${reasonOf(cause)}`)
      return undefined
    }
  }
  const secret = (path: string, fromFile: string | undefined, fromEnv: string | undefined): string => {
    const found = (fromFile === undefined ? environment[fromEnv ?? ''] : file(path, fromFile))?.trim()
    if (found === undefined && fromFile === undefined) problems.push(`${path}: the variable ${fromEnv} is not set`)
    return found ?? ''
  }
  const { mysql, center, control } = config
  const { tls } = mysql
  const at = {
    host: mysql.host,
    port: mysql.port,
    ...(tls === undefined
      ? {}
      : {
          tls: {
            verify: tls.verify,
            ...defined('ca', file('/mysql/tls/caFile', tls.caFile)),
            ...defined('cert', file('/mysql/tls/certFile', tls.certFile)),
            ...defined('key', file('/mysql/tls/keyFile', tls.keyFile))
          }
        })
  }
  const own: MysqlConfig = { ...at, user: mysql.user, password: secret('/mysql', mysql.passwordFile, mysql.passwordEnv) }
  const applier = mysql.applier
  const secrets = {
    mysql: own,
    applier:
      applier === undefined ? own : { ...at, user: applier.user, password: secret('/mysql/applier', applier.passwordFile, applier.passwordEnv) },
    centerToken: secret('/center', center.tokenFile, center.tokenEnv),
    centerCa: file('/center/caFile', center.caFile),
    controlToken: control === undefined ? '' : secret('/control', control.tokenFile, control.tokenEnv)
  }
  if (problems.length > 0) throw configInvalid({ problems })
  return secrets
}

export function policiesOf({ policies }: ReplicatorConfig): PolicyConfig {
  // `relationProblems` has checked that each policy has the columns it needs.
  return policies as PolicyConfig
}

function relationProblems(config: ReplicatorConfig): string[] {
  const problems: string[] = []
  const one = (path: string, names: string, values: readonly unknown[]): void => {
    if (values.filter((value) => value !== undefined).length !== 1) problems.push(`${path}: give exactly one of ${names}`)
  }
  const { mysql, center, control, limits, policies } = config
  one('/mysql', 'passwordFile, passwordEnv', [mysql.passwordFile, mysql.passwordEnv])
  if (mysql.applier !== undefined) one('/mysql/applier', 'passwordFile, passwordEnv', [mysql.applier.passwordFile, mysql.applier.passwordEnv])
  if ((mysql.tls?.certFile === undefined) !== (mysql.tls?.keyFile === undefined)) problems.push('/mysql/tls: certFile and keyFile belong together')
  one('/center', 'url, urls', [center.url, center.urls])
  one('/center', 'tokenFile, tokenEnv', [center.tokenFile, center.tokenEnv])
  if (control !== undefined) one('/control', 'tokenFile, tokenEnv', [control.tokenFile, control.tokenEnv])
  if (limits.restartMs > limits.restartMsMax) problems.push('/limits: restartMs must be <= restartMsMax')
  const rows = [...(policies.default === undefined ? [] : [{ at: '/policies/default', row: policies.default }])]
  for (const [index, row] of (policies.tables ?? []).entries()) rows.push({ at: `/policies/tables/${index}`, row })
  for (const { at, row } of rows) problems.push(...policyProblems(at, row))
  return problems
}

function policyProblems(at: string, { policy, column, columns }: { policy: string; column?: string; columns?: string[] }): string[] {
  const problems: string[] = []
  if ((policy === 'latest-wins') !== (column !== undefined)) problems.push(`${at}: latest-wins, and nothing else, names its version in "column"`)
  if ((policy === 'delta') !== (columns !== undefined)) problems.push(`${at}: delta, and nothing else, names its numbers in "columns"`)
  return problems
}

function defined<Name extends string>(name: Name, value: string | undefined): { readonly [key in Name]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]: string })
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(Object.freeze(value))) deepFreeze(inner)
  return value
}

import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { SETTING_PROBLEMS_MAX, settingProblems } from '@cellway/base'
import { type Static, Type } from 'typebox'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import { configInvalid } from './errors.ts'

Settings.Set({ maxErrors: SETTING_PROBLEMS_MAX })

const Port = Type.Integer({ minimum: 0, maximum: 65535 })
const Milliseconds = (byDefault: number, minimum = 1) => Type.Integer({ minimum, maximum: 3_600_000, default: byDefault })
const Count = (byDefault: number, minimum = 1) => Type.Integer({ minimum, default: byDefault })
const section = <Properties extends Parameters<typeof Type.Object>[0]>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false, default: {} })

/** One row per key: unit in the name, range and default here, the reason in `docs/configuration.md`. */
const GatewayConfigSchema = Type.Object(
  {
    cell: Type.String({ minLength: 1 }),
    member: Type.String({ minLength: 1, pattern: '^[a-zA-Z0-9._-]+$' }),
    listen: Type.Object(
      {
        host: Type.String({ default: '127.0.0.1' }),
        port: Port,
        tls: Type.Optional(Type.Object({ certFile: Type.String(), keyFile: Type.String() }, { additionalProperties: false }))
      },
      { additionalProperties: false }
    ),
    admin: Type.Object({ host: Type.String({ default: '127.0.0.1' }), port: Port }, { additionalProperties: false }),
    control: Type.Optional(
      Type.Object(
        {
          urls: Type.Array(Type.String({ pattern: '^https?://' }), { minItems: 1 }),
          tokenFile: Type.Optional(Type.String()),
          tokenEnv: Type.Optional(Type.String())
        },
        { additionalProperties: false }
      )
    ),
    snapshotFile: Type.String({ minLength: 1 }),
    workers: Count(1),
    signing: Type.Object(
      {
        keyFile: Type.Optional(Type.String()),
        keyEnv: Type.Optional(Type.String()),
        mode: Type.Union([Type.Literal('all'), Type.Literal('hops')], { default: 'all' })
      },
      { additionalProperties: false }
    ),
    trustedProxies: Type.Array(Type.String(), { default: [] }),
    geoipFile: Type.Optional(Type.String()),
    accessLog: Type.Union([Type.Literal('all'), Type.Literal('errors'), Type.Literal('off')], { default: 'all' }),
    logLevel: Type.String({ default: 'info' }),
    limits: section({
      headersMax: Count(100),
      headerBytesMax: Count(16 * 1024, 1024),
      urlBytesMax: Count(8 * 1024, 256),
      replayBytesMax: Type.Integer({ minimum: 0, default: 64 * 1024 }),
      connectionsMax: Count(20_000),
      connectionsPerClientMax: Count(2_000),
      requestsPerSocketMax: Count(100_000),
      inFlightMax: Count(4_000),
      headersTimeoutMs: Milliseconds(10_000),
      requestTimeoutMs: Milliseconds(60_000),
      keepAliveTimeoutMs: Milliseconds(5_000),
      http2StreamsMax: Count(100)
    }),
    upstream: section({
      connectionsPerInstanceMax: Count(256),
      connectTimeoutMs: Milliseconds(1_000),
      bodyIdleTimeoutMs: Milliseconds(60_000),
      keepAliveTimeoutMs: Milliseconds(4_000),
      responseHeaderBytesMax: Count(32 * 1024, 1024)
    }),
    health: section({
      path: Type.String({ pattern: '^/', default: '/health' }),
      intervalMs: Milliseconds(1_000, 50),
      timeoutMs: Milliseconds(500, 10),
      failuresToDown: Count(2),
      successesToUp: Count(1)
    }),
    breaker: section({
      failuresToOpen: Count(5),
      openMs: Milliseconds(1_000),
      openMsMax: Milliseconds(30_000)
    }),
    retry: section({
      attemptsMax: Count(3),
      budgetRatio: Type.Number({ minimum: 0, maximum: 0.1, default: 0.1 }),
      budgetBurst: Count(200, 0)
    }),
    hold: section({
      requestsMax: Count(10_000, 0),
      waitMsMax: Milliseconds(10_000),
      settleMsMax: Milliseconds(2_000)
    }),
    drain: section({
      readinessWaitMs: Milliseconds(500, 0),
      deadlineMs: Milliseconds(15_000)
    })
  },
  { additionalProperties: false }
)

export type GatewayConfig = Static<typeof GatewayConfigSchema>

/** Reads and validates the file with all problems at once. @throws GW_CONFIG_INVALID */
export function loadGatewayConfig(file: string): GatewayConfig {
  let document: unknown
  try {
    document = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw configInvalid({ problems: [`${file}: ${cause instanceof Error ? cause.message : String(cause)}`] }, { cause })
  }
  return checkGatewayConfig(document)
}

/** @throws GW_CONFIG_INVALID with every problem. */
export function checkGatewayConfig(document: unknown): GatewayConfig {
  const filled = Value.Default(GatewayConfigSchema, structuredClone(document))
  const problems = settingProblems(Value.Errors(GatewayConfigSchema, filled))
  if (problems.length > 0) throw configInvalid({ problems })
  const config = filled as GatewayConfig
  const relations = relationProblems(config)
  if (relations.length > 0) throw configInvalid({ problems: relations })
  return deepFreeze(config)
}

/** The signing key: at least 32 bytes, from a file or the environment, never from the configuration itself. @throws GW_CONFIG_INVALID */
export function loadSigningKey(config: GatewayConfig, environment: NodeJS.ProcessEnv): Buffer {
  const { keyFile, keyEnv } = config.signing
  const text = (keyFile === undefined ? environment[keyEnv ?? ''] : readSecretFile(keyFile, '/signing'))?.trim()
  if (text === undefined || text === '') throw configInvalid({ problems: [`/signing: no key in ${keyFile ?? keyEnv}`] })
  const key = /^[0-9a-f]{64,}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'utf8')
  if (key.length < 32) throw configInvalid({ problems: ['/signing: the key needs at least 32 bytes (64 hex digits): openssl rand -hex 32'] })
  return key
}

export function loadControlToken(config: GatewayConfig, environment: NodeJS.ProcessEnv): string {
  const control = config.control
  if (control === undefined) return ''
  const token = control.tokenFile === undefined ? environment[control.tokenEnv ?? ''] : readSecretFile(control.tokenFile, '/control')
  if (token === undefined || token.trim() === '') throw configInvalid({ problems: ['/control: no token in tokenFile or tokenEnv'] })
  return token.trim()
}

function readSecretFile(file: string, path: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw configInvalid({ problems: [`${path}: ${cause instanceof Error ? cause.message : String(cause)}`] }, { cause })
  }
}

/** @throws on an entry that is no address or CIDR; `relationProblems` has checked that. */
export function trustedProxyList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family)
  }
  return list
}

function relationProblems(config: GatewayConfig): string[] {
  const problems: string[] = []
  if ((config.signing.keyFile === undefined) === (config.signing.keyEnv === undefined)) problems.push('/signing: give exactly one of keyFile, keyEnv')
  const control = config.control
  if (control !== undefined && (control.tokenFile === undefined) === (control.tokenEnv === undefined))
    problems.push('/control: give exactly one of tokenFile, tokenEnv')
  if (config.health.timeoutMs > config.health.intervalMs) problems.push('/health: timeoutMs must be <= intervalMs, or probes pile up')
  if (config.limits.headersTimeoutMs > config.limits.requestTimeoutMs) problems.push('/limits: headersTimeoutMs must be <= requestTimeoutMs')
  if (config.breaker.openMs > config.breaker.openMsMax) problems.push('/breaker: openMs must be <= openMsMax')
  if (config.workers > 1 && config.listen.port === 0) problems.push('/listen/port: several workers need a fixed port to share')
  for (const entry of config.trustedProxies) {
    try {
      trustedProxyList([entry])
    } catch {
      problems.push(`/trustedProxies: ${entry} is neither an address nor a CIDR`)
    }
  }
  return problems
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(Object.freeze(value))) deepFreeze(inner)
  return value
}

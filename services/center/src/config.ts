import { readFileSync } from 'node:fs'
import path from 'node:path'
import { SETTING_PROBLEMS_MAX, settingProblems } from '@cellway/base'
import { type Static, Type } from 'typebox'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import { configInvalid } from './errors.ts'

Settings.Set({ maxErrors: SETTING_PROBLEMS_MAX })

const MiB = 1024 * 1024
const Port = (byDefault: number) => Type.Integer({ minimum: 0, maximum: 65_535, default: byDefault })
const Host = Type.String({ minLength: 1, default: '127.0.0.1' })
const Milliseconds = (byDefault: number, minimum: number) => Type.Integer({ minimum, maximum: 3_600_000, default: byDefault })
const Bytes = (byDefault: number, minimum: number) => Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER, default: byDefault })
const Count = (byDefault: number, maximum: number) => Type.Integer({ minimum: 1, maximum, default: byDefault })
const Name = Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' })
const section = <Properties extends Parameters<typeof Type.Object>[0]>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false, default: {} })
const either = <const Values extends readonly string[]>(...values: Values) => Type.Union(values.map((value) => Type.Literal(value as Values[number])))

/** A cell's token names its cell; one of an operator reads everything, trims and releases. Exactly one of the last three. */
const TokenSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    role: either('cell', 'operator'),
    cell: Type.Optional(Name),
    sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    tokenFile: Type.Optional(Type.String({ minLength: 1 })),
    tokenEnv: Type.Optional(Type.String({ minLength: 1 }))
  },
  { additionalProperties: false }
)

export const TOKENS_MAX = 1024
const TokensSchema = Type.Array(TokenSchema, { minItems: 1, maxItems: TOKENS_MAX })

/** One row per key: unit in the name, range and default here. */
const CenterConfigSchema = Type.Object(
  {
    listen: section({
      host: Host,
      port: Port(7010),
      tls: Type.Optional(Type.Object({ certFile: Type.String(), keyFile: Type.String() }, { additionalProperties: false }))
    }),
    metrics: section({ host: Host, port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })) }),
    dataFolder: Type.String({ minLength: 1 }),
    tokens: Type.Optional(TokensSchema),
    /** The same list in a file of its own. */
    tokensFile: Type.Optional(Type.String({ minLength: 1 })),
    logLevel: Type.Union(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map((level) => Type.Literal(level)),
      { default: 'info' }
    ),
    /** `newest` checks older segments when they are read: a start takes about a second per GiB less. */
    verify: Type.Union([Type.Literal('all'), Type.Literal('newest')], { default: 'all' }),
    retention: section({
      bytes: Type.Optional(Type.Integer({ minimum: 0 })),
      ms: Bytes(3 * 24 * 3_600_000, 1000),
      streamBytesMax: Bytes(128 * 1024 * MiB, 64 * 1024),
      readerTooFarBehind: Type.Union([Type.Literal('refuse-appends'), Type.Literal('give-up-reader')], { default: 'refuse-appends' })
    }),
    limits: section({
      segmentBytes: Bytes(64 * MiB, 4096),
      freeBytesMin: Bytes(256 * MiB, 0),
      uploadsMax: Count(512, 4096),
      readsMax: Count(2048, 4096),
      /** Of one stream of appends, taken and not yet durable. */
      uploadBytesMax: Bytes(8 * MiB, 1),
      inFlightBytesMax: Bytes(64 * MiB, 1),
      /** An upload that sends nothing, not even a beat. */
      silenceMsMax: Milliseconds(15_000, 1000),
      /** A connection that takes nothing of what is sent to it. */
      stallMsMax: Milliseconds(60_000, 1000),
      headersTimeoutMs: Milliseconds(10_000, 100)
    }),
    stopMsMax: Milliseconds(8_000, 100)
  },
  { additionalProperties: false }
)

export type CenterConfig = Static<typeof CenterConfigSchema>
export type TokenConfig = Static<typeof TokenSchema>

/** Reads and validates the file with all problems at once. @throws CTR_CONFIG_INVALID */
export function loadCenterConfig(file: string): CenterConfig {
  return checkCenterConfig(readJson(file))
}

/** @throws CTR_CONFIG_INVALID with every problem */
export function checkCenterConfig(document: unknown): CenterConfig {
  const filled = Value.Default(CenterConfigSchema, structuredClone(document))
  const problems = settingProblems(Value.Errors(CenterConfigSchema, filled))
  if (problems.length > 0) throw configInvalid({ problems })
  const config = filled as CenterConfig
  const relations = relationProblems(config)
  if (relations.length > 0) throw configInvalid({ problems: relations })
  return deepFreeze({ ...config, dataFolder: path.resolve(config.dataFolder) })
}

/** The list of tokens, from the configuration or its file. @throws CTR_CONFIG_INVALID with every problem */
export function loadTokenConfigs({ tokens, tokensFile }: CenterConfig): readonly TokenConfig[] {
  if (tokensFile === undefined) return tokens ?? []
  const document = readJson(tokensFile)
  const problems = settingProblems(Value.Errors(TokensSchema, document)).map((problem) => `${tokensFile}: ${problem}`)
  if (problems.length > 0) throw configInvalid({ problems })
  const list = document as readonly TokenConfig[]
  const relations = tokenProblems(list, tokensFile)
  if (relations.length > 0) throw configInvalid({ problems: relations })
  return list
}

export function readSecret({ tokenFile, tokenEnv }: TokenConfig, environment: NodeJS.ProcessEnv): string | undefined {
  const text = tokenFile === undefined ? environment[tokenEnv ?? ''] : readFileSync(tokenFile, 'utf8')
  return text?.trim()
}

function relationProblems({ listen, metrics, tokens, tokensFile, retention, limits }: CenterConfig): string[] {
  const problems: string[] = []
  if ((tokens === undefined) === (tokensFile === undefined)) problems.push('/tokens: give exactly one of tokens, tokensFile')
  problems.push(...tokenProblems(tokens ?? [], '/tokens'))
  if (listen.port !== 0 && metrics.port === listen.port) problems.push('/metrics/port: it is the port of the API')
  if (listen.port === 65_535 && metrics.port === undefined) problems.push('/metrics/port: no port is left behind listen.port; give one')
  if (retention.bytes !== undefined && retention.bytes + 2 * limits.segmentBytes > retention.streamBytesMax) {
    problems.push('/retention: streamBytesMax must be >= bytes + 2 * limits.segmentBytes, or a stream that nobody holds fills up')
  } else if (2 * limits.segmentBytes > retention.streamBytesMax) {
    problems.push('/retention/streamBytesMax: must be >= 2 * limits.segmentBytes')
  }
  if (limits.uploadBytesMax > limits.inFlightBytesMax) problems.push('/limits: uploadBytesMax must be <= inFlightBytesMax')
  return problems
}

function tokenProblems(tokens: readonly TokenConfig[], place: string): string[] {
  const names = new Set<string>()
  return tokens.flatMap(({ name, role, cell, sha256, tokenFile, tokenEnv }, at) => {
    const problems: string[] = []
    if ((role === 'cell') !== (cell !== undefined)) problems.push(`${place}/${at}/cell: given exactly for the role "cell"`)
    const given = [sha256, tokenFile, tokenEnv].filter((one) => one !== undefined).length
    if (given !== 1) problems.push(`${place}/${at}: give exactly one of sha256, tokenFile, tokenEnv`)
    if (names.has(name)) problems.push(`${place}/${at}/name: "${name}" is there twice`)
    names.add(name)
    return problems
  })
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw configInvalid({ problems: [`${file}: ${cause instanceof Error ? cause.message : String(cause)}`] }, { cause })
  }
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(Object.freeze(value))) deepFreeze(inner)
  return value
}

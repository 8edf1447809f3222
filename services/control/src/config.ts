import path from 'node:path'
import type { Problem } from '@cellway/topology'
import { configInvalid } from './errors.ts'

export interface ControlConfig {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly metricsPort: number
  readonly dataFolder: string
  readonly adminTokenFile: string | undefined
  readonly logLevel: string
}

export const CONFIG_NAMES = [
  'CELLWAY_CONTROL_HOST',
  'CELLWAY_CONTROL_PORT',
  'CELLWAY_CONTROL_METRICS_PORT',
  'CELLWAY_CONTROL_DATA',
  'CELLWAY_CONTROL_ADMIN_TOKEN_FILE',
  'CELLWAY_LOG_LEVEL'
] as const
export type ConfigName = (typeof CONFIG_NAMES)[number]

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']
const PORT_DEFAULT = 7000
const PORT_MAX = 65_535

/** @throws CTL_CONFIG_INVALID with every problem */
export function parseConfig(environment: Readonly<Partial<Record<string, string>>>): ControlConfig {
  const problems: Problem[] = []
  const text = (name: ConfigName): string | undefined => (environment[name] === '' ? undefined : environment[name])

  function port(name: ConfigName, fallback: number): number {
    const value = text(name)
    if (value === undefined) return fallback
    if (/^\d{1,5}$/.test(value) && Number(value) <= PORT_MAX) return Number(value)
    problems.push({ path: name, problem: `"${value}" is not a port`, fix: 'a number from 0 to 65535' })
    return fallback
  }

  const known: readonly string[] = CONFIG_NAMES
  for (const name of Object.keys(environment)) {
    if (name.startsWith('CELLWAY_CONTROL_') && !known.includes(name)) {
      problems.push({ path: name, problem: 'there is no such setting', fix: `one of ${CONFIG_NAMES.join(', ')}` })
    }
  }
  const listenPort = port('CELLWAY_CONTROL_PORT', PORT_DEFAULT)
  const metricsPort = port('CELLWAY_CONTROL_METRICS_PORT', listenPort === 0 ? 0 : listenPort + 1)
  if (metricsPort > PORT_MAX)
    problems.push({ path: 'CELLWAY_CONTROL_PORT', problem: 'no port is left for metrics', fix: 'set CELLWAY_CONTROL_METRICS_PORT' })
  if (listenPort !== 0 && metricsPort === listenPort) {
    problems.push({ path: 'CELLWAY_CONTROL_METRICS_PORT', problem: 'it is the port of the API', fix: 'a port of its own' })
  }
  const logLevel = text('CELLWAY_LOG_LEVEL') ?? 'info'
  if (!LOG_LEVELS.includes(logLevel))
    problems.push({ path: 'CELLWAY_LOG_LEVEL', problem: `"${logLevel}" is no level`, fix: `one of ${LOG_LEVELS.join(', ')}` })
  if (problems.length > 0) throw configInvalid({ problems })
  const adminTokenFile = text('CELLWAY_CONTROL_ADMIN_TOKEN_FILE')
  return Object.freeze({
    host: text('CELLWAY_CONTROL_HOST') ?? '127.0.0.1',
    port: listenPort,
    metricsPort,
    dataFolder: path.resolve(text('CELLWAY_CONTROL_DATA') ?? '.cellway/control'),
    adminTokenFile: adminTokenFile === undefined ? undefined : path.resolve(adminTokenFile),
    logLevel
  })
}

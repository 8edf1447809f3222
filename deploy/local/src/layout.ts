/** Where everything of one local run lives: ports, files, names. Pure; nothing is created here. */
import { join } from 'node:path'
import { optionInvalid } from './errors.ts'

export interface CellLayout {
  readonly name: string
  /** 0, 1, 2, … in the order of the topology file; part of ids and of the stores' server ids. */
  readonly number: number
  readonly region: string
  readonly location: readonly [latitude: number, longitude: number]
  readonly ports: {
    readonly gateway: number
    readonly gatewayAdmin: number
    readonly apps: readonly number[]
    readonly mysql: number
    readonly redis: number
    readonly replicatorAdmin: number
  }
  readonly folder: string
}

export interface RunLayout {
  readonly basePort: number
  /** `.cellway`: shared by all runs of this clone. */
  readonly root: string
  /** `.cellway/run-7000`: everything of this run. */
  readonly folder: string
  readonly cells: readonly CellLayout[]
  readonly control: { readonly port: number; readonly metricsPort: number; readonly folder: string }
  readonly center: { readonly port: number; readonly metricsPort: number; readonly folder: string }
}

export interface RunShape {
  readonly root: string
  readonly basePort: number
  readonly cellCount: number
  readonly appsPerCell: number
}

export const BASE_PORT_DEFAULT = 7000
export const CELLS_DEFAULT = 3
export const APPS_DEFAULT = 2
/** Instances use the ports +2 … +5 of their cell; MySQL, Redis and the replicator follow from +6 on. */
export const APPS_MAX = 4
const PORTS_PER_CELL = 100

const CELLS = [
  { name: 'beijing', region: 'cn-north', location: [39.9, 116.4] },
  { name: 'shanghai', region: 'cn-east', location: [31.2, 121.5] },
  { name: 'shenzhen', region: 'cn-south', location: [22.5, 114.1] },
  { name: 'xian', region: 'cn-northwest', location: [34.3, 108.9] },
  { name: 'chengdu', region: 'cn-southwest', location: [30.7, 104.1] },
  { name: 'wuhan', region: 'cn-central', location: [30.6, 114.3] },
  { name: 'shenyang', region: 'cn-northeast', location: [41.8, 123.4] },
  { name: 'hangzhou', region: 'cn-east-2', location: [30.3, 120.2] },
  { name: 'qingdao', region: 'cn-north-2', location: [36.1, 120.4] }
] as const

export const CELLS_MAX = CELLS.length
/** One run spans from its base port to the last cell's ports. */
export const BASE_PORT_MAX = 65_535 - (CELLS_MAX + 1) * PORTS_PER_CELL

/** @throws LOCAL_OPTION_INVALID */
export function layoutOf({ root, basePort, cellCount, appsPerCell }: RunShape): RunLayout {
  requireRange('--base-port', basePort, 1024, BASE_PORT_MAX)
  requireRange('--cells', cellCount, 1, CELLS_MAX)
  requireRange('--apps', appsPerCell, 1, APPS_MAX)
  const folder = runFolder(root, basePort)
  return {
    basePort,
    root,
    folder,
    cells: CELLS.slice(0, cellCount).map((cell, number) => ({
      ...cell,
      number,
      ports: cellPorts(basePort + (number + 1) * PORTS_PER_CELL, appsPerCell),
      folder: join(folder, 'cells', cell.name)
    })),
    control: { port: basePort, metricsPort: basePort + 1, folder: join(folder, 'control') },
    center: { port: basePort + 10, metricsPort: basePort + 11, folder: join(folder, 'center') }
  }
}

export function runFolder(root: string, basePort: number): string {
  return join(root, `run-${basePort}`)
}

/** Every port with the name of its process, for the check before the start. */
export function portsOf(layout: RunLayout): readonly { readonly port: number; readonly use: string }[] {
  return [
    { port: layout.control.port, use: 'control' },
    { port: layout.control.metricsPort, use: 'control metrics' },
    { port: layout.center.port, use: 'center' },
    { port: layout.center.metricsPort, use: 'center metrics' },
    ...layout.cells.flatMap(({ name, ports }) => [
      { port: ports.gateway, use: `${name}/gateway` },
      { port: ports.gatewayAdmin, use: `${name}/gateway admin` },
      ...ports.apps.map((port, index) => ({ port, use: `${name}/app-${index + 1}` })),
      { port: ports.mysql, use: `${name}/mysql` },
      { port: ports.redis, use: `${name}/redis` },
      { port: ports.replicatorAdmin, use: `${name}/replicator` }
    ])
  ]
}

/** Files of a run that more than one part of the program touches. */
export function filesOf(layout: Pick<RunLayout, 'folder' | 'root'>) {
  const { folder, root } = layout
  return {
    logs: join(folder, 'logs'),
    secrets: join(folder, 'secrets'),
    /** Who runs here: pid and start time of the supervisor and of every process it started. */
    processes: join(folder, 'processes.json'),
    /** One empty file per process that has to stay down. */
    down: join(folder, 'down'),
    topology: join(folder, 'topology.yaml'),
    localJson: join(folder, 'local.json'),
    /** The newest run's `local.json`, where scripts and the CLI look first. */
    localJsonShared: join(root, 'local.json'),
    adminToken: join(folder, 'secrets', 'control-admin.token'),
    signingKey: join(folder, 'secrets', 'signing.key'),
    supervisorLog: join(folder, 'logs', 'supervisor.log')
  }
}

function cellPorts(first: number, appsPerCell: number): CellLayout['ports'] {
  return {
    gateway: first,
    gatewayAdmin: first + 1,
    apps: Array.from({ length: appsPerCell }, (_, index) => first + 2 + index),
    mysql: first + 6,
    redis: first + 7,
    replicatorAdmin: first + 8
  }
}

function requireRange(option: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw optionInvalid({ problem: `${option} is ${value}`, fix: `give a whole number from ${min} to ${max}` })
}

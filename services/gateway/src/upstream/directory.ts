import type { Snapshot } from '@cellway/topology'
import type { GatewayConfig } from '../config.ts'
import { Instance } from './instance.ts'

/** The name under which a cell's gateway stands beside its apps. */
export const GATEWAY_APP = '@gateway'

/** Instances that serve the same, and whose turn it is. */
interface Group {
  readonly instances: readonly Instance[]
  turn: number
}

/**
 * All instances this gateway may send to: the apps of its own cell and the gateways of the others.
 * The list comes from the topology alone; no header or Host can add to it.
 */
export class Directory {
  readonly #config: GatewayConfig
  readonly #byOrigin = new Map<string, Instance>()
  #groups = new Map<string, Group>()

  constructor(config: GatewayConfig) {
    this.#config = config
  }

  /** Takes over a snapshot's instances: known ones keep their connections and health, vanished ones are closed when idle. */
  adopt(snapshot: Snapshot): { readonly closed: readonly Instance[] } {
    const groups = new Map<string, Group>()
    const alive = new Set<string>()
    const group = (cell: string, app: string, origins: readonly string[]): void => {
      groups.set(`${cell} ${app}`, { instances: origins.map((origin) => this.#instance(cell, app, origin, alive)), turn: 0 })
    }
    for (const [cell, cellConfig] of Object.entries(snapshot.topology.cells)) {
      if (cell !== this.#config.cell) group(cell, GATEWAY_APP, [cellConfig.gateway])
      else for (const [app, origins] of Object.entries(cellConfig.apps)) group(cell, app, origins)
    }
    this.#groups = groups
    const closed = [...this.#byOrigin].filter(([key]) => !alive.has(key))
    for (const [key] of closed) this.#byOrigin.delete(key)
    return { closed: closed.map(([, instance]) => instance) }
  }

  #instance(cell: string, app: string, origin: string, alive: Set<string>): Instance {
    const key = `${cell} ${app} ${origin}`
    alive.add(key)
    let instance = this.#byOrigin.get(key)
    if (instance === undefined) {
      instance = new Instance(origin, cell, app, this.#config)
      this.#byOrigin.set(key, instance)
    }
    return instance
  }

  /** Next healthy instance in turn, not one of `tried` unless nothing else is left. */
  pick(cell: string, app: string, nowMs: number, tried: readonly Instance[]): Instance | undefined {
    const group = this.#groups.get(`${cell} ${app}`)
    if (group === undefined) return undefined
    let again: Instance | undefined
    const { instances } = group
    for (let step = 0; step < instances.length; step++) {
      group.turn = (group.turn + 1) % instances.length
      const instance = instances[group.turn]
      if (instance === undefined || !instance.admits(nowMs)) continue
      if (!tried.includes(instance)) return instance
      again ??= instance
    }
    return again
  }

  has(cell: string, app: string): boolean {
    return this.#groups.has(`${cell} ${app}`)
  }

  instances(): Iterable<Instance> {
    return this.#byOrigin.values()
  }

  close(): void {
    for (const instance of this.#byOrigin.values()) instance.pool.destroy()
  }
}

import type { TopologyView } from '../context.ts'
import type { Part, Runnable } from './part.ts'

export interface FleetOptions<Work extends Runnable> {
  readonly selfCell: string
  readonly topology: TopologyView
  readonly makePart: (source: string) => Part<Work>
  /** Nobody is started until `start`. */
  readonly held: boolean
}

interface Member<Work extends Runnable> {
  readonly part: Part<Work>
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** One part per other cell of the topology. Cells come and go with snapshots; each part lives as long as its cell is named. */
export class Fleet<Work extends Runnable> {
  readonly #options: FleetOptions<Work>
  readonly #members = new Map<string, Member<Work>>()
  #cells: readonly string[] = []
  #signal: AbortSignal | undefined
  #held: boolean

  constructor(options: FleetOptions<Work>) {
    this.#options = options
    this.#held = options.held
  }

  /** By cell, in alphabetical order. */
  parts(): readonly (readonly [string, Part<Work>])[] {
    return [...this.#members].map(([source, { part }]) => [source, part] as const).sort(([left], [right]) => (left < right ? -1 : 1))
  }

  partOf(source: string): Part<Work> | undefined {
    return this.#members.get(source)?.part
  }

  /** Every other cell, whether its part runs or not. */
  get sources(): readonly string[] {
    return this.#cells
  }

  get isHeld(): boolean {
    return this.#held
  }

  /** Resolves when none is running; none will be until `start`. */
  async stop(): Promise<void> {
    this.#held = true
    await this.#end(new Error('the appliers are held'))
  }

  start(): void {
    this.#held = false
    if (this.#signal !== undefined) this.#follow(this.#signal)
  }

  /** Returns when the signal aborts and every part has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { topology, selfCell } = this.#options
    this.#signal = signal
    let version = 0
    try {
      while (!signal.aborted) {
        const { snapshot } = await topology.newerThan(version, signal)
        version = snapshot.version
        this.#cells = Object.keys(snapshot.topology.cells)
          .filter((cell) => cell !== selfCell)
          .sort()
        this.#follow(signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      await this.#end(signal.reason)
    }
  }

  #follow(signal: AbortSignal): void {
    if (signal.aborted) return
    for (const [source, { stop }] of this.#members) {
      if (this.#cells.includes(source)) continue
      stop.abort(new Error(`the topology has no cell ${source} any more`))
      this.#members.delete(source)
    }
    if (this.#held) return
    for (const source of this.#cells) {
      if (this.#members.has(source)) continue
      const stop = new AbortController()
      const part = this.#options.makePart(source)
      this.#members.set(source, { part, stop, done: part.run(AbortSignal.any([signal, stop.signal])) })
    }
  }

  async #end(reason: unknown): Promise<void> {
    const members = [...this.#members.values()]
    this.#members.clear()
    for (const { stop } of members) stop.abort(reason)
    await Promise.all(members.map(({ done }) => done))
  }
}

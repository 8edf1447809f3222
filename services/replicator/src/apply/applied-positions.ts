import type { Position } from '@cellway/change'
import { comparePositions, parsePosition } from '@cellway/change'

/** "The bucket was opened at this owner; needed first are these positions of other cells." */
export interface Opening {
  readonly space: string
  readonly bucket: string
  readonly epoch: number
  readonly owner: string
  /** Cell to position, in the coordinates of that cell's store. */
  readonly requires: Readonly<Record<string, string>>
}

interface Waiter {
  readonly cell: string
  readonly position: string
  readonly end: (cause?: unknown) => void
}

/**
 * How far the streams of the other cells are applied in this one, known after each commit. One object per replicator: an applier
 * that meets "opened, requires A up to P" waits here for the applier of A.
 */
export class AppliedPositions {
  readonly #positions = new Map<string, Position>()
  readonly #waiters = new Set<Waiter>()
  /** The newest of each bucket that any stream told of: it also says up to where the former owner's changes are in time. */
  readonly #openings = new Map<string, Opening>()

  #openingsVersion = 0

  /** Grows when `openingOf` may answer otherwise than before. */
  get openingsVersion(): number {
    return this.#openingsVersion
  }

  noteOpening(opening: Opening): void {
    const key = `${opening.space} ${opening.bucket}`
    const known = this.#openings.get(key)
    if (known !== undefined && known.epoch >= opening.epoch) return
    this.#openings.set(key, opening)
    this.#openingsVersion += 1
  }

  openingOf(space: string, bucket: string): Opening | undefined {
    return this.#openings.size === 0 ? undefined : this.#openings.get(`${space} ${bucket}`)
  }

  set(cell: string, position: Position): void {
    this.#positions.set(cell, position)
    for (const waiter of this.#waiters) {
      if (waiter.cell !== cell) continue
      try {
        if (this.includes(cell, waiter.position)) waiter.end()
      } catch (cause) {
        waiter.end(cause)
      }
    }
  }

  get(cell: string): Position | undefined {
    return this.#positions.get(cell)
  }

  /** Everything up to the position is applied. The text is in the coordinates of that cell's store. */
  includes(cell: string, position: string): boolean {
    if (position === '') return true
    const applied = this.#positions.get(cell)
    if (applied === undefined) return false
    const order = comparePositions(parsePosition(applied.kind, position), applied)
    return order === 'before' || order === 'equal'
  }

  /** Somebody waits for this cell's stream: its applier should not put off a checkpoint. */
  isAwaited(cell: string): boolean {
    for (const waiter of this.#waiters) if (waiter.cell === cell) return true
    return false
  }

  /** @throws CHANGE_POSITION_INVALID, the signal's reason */
  async waitFor(cell: string, position: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.includes(cell, position)) return
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => waiter.end(signal.reason)
      const waiter: Waiter = {
        cell,
        position,
        end: (cause) => {
          this.#waiters.delete(waiter)
          signal.removeEventListener('abort', onAbort)
          if (cause === undefined) resolve()
          else reject(cause)
        }
      }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}

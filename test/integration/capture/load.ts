/** Writers whose every acknowledged row is known. */
import type { Store } from './fixture.ts'

export interface Load {
  /** Ids whose commit was acknowledged. */
  readonly acknowledged: readonly number[]
  /** Ends the writers; a write that fails for the server's sake is given up and its fate looked up later. */
  stop(): Promise<void>
}

/** Each writer in its own ids: inserts, then updates, then deletes some. */
export function startLoad(store: Store, { writers = 4, table = 'shop.t', first = 10_000 } = {}): Load {
  const acknowledged: number[] = []
  let over = false
  const write = async (writer: number): Promise<void> => {
    let session = await store.open().catch(() => undefined)
    for (let id = first + writer; !over; id += writers) {
      try {
        session ??= await store.open()
        await session.run(`INSERT INTO ${table} VALUES (${id}, 'load ${id}')`)
        acknowledged.push(id)
      } catch {
        session = undefined
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    await session?.close()
  }
  const ended = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)))
  return {
    acknowledged,
    stop: async () => {
      over = true
      await ended
    }
  }
}

/** Ids of a table, as the server has them. */
export async function idsOf(store: Store, where: string, table = 'shop.t'): Promise<number[]> {
  const rows = await store.session.rows(`SELECT id FROM ${table} WHERE ${where} ORDER BY id`)
  return rows.map(([id]) => Number(id?.toString()))
}

import { setTimeout as delay } from 'node:timers/promises'
import type { Row } from '@cellway/change'
import { imageOf } from '@cellway/mysql-value'
import type { CellContext } from '../context.ts'
import { Arbiters } from '../repair/arbiter-of-row.ts'
import { BEGIN_LOCKING, emitRows, presence, writeRepair } from '../repair/emit.ts'
import type { LocalTable } from '../repair/local-tables.ts'
import type { Session } from '../store/session.ts'
import type { Comparison, ConfirmedDifference } from './compare-rows.ts'
import { readBoth } from './compare-rows.ts'
import { isSameImage } from './digest.ts'

/** Rows of one transaction. */
const REPAIR_ROWS = 100
const POLL_MS = 200

export interface RowRepair {
  readonly context: CellContext
  readonly session: Session
  readonly waitMs: number
}

/**
 * Has the rows sent again by their arbiters: this cell writes its own ones into its stream, and asks for the others.
 * @returns how many of them are the same in both cells afterwards
 */
export async function repairRows(
  comparison: Comparison,
  differences: readonly ConfirmedDifference[],
  { context, session, waitMs }: RowRepair
): Promise<number> {
  const { identity, table, reading, signal } = comparison
  const local: LocalTable = { identity, description: table.plan.target, plan: table.plan }
  const arbiters = new Arbiters(context)
  const own: Row[] = []
  const others: { key: Row; image: Row | undefined }[] = []
  for (const { key: text, here, there } of differences) {
    const key = imageOf(identity, text)
    const images = [here, there].map((image) => (image === null ? undefined : imageOf(identity, image)))
    if (arbiters.of(identity, images).cell === context.cell) own.push(key)
    else others.push({ key, image: images[0] ?? images[1] })
  }
  for (let at = 0; at < own.length; at += REPAIR_ROWS) {
    await inTransaction(session, () =>
      emitRows(
        session,
        own.slice(at, at + REPAIR_ROWS).map((key) => ({ table: local, key })),
        { context, reason: 'verify' }
      )
    )
  }
  for (let at = 0; at < others.length; at += REPAIR_ROWS) {
    const rows = others.slice(at, at + REPAIR_ROWS).map(({ key, image }) => presence(local, key, image))
    await inTransaction(session, () => writeRepair(session, rows, { context, reason: 'verify', kind: 'request' }))
  }
  let open = differences.map(({ key }) => key)
  const deadline = performance.now() + waitMs
  while (open.length > 0) {
    open = (await readBoth(comparison, open)).filter(({ here, there }) => !isSameImage(identity, reading, here, there)).map(({ key }) => key)
    if (open.length === 0 || performance.now() > deadline) break
    await delay(POLL_MS, undefined, { signal })
  }
  return differences.length - open.length
}

async function inTransaction(session: Session, work: () => Promise<unknown>): Promise<void> {
  await session.run(BEGIN_LOCKING)
  try {
    await work()
    await session.run('COMMIT')
  } catch (cause) {
    await session.run('ROLLBACK').catch(() => undefined)
    throw cause
  }
}

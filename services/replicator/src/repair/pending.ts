import type { Row } from '@cellway/change'
import { quoteText } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import type { LocalTable, LocalTables } from './local-tables.ts'
import { readImage } from './local-tables.ts'

/** What `reemit` says of a recorded conflict. `waiting`: an answer is owed by another cell. */
export type Reemit = 'none' | 'pending' | 'request' | 'waiting' | 'done' | 'failed'

/** A recorded conflict as the repairer sees it. */
export interface OwedRow {
  readonly id: string
  readonly class: string
  readonly table: LocalTable
  readonly key: Row
  readonly images: readonly (Row | undefined)[]
  readonly after: Row | undefined
  readonly ownerEpoch: number
}

export interface OwedRows {
  readonly rows: readonly OwedRow[]
  /** Whose table or images cannot be used here any more. */
  readonly broken: readonly { readonly id: string; readonly problem: unknown }[]
}

const COLUMNS = 'id, class, table_schema, table_name, key_text, before_image, after_image, current_image, owner_epoch'

/** `where`: of the table, beyond its state. */
export async function readOwed(
  session: Session,
  tables: LocalTables,
  { state, where, limit }: { state: Reemit; where: string; limit: number }
): Promise<OwedRows> {
  const found = await session.rows(`SELECT ${COLUMNS} FROM cellway.conflict WHERE reemit = '${state}' AND ${where} ORDER BY id LIMIT ${limit}`)
  const rows: OwedRow[] = []
  const broken: { id: string; problem: unknown }[] = []
  for (const cells of found) {
    const [id = '', found = '', schema = '', name = '', keyText = '', before, after, current, epoch] = cells.map((cell) => cell?.toString())
    try {
      const table = await tables.get({ schema, name })
      const image = (text: string | undefined): Row | undefined => (text === undefined || text === '' ? undefined : readImage(table.identity, text))
      rows.push({
        id,
        class: found,
        table,
        key: readImage(table.identity, keyText),
        images: [image(before), image(after), image(current)],
        after: image(after),
        ownerEpoch: Number(epoch ?? 0)
      })
    } catch (problem) {
      broken.push({ id, problem })
    }
  }
  return { rows, broken }
}

export async function markOwed(session: Session, ids: readonly string[], reemit: Reemit): Promise<void> {
  if (ids.length === 0) return
  await session.run(`UPDATE cellway.conflict SET reemit = ${quoteText(reemit)} WHERE id IN (${ids.join(',')})`)
}

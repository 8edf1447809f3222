import type { RowChange } from '@cellway/change'
import { formatUnitPosition } from '@cellway/change'
import { imageText } from '@cellway/mysql-value'
import type { Repair } from '../repair/images.ts'
import { requestedSql } from '../repair/images.ts'
import type { SourcePart, SourceTransaction } from './source-stream.ts'
import type { TargetTable } from './target-tables.ts'
import type { Workbench } from './work.ts'

/** Within the transaction that is open: rows are made as their owner says, requests wait for this cell's repairer. */
export async function applyRepairs(work: Workbench, item: SourceTransaction | SourcePart, repairs: readonly Repair[]): Promise<void> {
  const { session, exactLane, sourceCell, context } = work
  const source = { cell: sourceCell, store: context.store, gtid: formatUnitPosition(item.view.id) }
  for (const repair of repairs) {
    if (repair.kind === 'request') {
      for (const sql of requestedSql(repair, source, imageText)) await session.run(sql)
      continue
    }
    const rows: { change: RowChange; target: TargetTable }[] = []
    for (const change of repair.rows) {
      const target = await targetOf(work, change)
      if (target !== undefined) rows.push({ change, target })
    }
    await exactLane.applyRepair(item, rows)
  }
}

/** Its shape is the arbiter's; a table that is not here as it is there is not repaired: the stream of its data parks. */
async function targetOf({ tables, log }: Workbench, { table }: RowChange): Promise<TargetTable | undefined> {
  const found = tables.known(table) ?? (await tables.load(table))
  if ('ok' in found) {
    log.warn({ table: `${table.schema}.${table.name}`, problems: found.problems }, 'a repair does not fit the table here')
    return undefined
  }
  return found.kind === 'data' ? found.target : undefined
}

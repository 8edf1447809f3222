import type { SchemaDifference } from '@cellway/client'
import { type CommandContext, type Outcome, withControl } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { renderDifferences } from '../render/replication.ts'
import { count } from '../render/text.ts'
import { chooseCells } from './replication.ts'

/** What each cell's tables lack to take the rows of the reference cell, with the statement that mends it. */
export async function diffSchemas(context: CommandContext, { cell: reference }: { readonly cell?: string }): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async (control) => {
    const { replication } = control.client
    const cells = await chooseCells(control, context, undefined)
    const [like] = reference === undefined ? cells : await chooseCells(control, context, reference)
    if (like === undefined) return { exit: EXIT.done, json: { differences: [] }, text: 'no cell replicates' }
    const options = { signal: terminal.signal }
    const wanted = await replication.schema(like, options)
    const found = await Promise.all(
      cells
        .filter((cell) => cell !== like)
        .map(async (cell) => (await replication.compareSchema(cell, wanted, options)).map((difference) => ({ cell, ...difference })))
    )
    const differences: readonly (SchemaDifference & { readonly cell: string })[] = found.flat()
    const json = { reference: like, tables: wanted.tables.length, differences }
    if (differences.length === 0) {
      const text = `${terminal.paint('green', '✓')} ${count(wanted.tables.length, 'table')} of ${like} fit in ${cells.length === 2 ? 'the other cell' : 'all other cells'}`
      return { exit: EXIT.done, json, text }
    }
    return { exit: EXIT.needsOperator, json, text: `compared with ${like}:\n${renderDifferences(differences, terminal.paint)}` }
  })
}

import type { CommandContext, Connected } from '../command.ts'
import { usage } from '../errors.ts'

/** Cells that have a replicator, as control knows them. */
export async function replicatingCells({ client }: Connected, { terminal }: CommandContext): Promise<readonly string[]> {
  const { replicators } = await client.status({ signal: terminal.signal })
  return replicators.map(({ cell }) => cell)
}

/** The given cells, or all that replicate. @throws CLI_USAGE when there is none, or no such one */
export async function chooseCells(control: Connected, context: CommandContext, cell: string | undefined): Promise<readonly string[]> {
  const known = await replicatingCells(control, context)
  if (cell !== undefined && !known.includes(cell))
    throw usage({
      problem: `no replicator of "${cell}" has reported`,
      fix: known.length === 0 ? 'start the replicators; cellway status' : `one of ${known.join(', ')}`
    })
  if (known.length === 0) throw usage({ problem: 'no replicator has reported to control', fix: 'start the replicators; cellway status' })
  return cell === undefined ? known : [cell]
}

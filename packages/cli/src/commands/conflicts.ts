import { readFileSync } from 'node:fs'
import type { ConflictDetails, ConflictFilter, ConflictRow } from '@cellway/client'
import { type CommandContext, confirm, type Outcome, withControl } from '../command.ts'
import { reasonOf } from '../connection.ts'
import { fileUnreadable, usage } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { renderConflict, renderConflicts } from '../render/replication.ts'
import { resolveFile, type Terminal } from '../terminal.ts'
import { chooseCells } from './replication.ts'

export interface ListOptions {
  readonly cell?: string
  readonly all: boolean
  readonly table?: string
  readonly source?: string
  readonly limit: string
}

const LIMIT_MAX = 1000

export async function listConflicts(context: CommandContext, { cell, all, table, source, limit }: ListOptions): Promise<Outcome> {
  const { terminal } = context
  const wanted = Number(limit)
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > LIMIT_MAX)
    throw usage({ problem: `--limit is "${limit}"`, fix: `a number from 1 to ${LIMIT_MAX}` })
  const filter: ConflictFilter = {
    state: all ? 'all' : 'open',
    limit: wanted,
    ...(table === undefined ? {} : { table }),
    ...(source === undefined ? {} : { source })
  }
  return withControl(context, async (control) => {
    const cells = await chooseCells(control, context, cell)
    const lists = await Promise.all(
      cells.map(async (one) => ({ cell: one, ...(await control.client.replication.conflicts(one, filter, { signal: terminal.signal })) }))
    )
    const parts = lists.map((list) => `${terminal.paint('bold', list.cell)}\n${renderConflicts(list.conflicts, list.open, terminal.paint)}`)
    return { exit: EXIT.done, json: { cells: lists }, text: parts.join('\n\n') }
  })
}

export async function showConflict(context: CommandContext, id: string, { cell }: { readonly cell: string }): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async ({ client }) => {
    const conflict = await client.replication.conflict(cell, id, { signal: terminal.signal })
    return { exit: EXIT.done, json: conflict, text: renderConflict(conflict, terminal.paint) }
  })
}

export interface ResolveOptions {
  readonly cell: string
  readonly reason: string
  readonly apply: boolean
  readonly keep: boolean
  readonly edit?: string
  readonly yes: boolean
}

/** One conflict, or all open ones of a cell that match (`--all` with `--table` or `--source`). */
export async function resolveConflicts(
  context: CommandContext,
  ids: readonly string[],
  options: ResolveOptions & { readonly all: boolean; readonly table?: string; readonly source?: string }
): Promise<Outcome> {
  const { terminal } = context
  const { cell, reason, yes, all, table, source } = options
  const { resolution, row } = resolutionOf(options, terminal)
  if (all === ids.length > 0)
    throw usage({ problem: all ? 'ids and --all are given' : 'no conflict is named', fix: 'give ids, or --all with --table or --source' })
  if (row !== undefined && (all || ids.length !== 1)) throw usage({ problem: 'an edited row is for one conflict', fix: 'give one id' })
  return withControl(context, async ({ client }) => {
    const { replication } = client
    const chosen: readonly (ConflictRow | ConflictDetails)[] = all
      ? await openConflicts((filter) => replication.conflicts(cell, filter, { signal: terminal.signal }), {
          ...(table === undefined ? {} : { table }),
          ...(source === undefined ? {} : { source })
        })
      : await Promise.all(ids.map((id) => replication.conflict(cell, id, { signal: terminal.signal })))
    for (const one of chosen)
      terminal.err('before' in one ? renderConflict(one, terminal.paint) : `${one.id}  ${one.class}  ${one.table}  ${one.key}`)
    await confirm(
      {
        question: `${VERBS[resolution]} in ${chosen.length === 1 ? 'this conflict' : `${chosen.length} conflicts`}? The row goes to every cell.`,
        yes
      },
      terminal
    )
    for (const { id } of chosen) await replication.resolve(cell, { id, resolution, reason, ...(row === undefined ? {} : { row }) })
    const resolved = chosen.map(({ id }) => id)
    return {
      exit: EXIT.done,
      json: { cell, resolution, resolved },
      text: `${terminal.paint('green', '✓')} ${resolved.length === 0 ? 'nothing to decide' : `decided: ${resolved.join(', ')}`}`
    }
  })
}

const VERBS = { apply: 'Take the row of the other cell', keep: 'Keep the row that is here', edit: 'Write the edited row' } as const

function resolutionOf({ apply, keep, edit }: ResolveOptions, terminal: Terminal): { resolution: 'apply' | 'keep' | 'edit'; row?: string } {
  if ([apply, keep, edit !== undefined].filter(Boolean).length !== 1)
    throw usage({ problem: 'it is not clear which row wins', fix: 'give one of --apply, --keep, --edit FILE' })
  if (edit === undefined) return { resolution: apply ? 'apply' : 'keep' }
  try {
    return { resolution: 'edit', row: readFileSync(resolveFile(terminal, edit), 'utf8') }
  } catch (cause) {
    throw fileUnreadable({ file: edit, reason: reasonOf(cause) }, { cause })
  }
}

const PAGE = 500
/** More at once would be nobody's decision. */
const BULK_MAX = 10_000

async function openConflicts(
  list: (filter: ConflictFilter) => Promise<{ readonly conflicts: readonly ConflictRow[] }>,
  filter: ConflictFilter
): Promise<readonly ConflictRow[]> {
  const found: ConflictRow[] = []
  while (found.length < BULK_MAX) {
    const last = found.at(-1)
    const { conflicts } = await list({ ...filter, state: 'open', limit: PAGE, ...(last === undefined ? {} : { before: Number(last.id) }) })
    found.push(...conflicts)
    if (conflicts.length < PAGE) break
  }
  return found
}

import type { BootstrapProgress } from '@cellway/client'
import { type CommandContext, type Connected, confirm, type Outcome, withControl } from '../command.ts'
import { usage } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { progressText, renderBootstrap } from '../render/replication.ts'

export interface BootstrapOptions {
  readonly from?: string
  readonly wipe: boolean
  readonly force: boolean
  readonly rate?: string
  readonly cancel: boolean
  readonly watch: boolean
  readonly yes: boolean
  readonly reason?: string
}

const POLL_MS = 500

/** Starts the copy, or finds the one that runs, and follows it. */
export async function bootstrapCell(context: CommandContext, cell: string, options: BootstrapOptions): Promise<Outcome> {
  const { terminal } = context
  const { from, watch, yes, wipe, force, rate } = options
  const reason = options.reason ?? 'cellway cell bootstrap'
  const rowsPerSecond = rate === undefined ? undefined : Number(rate)
  if (rowsPerSecond !== undefined && !(Number.isInteger(rowsPerSecond) && rowsPerSecond > 0))
    throw usage({ problem: `--rate is "${rate}"`, fix: 'rows per second, like 5000' })
  if (options.cancel) return cancelBootstrap(context, cell, { yes, reason })
  return withControl(context, async (control) => {
    const { replication } = control.client
    const before = await replication.bootstrapProgress(cell, { signal: terminal.signal })
    if (before.state !== 'running') {
      const source = from ?? 'the other cell'
      await confirm(
        { question: `Fill ${cell} from ${source}? ${wipe ? `Rows of the declared tables in ${cell} are lost.` : 'Its tables must be empty.'}`, yes },
        terminal
      )
      await replication.bootstrap(cell, {
        reason,
        wipe,
        force,
        ...(from === undefined ? {} : { from }),
        ...(rowsPerSecond === undefined ? {} : { rowsPerSecond })
      })
    } else terminal.err(`a bootstrap of ${cell} is running since ${before.startedAt ?? '?'}; following it`)
    const progress = watch ? await followed(context, control, cell) : await replication.bootstrapProgress(cell)
    const exit = progress.state === 'failed' ? EXIT.needsOperator : EXIT.done
    const hint = progress.state === 'running' ? `\nit goes on: cellway cell bootstrap ${cell} --watch` : ''
    return { exit, json: { cell, ...progress }, text: `${renderBootstrap(progress, terminal.paint)}${hint}` }
  })
}

async function cancelBootstrap(context: CommandContext, cell: string, { yes, reason }: { yes: boolean; reason: string }): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async ({ client }) => {
    await confirm({ question: `Break the copy into ${cell} off? The cell is incomplete until it is filled again.`, yes }, terminal)
    const progress = await client.replication.cancelBootstrap(cell, { reason })
    return { exit: EXIT.done, json: { cell, ...progress }, text: renderBootstrap(progress, terminal.paint) }
  })
}

/** The copy goes on when nobody watches: Ctrl-C ends only the watching. */
async function followed({ terminal }: CommandContext, { client }: Connected, cell: string): Promise<BootstrapProgress> {
  let progress = await client.replication.bootstrapProgress(cell)
  try {
    while (progress.state === 'running' && !terminal.signal.aborted) {
      terminal.progress(progressText(`bootstrap ${cell}`, progress, progress.table ?? progress.reason ?? ''))
      await terminal.sleep(POLL_MS).catch(() => undefined)
      progress = await client.replication.bootstrapProgress(cell)
    }
    return progress
  } finally {
    terminal.progressDone()
  }
}

import type { BootstrapProgress } from '@cellway/client'
import { type CommandContext, type Connected, confirm, type Outcome, withControl } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { progressText, renderBootstrap } from '../render/replication.ts'

export interface BootstrapOptions {
  readonly from?: string
  readonly watch: boolean
  readonly yes: boolean
  readonly reason?: string
}

const POLL_MS = 500

/** Starts the copy, or finds the one that runs, and follows it. */
export async function bootstrapCell(context: CommandContext, cell: string, { from, watch, yes, reason }: BootstrapOptions): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async (control) => {
    const { replication } = control.client
    const before = await replication.bootstrapProgress(cell, { signal: terminal.signal })
    if (before.state !== 'running') {
      const source = from === undefined ? 'the other cells' : from
      await confirm({ question: `Fill ${cell} from ${source}? Rows of the declared tables in ${cell} are replaced.`, yes }, terminal)
      await replication.bootstrap(cell, { reason: reason ?? 'cellway cell bootstrap', ...(from === undefined ? {} : { from }) })
    } else terminal.err(`a bootstrap of ${cell} is running since ${before.startedAt ?? '?'}; following it`)
    const progress = watch ? await followed(context, control, cell) : await replication.bootstrapProgress(cell)
    const exit = progress.state === 'failed' ? EXIT.needsOperator : EXIT.done
    const hint = progress.state === 'running' ? `\nit goes on: cellway cell bootstrap ${cell} --watch` : ''
    return { exit, json: { cell, ...progress }, text: `${renderBootstrap(progress, terminal.paint)}${hint}` }
  })
}

/** The copy goes on when nobody watches: Ctrl-C ends only the watching. */
async function followed({ terminal }: CommandContext, { client }: Connected, cell: string): Promise<BootstrapProgress> {
  let progress = await client.replication.bootstrapProgress(cell)
  try {
    while (progress.state === 'running' && !terminal.signal.aborted) {
      const now = progress.tables.find(({ state }) => state !== 'done' && state !== 'waiting')?.table ?? ''
      terminal.progress(progressText(`bootstrap ${cell}`, progress, now))
      await terminal.sleep(POLL_MS).catch(() => undefined)
      progress = await client.replication.bootstrapProgress(cell)
    }
    return progress
  } finally {
    terminal.progressDone()
  }
}

import type { Verification } from '@cellway/client'
import { type CommandContext, type Connected, confirm, type Outcome, withControl } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { progressText, renderVerification } from '../render/replication.ts'
import { chooseCells } from './replication.ts'

export interface VerifyOptions {
  readonly cell?: string
  readonly from?: string
  readonly table?: string
  readonly repair: boolean
  readonly watch: boolean
  readonly yes: boolean
  readonly reason?: string
}

const POLL_MS = 500

/** Compares each chosen cell with the others, one after the other: two at once would only share the disk. */
export async function verify(context: CommandContext, options: VerifyOptions): Promise<Outcome> {
  const { terminal } = context
  const { from, table, repair, yes } = options
  if (repair) await confirm({ question: 'Send the row of its owner to every cell where rows differ?', yes }, terminal)
  return withControl(context, async (control) => {
    const cells = await chooseCells(control, context, options.cell)
    const results: { cell: string; result: Verification }[] = []
    for (const cell of cells) {
      await control.client.replication.verify(cell, {
        repair,
        reason: options.reason ?? 'cellway verify',
        ...(from === undefined ? {} : { from }),
        ...(table === undefined ? {} : { table })
      })
      results.push({ cell, result: await followed(context, control, cell) })
    }
    const wrong = results.some(({ result }) => result.state === 'failed' || result.tables.some((one) => one.differences > one.repaired))
    const text = results.map(({ cell, result }) => `${terminal.paint('bold', cell)}\n${renderVerification(result, terminal.paint)}`).join('\n\n')
    const verdict = wrong ? `${terminal.paint('red', '✗')} cells differ` : `${terminal.paint('green', '✓')} no difference is left`
    return { exit: wrong ? EXIT.needsOperator : EXIT.done, json: { cells: results, equal: !wrong }, text: `${text}\n\n${verdict}` }
  })
}

async function followed({ terminal }: CommandContext, { client }: Connected, cell: string): Promise<Verification> {
  try {
    while (true) {
      const verification = await client.replication.verification(cell, { signal: terminal.signal })
      if (verification.state !== 'running') return verification
      const now = verification.tables.find(({ state }) => state === 'running')?.table ?? ''
      terminal.progress(progressText(`verify ${cell}`, verification, now))
      await terminal.sleep(POLL_MS)
    }
  } finally {
    terminal.progressDone()
  }
}

const WATCH_MS = 10_000

/** The continuous comparison: what it found lately, until Ctrl-C. */
export async function watchVerification(context: CommandContext, options: VerifyOptions): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async (control) => {
    const cells = await chooseCells(control, context, options.cell)
    while (!terminal.signal.aborted) {
      const results = await Promise.all(cells.map(async (cell) => ({ cell, result: await control.client.replication.verification(cell) })))
      if (context.globals.output === 'json') terminal.out(JSON.stringify({ cells: results }))
      else {
        terminal.clear()
        for (const { cell, result } of results) terminal.out(`${terminal.paint('bold', cell)}\n${renderVerification(result, terminal.paint)}`)
      }
      await terminal.sleep(WATCH_MS).catch(() => undefined)
    }
    return { exit: EXIT.done, json: undefined, text: '' }
  })
}

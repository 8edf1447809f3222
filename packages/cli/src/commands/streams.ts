import { type CommandContext, confirm, type Outcome, withControl } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { renderReplicators, renderStreams } from '../render/replication.ts'

export async function listStreams(context: CommandContext): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async ({ client }) => {
    const { replicators, streams } = await client.status({ signal: terminal.signal })
    const text =
      replicators.length === 0
        ? 'no replicator has reported to control'
        : `${renderReplicators(replicators, terminal.paint)}\n\n${renderStreams(streams, terminal.paint)}`
    return { exit: EXIT.done, json: { replicators, streams }, text }
  })
}

export interface StreamOrder {
  readonly cell: string
  readonly reason: string
}

export async function pauseStream(context: CommandContext, source: string, { cell, reason }: StreamOrder): Promise<Outcome> {
  return withControl(context, async ({ client }) => {
    await client.replication.pause(cell, { source, reason })
    return done(context, { cell, source, state: 'paused' }, `${cell} no longer applies changes of ${source}; they wait in the center`)
  })
}

export async function resumeStream(context: CommandContext, source: string, { cell, reason }: StreamOrder): Promise<Outcome> {
  return withControl(context, async ({ client }) => {
    await client.replication.resume(cell, { source, reason })
    return done(context, { cell, source, state: 'running' }, `${cell} goes on applying changes of ${source}`)
  })
}

export async function skipTransaction(
  context: CommandContext,
  source: string,
  { cell, reason, gtid, yes }: StreamOrder & { readonly gtid: string; readonly yes: boolean }
): Promise<Outcome> {
  return withControl(context, async ({ client }) => {
    const question = `Leave transaction ${gtid} of ${source} out in ${cell}? Its rows will differ there; its content is kept in cellway.skipped.`
    await confirm({ question, yes }, context.terminal)
    await client.replication.skip(cell, { source, gtid, reason })
    return done(
      context,
      { cell, source, skipped: gtid },
      `${gtid} of ${source} is left out in ${cell}; cellway verify --cell ${cell} shows what differs`
    )
  })
}

function done({ terminal }: CommandContext, json: object, text: string): Outcome {
  return { exit: EXIT.done, json, text: `${terminal.paint('green', '✓')} ${text}` }
}

import type { Status } from '@cellway/client'
import type { CommandContext, Connected, Outcome } from '../command.ts'
import { withControl } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { renderError } from '../render/error.ts'
import { renderStatus, statusLine } from '../render/status.ts'
import { type StatusView, viewStatus } from '../status-view.ts'

export async function showStatus(context: CommandContext): Promise<Outcome> {
  return withControl(context, async (control) => {
    const view = await readStatus(control, context.terminal.signal)
    return { exit: EXIT.done, json: view, text: renderStatus(view, context.terminal.paint) }
  })
}

const INTERVAL_MS = 2000

/** Until Ctrl-C. On a terminal the page renews itself; elsewhere one line per change; as JSON one document per line. */
export async function watchStatus(context: CommandContext): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async (control) => {
    let shown = ''
    while (!terminal.signal.aborted) {
      const view = await attempt(() => readStatus(control, terminal.signal))
      if (terminal.signal.aborted) break
      shown = show(view, shown, context)
      await attempt(() => terminal.sleep(INTERVAL_MS))
    }
    return { exit: EXIT.done, json: undefined, text: '' }
  })
}

function show(view: StatusView | Error, shown: string, { terminal, globals }: CommandContext): string {
  if (globals.output === 'json') {
    if (!(view instanceof Error)) terminal.out(JSON.stringify(view))
    return shown
  }
  const time = new Date(terminal.nowMs()).toISOString().slice(11, 19)
  if (!terminal.isInteractive) {
    const line = view instanceof Error ? renderError(view) : statusLine(view)
    if (line !== shown) terminal.out(`${time}  ${line}`)
    return line
  }
  terminal.clear()
  terminal.out(view instanceof Error ? renderError(view, terminal.paint) : renderStatus(view, terminal.paint))
  terminal.out(
    terminal.paint(
      'dim',
      `\n${time}  ${view instanceof Error ? 'control does not answer, trying again' : statusLine(view)}  ·  every 2 s, Ctrl-C ends`
    )
  )
  return shown
}

async function readStatus({ client, urls }: Connected, signal: AbortSignal): Promise<StatusView> {
  const [status, snapshot] = await Promise.all([client.status({ signal }), client.snapshot({ signal })])
  return viewStatus({ control: urls.join(', '), snapshot, ...pick(status), nowMs: Date.parse(status.time) })
}

/** Of a control that is older than replication: nobody replicates. */
function pick({
  members,
  replicators = [],
  streams = []
}: Partial<Status> & Pick<Status, 'members'>): Pick<Status, 'members' | 'replicators' | 'streams'> {
  return { members, replicators, streams }
}

/** While watching, a failure is something to show, not an end. */
async function attempt<Value>(work: () => Promise<Value>): Promise<Value | Error> {
  try {
    return await work()
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
